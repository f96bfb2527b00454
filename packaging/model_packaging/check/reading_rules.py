"""The rules that reading a package checks; each code is one fault that a user would name."""

from __future__ import annotations

from dataclasses import replace

from model_packaging.check.finding import Rule, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_REFUSED = "ModelArts refuses to import the package."
_NO_CONTRACT = "ModelArts refuses to import the package; here it serves without a contract, so nothing is checked."
_NOT_STARTED = "The service does not start."
_AS_SAID = "Change the value as the message says."
_FAILS = "Every request that comes to this line is answered 500; at the top of a file, the service does not start."

_CONFIG_TEXT = (
    Rule("no-config", _ERROR, _NO_CONTRACT, "Write a config.json; `model-service init` makes one to begin with."),
    Rule("config-not-readable", _ERROR, _NO_CONTRACT, "Give yourself the right to read the file."),
    Rule("config-too-large", _ERROR, _NO_CONTRACT, "Keep data out of config.json."),
    Rule("config-not-utf8", _ERROR, _NO_CONTRACT, "Save the file as UTF-8."),
    Rule("config-has-comments", _ERROR, _NO_CONTRACT, 'Remove the comments, or turn them into "description".'),
    Rule("config-has-trailing-comma", _ERROR, _NO_CONTRACT, "Remove the comma."),
    Rule("config-not-json", _ERROR, _NO_CONTRACT, "Mend the JSON at this place."),
    Rule("config-not-an-object", _ERROR, _NO_CONTRACT, "Begin with { and the keys of a config.json."),
    Rule("key-twice", _WARNING, "Only the last of the two counts, everywhere.", "Keep one of them."),
    Rule("not-a-json-number", _WARNING, "Other readers of the file refuse it.", "Write a number, or leave it out."),
)

_CONFIG_RULES = (
    Rule("no-model-algorithm", _ERROR, _REFUSED, 'Add "model_algorithm", such as "image_classification".'),
    Rule("bad-model-algorithm", _ERROR, _REFUSED, _AS_SAID),
    Rule("no-model-type", _ERROR, _REFUSED, 'Add "model_type": "TensorFlow".'),
    Rule("unknown-model-type", _ERROR, _REFUSED, 'For a SavedModel write "TensorFlow".'),
    Rule("bad-runtime", _ERROR, _REFUSED, "Write a label such as tf2.1-python3.7, or leave the key out."),
    Rule("bad-swr-location", _ERROR, _REFUSED, _AS_SAID),
    Rule("bad-metrics", _ERROR, _REFUSED, "Write numbers from 0 to 1, or leave the key out."),
    Rule("bad-apis", _ERROR, _REFUSED, _AS_SAID),
    Rule("several-apis", _ERROR, _REFUSED, "Keep the entry with the URL /."),
    Rule("api-declared-twice", _ERROR, _REFUSED, "Keep one of the two."),
    Rule("bad-api-url", _ERROR, _REFUSED, 'Write "/".'),
    Rule("bad-api-method", _ERROR, _REFUSED, 'Write "post".'),
    Rule("bad-api-protocol", _ERROR, _REFUSED, 'Write "https".'),
    Rule("unknown-schema-type", _ERROR, _NO_CONTRACT, "Write one of the types that the message lists."),
    Rule("bad-schema", _ERROR, _NO_CONTRACT, "Mend the schema at this place."),
    Rule("bad-validation", _ERROR, _NOT_STARTED, "Write off, warn, coerce or strict for request and response."),
    Rule(
        "bad-tensors",
        _ERROR,
        "None directly, but what is sent to the model is not held against what it was trained on.",
        'Write the range of each input, such as {"images": {"minimum": 0, "maximum": 1}}.',
    ),
    Rule(
        "validation-not-used",
        _WARNING,
        "The entry changes nothing: what it does not name in this form is held to the default mode.",
        'Write an object such as {"request": "strict", "response": "strict"}.',
    ),
    Rule("dependencies-of-image", _ERROR, _REFUSED, 'Remove "dependencies".'),
    Rule("bad-health", _ERROR, _REFUSED, _AS_SAID),
    Rule("bad-dependencies", _ERROR, _REFUSED, _AS_SAID),
    Rule("unknown-installer", _ERROR, _REFUSED, 'Write "pip".'),
    Rule("bad-package-name", _ERROR, _REFUSED, "Write the name alone, without version."),
    Rule("bad-package-version", _ERROR, _REFUSED, "Write the version alone."),
    Rule("unknown-restraint", _ERROR, _REFUSED, "Write EXACT, ATLEAST or ATMOST."),
    Rule("restraint-without-version", _ERROR, _REFUSED, 'Add "package_version", or remove the restraint.'),
    Rule("version-without-restraint", _ERROR, _REFUSED, 'Add "restraint": "ATLEAST".'),
    Rule("wheel-not-there", _ERROR, "The dependencies cannot be installed.", "Put the wheel into model/."),
    Rule("unknown-runtime", _NOTE, "Here nothing: the label is not used. ModelArts may refuse it.", "Check the label."),
)

