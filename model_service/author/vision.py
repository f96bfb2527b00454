"""The service of packages that bring no customize_service.py."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from model_service.author.tfserving import TfServingBaseService


class TfServingVisionService(TfServingBaseService):
    """Feeds pictures as they are and answers the model's raw outputs."""

    def _preprocess(self, data: Mapping[str, Mapping[str, BytesIO]]) -> dict[str, Any]:
        """Make one batch per form field: every file as RGB, float32 [files, height, width, 3], values 0 to 255.

        Nothing is resized or scaled; pictures of different size in one field are refused.
        """
        import numpy as np
        from PIL import Image

        return {
            field: np.stack(
                [np.asarray(Image.open(content).convert("RGB"), dtype=np.float32) for content in files.values()]
            )
            for field, files in data.items()
        }
