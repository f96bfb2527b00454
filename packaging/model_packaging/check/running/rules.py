"""The rules of the running half: each names a fault that shows when the package answers requests."""

from __future__ import annotations

from model_packaging.check.finding import Rule, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

RUNNING_RULES = (
    Rule(
        "does-not-load",
        _ERROR,
        "The service does not start; no request is answered.",
        "Mend what the message names; run `model-service serve` to see all of what is printed.",
    ),
    Rule(
        "model-not-served",
        _ERROR,
        "The model server does not start; no request is answered.",
        "Export the SavedModel again and look at it with `saved_model_cli show`.",
    ),
    Rule(
        "request-not-answered",
        _ERROR,
        "A request that the contract allows is answered with an error.",
        "Mend the line that is named, or narrow the request schema if such a request shall not be allowed.",
    ),
    Rule(
        "border-not-answered",
        _WARNING,
        "A request that the contract allows, though few would send it, is answered with an error.",
        "Mend the line that is named, or narrow the request schema if such a request shall not be allowed.",
    ),
    Rule(
        "cut-short",
        _NOTE,
        "Some requests were not tried.",
        "Mend the other findings first, then check again.",
    ),
    Rule(
        "needs-sample",
        _NOTE,
        "Nothing is known about how requests are answered.",
        "Give a real request with --sample, or put `examples` or `enum` into the request schema.",
    ),
    Rule(
        "process-ends",
        _ERROR,
        "The worker process ends; all requests that it works on are lost, and it must be started again.",
        "Raise an exception instead of ending the process; a crash in native code is its library's.",
    ),
    Rule(
        "too-slow",
        _ERROR,
        "The caller gets 504, and the worker is lost to all others.",
        "Look for an endless loop or a wait without a limit at the line that is named.",
    ),
    Rule(
        "too-much-memory",
        _ERROR,
        "The system ends the worker process; all requests that it works on are lost.",
        "Limit what a request may make the package allocate.",
    ),
    Rule(
        "answer-not-json",
        _ERROR,
        "The caller gets 500 instead of the answer.",
        "Turn the value that is named into text, numbers, lists or dicts in _postprocess.",
    ),
    Rule(
        "nan-in-answer",
        _WARNING,
        "The body holds a bare NaN or Infinity, which is no JSON: most callers cannot read it.",
        "Replace values that are not finite in _postprocess, by null for example.",
    ),
    Rule(
        "answer-breaks-contract",
        _WARNING,
        "Callers get an answer that the contract does not promise; it has the header X-Contract-Violation.",
        "Make _postprocess return what the response schema says, or make the schema say what it returns.",
    ),
    Rule(
        "strict-answer-refused",
        _ERROR,
        "The caller gets 500: config.json asks for strict answers.",
        "Make _postprocess return what the response schema says, or make the schema say what it returns.",
    ),
    Rule(
        "wrong-tensor-name",
        _ERROR,
        "Every request is answered with 500.",
        "Make _preprocess return exactly the names that the signature has.",
    ),
    Rule(
        "wrong-element-type",
        _ERROR,
        "The request is answered with 500.",
        "Convert the array in _preprocess, with .astype().",
    ),
    Rule(
        "converted-element-type",
        _WARNING,
        "This service converts it silently; the original runtime refuses it and answers 500.",
        "Convert the array in _preprocess, with .astype().",
    ),
    Rule(
        "wrong-shape",
        _ERROR,
        "The request is answered with 500.",
        "Make _preprocess return arrays of the shape that the signature has.",
    ),
    Rule(
        "wrong-output-name",
        _ERROR,
        "Every request is answered with an error.",
        "Read the outputs under the names that the signature has.",
    ),
    Rule(
        "fixed-batch",
        _WARNING,
        "Several files in one request are answered with an error, and requests cannot be joined into batches.",
        "Export the model with an open first dimension.",
    ),
    Rule(
        "two-files",
        _NOTE,
        "A caller who sends several files in one field gets an error.",
        "Make one row of each file, or refuse the second with BadRequest and a message.",
    ),
    Rule(
        "only-one-answered",
        _WARNING,
        "A caller who sends several files in one field gets one answer and is not told that the others were dropped.",
        "Make one row of each file, or refuse the second with BadRequest and a message.",
    ),
    Rule(
        "picture-mode",
        _WARNING,
        "Callers with such pictures get an error, or an answer to something they have not sent.",
        'Convert what is opened in _preprocess, for example with .convert("L") or .convert("RGB").',
    ),
    Rule(
        "picture-size",
        _WARNING,
        "Callers with such pictures get an error, or an answer to something they have not sent.",
        "Scale what is opened in _preprocess with Image.resize (ndarray.resize scales nothing).",
    ),
    Rule(
        "exif-ignored",
        _NOTE,
        "Photographs of cameras that were held upright are looked at lying on their side.",
        "Turn what is opened in _preprocess with ImageOps.exif_transpose.",
    ),
    Rule(
        "bad-picture-answered",
        _WARNING,
        "The caller is not told that the file is broken, and takes the answer for a real one.",
        "Let Pillow's errors pass, or raise BadRequest; do not set LOAD_TRUNCATED_IMAGES.",
    ),
    Rule(
        "bad-picture-500",
        _WARNING,
        "A mistake of the caller is answered as one of the service: callers try again, and alarms go off.",
        "Let Pillow's errors pass, or raise BadRequest.",
    ),
    Rule(
        "out-of-range",
        _WARNING,
        "The model gets values it was not trained on; its answers are wrong.",
        "Scale the values in _preprocess as they were scaled for training.",
    ),
    Rule(
        "missing-scaling",
        _WARNING,
        "Answers look surer than they are, and more of them are wrong.",
        "Divide the pixels by 255 in _preprocess if the model was trained on values from 0 to 1.",
    ),
    Rule(
        "not-deterministic",
        _WARNING,
        "The same request is answered differently each time.",
        "Take randomness out of the hooks, or give it a fixed seed.",
    ),
    Rule(
        "state-kept",
        _WARNING,
        "An answer depends on the requests before it.",
        "Set everything that a request keeps on self, on the class or in the module anew in _preprocess.",
    ),
    Rule(
        "not-thread-safe",
        _ERROR,
        "Callers whose requests come at the same time get each other's answers.",
        "Keep what belongs to a request on self, not on the class or in the module, and do not set thread_safe = True.",
    ),
    Rule(
        "optional-but-needed",
        _WARNING,
        "A request that the contract allows is answered with an error.",
        'Add the property to "required", or do without it in the hook.',
    ),
    Rule(
        "slow-hook",
        _NOTE,
        "Few requests are answered a second.",
        "Do what is the same for all requests once, in __init__ or at the top of the module.",
    ),
    Rule(
        "writes-to-package",
        _WARNING,
        "On the platform, and in images, the package's folder may be read-only; several workers write into one file.",
        "Write into the system's folder for temporary files.",
    ),
    Rule(
        "changes-folder",
        _NOTE,
        "Files that are named relatively are looked for elsewhere after the first request.",
        "Build paths from self.model_path and leave the working directory alone.",
    ),
)
