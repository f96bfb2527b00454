"""The wire of TensorFlow Serving: the only room that knows protobuf, besides the embedded server."""
