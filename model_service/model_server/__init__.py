"""The embedded tensorflow_model_server: same flags, same services, on the TensorFlow of this environment."""