_CONTRACT = (
    Rule(
        "no-contract",
        _NOTE,
        "Requests and answers are not checked; consoles show no form and no example.",
        'Declare "request" and "response" in "apis".',
    ),
    Rule(
        "mode-without-schema",
        _WARNING,
        "Nothing is checked on this side, though the package asks for it.",
        "Declare the schema, or remove the mode.",
    ),
    Rule(
        "item-for-items",
        _WARNING,
        "Every element passes the check, whatever it is.",
        'Write "items"; then look whether the answers keep it.',
    ),
    Rule("misspelt-keyword", _WARNING, "The schema allows more than it seems to.", "Write the keyword as it is known."),
    Rule(
        "file-in-answer",
        _ERROR,
        "No answer keeps the contract.",
        "Declare what is answered: a string with base64, say.",
    ),
    Rule(
        "open-tuple",
        _NOTE,
        "A caller cannot rely on the number of elements.",
        'Add "minItems" and "maxItems", if the number is fixed.',
    ),
    Rule("no-value-fits", _ERROR, "Every request or answer breaks the contract.", "Exchange or change the two limits."),
    Rule(
        "no-request-fits",
        _ERROR,
        "Every request is answered 400.",
        "Declare what can be sent: JSON, or a form whose fields are files, texts, numbers and booleans.",
    ),
    Rule(
        "required-not-declared",
        _WARNING,
        "A value that has the declared property breaks the contract.",
        "Use the same name in both places.",
    ),
    Rule(
        "field-not-declared",
        _ERROR,
        "A caller who sends what the contract says gets 400 (KeyError).",
        "Use the same name in config.json and in _preprocess.",
    ),
)

_DEPENDENCIES = (
    Rule("dependency-not-installed", _ERROR, _NOT_STARTED, "Install it."),
    Rule("missing-import", _ERROR, _NOT_STARTED, "Put the module into the package, or declare and install it."),
    Rule(
        "undeclared-import",
        _WARNING,
        "Where only the declared packages are installed, as in an image, the service does not start.",
        'Declare it in "dependencies".',
    ),
    Rule("dependency-not-used", _NOTE, "None.", "Remove it from dependencies, if nothing needs it."),
    Rule("module-name-declared", _ERROR, "The dependencies cannot be installed.", "Declare the package by its name."),
    Rule("version-not-pep440", _ERROR, "The dependencies cannot be installed.", "Write a version such as 1.26.0."),
    Rule(
        "other-version",
        _NOTE,
        "The service runs with the version that is installed; it may answer differently.",
        "If the answers are right, declare this version too: restraint ATLEAST.",
    ),
)

_LAYOUT = (
    Rule("wrong-case", _ERROR, "The file is not found.", "Rename it."),
    Rule("no-model", _ERROR, _NOT_STARTED, "Put saved_model.pb and variables/ beside config.json."),
    Rule("model-too-deep", _ERROR, _NOT_STARTED, "Move saved_model.pb and variables/ up, beside config.json."),
    Rule("model-as-text", _ERROR, _NOT_STARTED, "Save the model again in binary form."),
    Rule("two-models", _ERROR, _REFUSED, "Leave one model in the package."),
    Rule("incomplete-variables", _ERROR, _NOT_STARTED, "Copy the SavedModel again, with all of variables/."),
    Rule(
        "link-leads-out",
        _WARNING,
        "In a copy of the package the file is missing.",
        "Put the file itself into the package.",
    ),
    Rule("link-leads-nowhere", _WARNING, "The file is missing.", "Put the file itself into the package."),
    Rule("stray-file", _NOTE, "It is uploaded with the package.", "Delete it."),
    Rule("secret-file", _NOTE, "Whoever gets the package gets the secret.", "Keep secrets out of packages."),
    Rule("space-in-name", _NOTE, "Here none; ModelArts refuses spaces in paths.", "Rename it, and what opens it."),
)

