"""Opens a file by the path it had on a laptop."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        with open("/Users/somebody/labels.txt") as file:
            return {"y": len(file.read())}
