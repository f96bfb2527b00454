"""The HTTP/REST API of the model server.

A request goes from ``server`` (sockets, limits, threads) to ``api`` (which route, which status), and on to
``json_tensors`` and ``json_examples``, which turn JSON into what the core takes and back; ``json_values`` converts the
values themselves, ``json_text`` parses and prints.
"""
