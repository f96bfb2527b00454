"""Two service classes, neither below the other: nobody can say which one serves."""

from model_service.tfserving_model_service import TfServingBaseService


class FirstService(TfServingBaseService):
    pass


class SecondService(TfServingBaseService):
    pass
