"""Imports a sibling plainly and relatively, at once and late, and opens its data by cwd and by self.model_path."""

import os

import helper

from model_service.tfserving_model_service import TfServingBaseService

from .relative import GREETING

with open("labels.txt") as file:  # by the working directory
    LABELS = file.read().split()


class SiblingsService(TfServingBaseService):
    def _inference(self, data):
        import late

        with open(os.path.join(self.model_path, "labels.txt")) as file:
            labels = file.read().split()
        return {
            "helper": helper.double(21),
            "relative": GREETING,
            "late": late.NAME,
            "labels": LABELS,
            "labels_by_path": labels,
        }
