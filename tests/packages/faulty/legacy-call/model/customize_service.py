"""np.float is gone."""

import numpy as np

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        return {"y": float(np.asarray(data["x"], dtype=np.float))}
