"""Needs a distribution that nobody has."""

import numpy as np
import surely_not_installed.anywhere as missing

from model_service.tfserving_model_service import TfServingBaseService


class MissingService(TfServingBaseService):
    def _inference(self, data):
        return missing.run(np.array(data))
