"""The forms in which the results of a finished run are handed over.

Each is made of the JSON lines of :mod:`model_service.batch.lines`, which are complete by then, in one or two passes,
and under a temporary name: a form that was cut off is made again.
"""
