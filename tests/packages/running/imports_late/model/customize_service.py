"""Imports a module that nobody has, but only when a request comes."""

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        import surely_not_installed

        return {"number": surely_not_installed.double(data["number"])}
