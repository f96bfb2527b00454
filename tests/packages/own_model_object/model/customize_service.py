"""Replaces self.model by an object with two attributes; the stock _inference must call what it says."""

from model_service.model_service import get_tf_server_stub
from model_service.tfserving_model_service import TfServingBaseService


class Model:
    model_name = "serve"
    model_signature = "other"


class OtherService(TfServingBaseService):
    def __init__(self, model_name, model_path):
        self.model = Model()
        self.stub = get_tf_server_stub()