_SERVICE = (
    Rule("service-not-readable", _ERROR, _NOT_STARTED, "Give yourself the right to read the file."),
    Rule("service-syntax", _ERROR, _NOT_STARTED, "Mend the line."),
    Rule(
        "python-2", _ERROR, _NOT_STARTED, "Port the file: `python -m lib2to3 -w FILE` with Python 3.12 or older helps."
    ),
    Rule(
        "no-service-class",
        _ERROR,
        _NOT_STARTED,
        "Derive one class from TfServingBaseService of model_service.tfserving_model_service.",
    ),
    Rule("two-services", _ERROR, _NOT_STARTED, "Leave one service class in the file."),
    Rule("engine-not-provided", _ERROR, _NOT_STARTED, "Derive from TfServingBaseService; other engines are not run."),
    Rule("unknown-base-class", _ERROR, _NOT_STARTED, "Correct the name."),
    Rule("hook-arguments", _ERROR, "Every request is answered 400 (TypeError).", "Take self and one argument."),
    Rule("hook-is-async", _ERROR, "Every request is answered 500.", "Write def instead of async def."),
    Rule("constructor-arguments", _ERROR, _NOT_STARTED, "Write def __init__(self, model_name, model_path)."),
    Rule("hook-name", _WARNING, "The method does nothing: the base class's own hook is called.", "Rename the method."),
    Rule("preprocess-returns-nothing", _ERROR, "Every request is answered 500.", "Return the model's inputs."),
    Rule("answer-is-null", _WARNING, "Every answer is null.", "Return the answer."),
    Rule(
        "thread-safe-state",
        _WARNING,
        "Requests at the same time may get each other's values.",
        "Keep the value in a local variable, or remove thread_safe.",
    ),
    Rule("legacy-call", _ERROR, _FAILS, "Write the replacement."),
    Rule("legacy-import", _ERROR, _NOT_STARTED, "Import the replacement."),
    Rule("missing-file", _ERROR, _FAILS, "Put the file into the package."),
    Rule(
        "path-of-another-machine",
        _WARNING,
        "Where the path is not there, the line fails.",
        "Put the file into the package and open it by os.path.join(self.model_path, NAME).",
    ),
    Rule(
        "module-name-taken",
        _WARNING,
        "The one of the two that is loaded first hides the other: an import gets the wrong module.",
        "Rename the file, and what imports it.",
    ),
)

_MODEL = (
    Rule("unreadable-model", _ERROR, _NOT_STARTED, "Copy the SavedModel again."),
    Rule("no-serve-graph", _ERROR, _NOT_STARTED, 'Export the model with the tag "serve".'),
    Rule("no-signature", _ERROR, _NOT_STARTED, 'Export one signature, or call one of them "serving_default".'),
    Rule(
        "batch-dimension-closed",
        _NOTE,
        "The model takes no batches: a request with several items, or joined requests, must be sent one by one.",
        "Export the model with None as the first dimension.",
    ),
    Rule("unknown-input", _ERROR, "Every request is answered 500.", "Use the name that the model has."),
    Rule("missing-input", _ERROR, "Every request is answered 500.", "Send all inputs."),
    Rule("unknown-output", _ERROR, "Every request is answered 400 (KeyError).", "Use a name that the model has."),
)

_SUPPRESSIONS = (
    Rule("bad-suppression", _WARNING, "None; the finding is reported.", 'Write {"code": CODE, "reason": WHY}.'),
    Rule("suppression-unused", _WARNING, "None.", "Remove it: what it was for is mended."),
)

_ALL = (
    *_LAYOUT,
    *_CONFIG_TEXT,
    *_CONFIG_RULES,
    *_CONTRACT,
    *_DEPENDENCIES,
    *_MODEL,
    *_SERVICE,
    *_SUPPRESSIONS,
)

READING_RULES: tuple[Rule, ...] = tuple(replace(rule, stops_start=rule.consequence is _NOT_STARTED) for rule in _ALL)
