"""Takes ever more memory."""

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        taken = []
        while True:
            taken.append(bytearray(b"x") * (1 << 24))
