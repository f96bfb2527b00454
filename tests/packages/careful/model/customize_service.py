"""Everything that looks like a fault and is none: names that are guarded, put back, one's own, or never reached."""

import collections
import json
import os
import sys

import numpy as np
import pytest

try:
    from collections import Mapping
except ImportError:
    from collections.abc import Mapping

try:
    import ujson_that_nobody_has as fast_json
except ImportError:
    fast_json = json

from model_service.tfserving_model_service import TfServingBaseService

if sys.version_info < (3,):
    import urllib2

if not hasattr(np, "float"):
    np.float = float
setattr(np, "int", int)


class string:
    letters = "abc"


def unreachable(path):
    import tensorflow as tf

    with tf.gfile.GFile(path) as file:
        return tf.Session(), file.read(), np.bool8(1)


def session():
    import tensorflow.compat.v1 as tf

    return tf.Session()


def alphabet():
    return string.letters, np.float(1), np.int(2)


class Base(TfServingBaseService):
    def _postprocess(self, data):
        return {"y": data["y"]}


class Service(Base):
    thread_safe = True

    def __init__(self, model_name, model_path, *, verbose=False):
        super().__init__(model_name, model_path)
        self.sessions = [session]
        self.order = collections.OrderedDict()

    def preprocess(self, data):
        return data

    def _preprocess(self, data):
        if isinstance(data, Mapping) and "extra" in data:
            return data["extra"]
        if os.path.exists("cache.txt"):
            with open("cache.txt") as file:
                return file.read()
        alphabet()
        return self.preprocess({"x": data["x"], "note": data.get("note")})

    def _inference(self, data):
        with open("written.txt", "w") as file:
            file.write(str(data))
        with open("written.txt") as file:
            file.read()
        return {"y": data["x"], "approximately": pytest.approx(1.0).expected}


if __name__ == "__main__":
    import argparse_that_nobody_has

    print(argparse_that_nobody_has, unreachable("x"))
