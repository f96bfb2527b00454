"""The embedded tensorflow_model_server: same flags, same services, on the TensorFlow of this environment.

A request goes from ``grpc_services`` to ``core``, which asks ``manager`` for a version, and on to ``predict``,
``tensors`` and ``engine``, or to ``classify``, ``regress`` and ``multi_inference``, which feed ``examples``.
``model_configs`` says which models there shall be, ``served_models`` changes the set and knows the labels,
``repository`` finds versions on disk, ``manager`` loads and unloads them by the rules of ``versions``, ``server`` joins
all.
"""
