"""The embedded tensorflow_model_server: same flags, same services, on the TensorFlow of this environment.

A request goes from ``grpc_services`` to ``core``, which asks ``manager`` for a version, and on to ``predict``,
``tensors`` and ``engine``. ``repository`` finds versions on disk, ``manager`` loads and unloads them, ``server`` joins
all.
"""
