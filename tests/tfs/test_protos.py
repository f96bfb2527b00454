"""The messages come without the TensorFlow runtime, and stay out of its way when it comes after all.

Every case is a process of its own: what is imported, and in which order, is the point.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.conftest import quiet_environment

BEHAVES = """
    import copy, pickle

    def check_messages():
        request = protos.predict_pb2.PredictRequest()
        request.model_spec.name = "serve"
        request.inputs["x"].dtype = 1
        request.inputs["x"].tensor_content = b"abcd"
        assert pickle.loads(pickle.dumps(request)) == request
        assert copy.deepcopy(request) == request
        from tensorflow_serving.apis import predict_pb2
        assert predict_pb2.PredictRequest is protos.predict_pb2.PredictRequest
        assert type(request.inputs["x"]) is protos.tensor_pb2.TensorProto

    def check_tensorflow():
        import tensorflow as tf
        assert float(tf.reduce_sum(tf.constant([1.0, 2.0]))) == 3.0
        made = tf.make_tensor_proto([1.0, 2.0])
        assert type(made) is protos.tensor_pb2.TensorProto
        request = protos.predict_pb2.PredictRequest()
        request.inputs["x"].CopyFrom(made)
        assert tf.make_ndarray(request.inputs["x"]).tolist() == [1.0, 2.0]
        from tensorflow.core.framework import tensor_pb2
        assert tensor_pb2.TensorProto is protos.tensor_pb2.TensorProto
        from tensorflow.core.protobuf import saved_model_pb2
        assert saved_model_pb2.SavedModel is protos.saved_model_pb2.SavedModel
"""


def run(script: str) -> str:
    program = f"{textwrap.dedent(BEHAVES)}\n{textwrap.dedent(script)}"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:google", "-c", program],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=quiet_environment(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_tensorflow_is_left_behind() -> None:
    run(
        """
        import sys
        before = list(sys.path), list(sys.meta_path)
        from model_service.tfs import protos
        assert (list(sys.path), list(sys.meta_path)) == before
        assert not [name for name in sys.modules if name == "tensorflow" or name.startswith("tensorflow.")]
        assert not [name for name in sys.modules if name.startswith(("keras", "h5py", "ml_dtypes"))]
        check_messages()
        """
    )


def test_everything_the_author_can_name_comes_without_tensorflow() -> None:
    run(
        """
        import sys
        import model_service.author.fallbacks
        import model_service.model_service
        import model_service.tfserving_model_service as names
        import model_service.tfserving_vision_service
        import model_service.inference.pipeline
        import model_service.web.request_data
        from model_service.tfs import protos
        assert names.predict_pb2 is protos.predict_pb2
        assert "tensorflow" not in sys.modules
        """
    )


def test_tensorflow_comes_afterwards_pulled_in_by_the_authors_own_messages() -> None:
    run(
        """
        import sys
        from model_service.tfs import protos
        check_messages()
        from tensorflow_serving.apis import prediction_log_pb2  # needs messages that we do not load
        log = prediction_log_pb2.PredictionLog()
        log.predict_log.request.inputs["x"].dtype = 1
        assert type(log.predict_log.request) is protos.predict_pb2.PredictRequest
        check_tensorflow()
        check_messages()
        from tensorflow_serving.apis import classification_pb2, prediction_service_pb2_grpc
        assert prediction_service_pb2_grpc is protos.prediction_service_pb2_grpc
        """
    )


def test_tensorflow_was_there_before() -> None:
    run(
        """
        import sys
        import tensorflow as tf
        from tensorflow_serving.apis import prediction_log_pb2
        from model_service.tfs import protos
        assert sys.modules["tensorflow"] is tf
        assert type(prediction_log_pb2.PredictionLog().predict_log.request) is protos.predict_pb2.PredictRequest
        check_messages()
        check_tensorflow()
        """
    )


@pytest.mark.parametrize(
    ("prepare", "advice"),
    [
        ("machinery.PathFinder.find_spec = blind", "pip install tensorflow"),
        ("sys.modules['tensorflow_serving'] = None", "pip install tensorflow-serving-api"),
    ],
    ids=["no tensorflow", "no tensorflow_serving"],
)
def test_missing_messages_are_named_with_a_remedy(prepare: str, advice: str) -> None:
    printed = run(
        f"""
        import sys
        from importlib import machinery
        import model_service.errors
        find = machinery.PathFinder.find_spec
        blind = lambda name, *more: None if name == "tensorflow" else find(name, *more)
        {prepare}
        try:
            import model_service.tfs.protos
        except model_service.errors.ModelServiceError as error:
            print(error)
        assert "tensorflow" not in sys.modules
        """
    )
    assert printed.strip().endswith(advice)
