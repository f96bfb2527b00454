"""sklearn.externals is gone."""

from sklearn.externals import joblib

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        return {"y": joblib.hash(data)}
