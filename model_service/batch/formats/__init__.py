"""The forms in which the results of a finished run are handed over.

Each is made of the JSON lines of :mod:`model_service.batch.lines`, which are complete by then and read a few times,
under a temporary name: a form that was cut off is made again.
"""

# Not the ending of the files that a run appends to: those are taken up again, these are not.
UNFINISHED = ".unfinished"
