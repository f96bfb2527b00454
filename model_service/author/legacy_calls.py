"""Names that services were written against and that today's libraries no longer have: a table, and how to read it.

``model-service check`` reports their use with the replacement. A name stands as it would be imported, ``numpy.int``;
the name of a method begins with its class, ``PIL.ImageDraw.ImageDraw.textsize``. Whatever lies below a name, such as
``tensorflow.contrib.slim``, is gone with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique

PYTHON = "python"  # the "library" of the standard library's names


@unique
class Kind(Enum):
    """What became of a name."""

    RENAMED = "renamed"  # the replacement takes the same arguments
    REMOVED = "removed"  # the replacement, if there is one, is used in another way
    CHANGED = "changed"  # it is still there, but not with that argument


@dataclass(frozen=True)
class LegacyCall:
    """One name that is gone.

    Attributes:
        name: dotted, as imported.
        library: the distribution it belonged to; :data:`PYTHON` for the standard library.
        gone_in: the first version without it.
        replacement: a dotted name if ``kind`` is RENAMED, else what to write instead, as text.
        keyword: CHANGED only: the argument that is refused.
    """

    name: str
    library: str
    gone_in: str
    replacement: str
    kind: Kind
    keyword: str = ""


def _rows(library: str, gone_in: str, kind: Kind, names: Mapping[str, str]) -> list[LegacyCall]:
    return [LegacyCall(name, library, gone_in, replacement, kind) for name, replacement in names.items()]


def _below(top: str, names: Mapping[str, str]) -> dict[str, str]:
    """``{old: new}`` below one module; a new name that begins with a dot lies there, too."""
    return {f"{top}.{old}": f"{top}{new}" if new.startswith(".") else new for old, new in names.items()}


_NUMPY = [
    *_rows(
        "numpy",
        "1.24",
        Kind.RENAMED,
        _below(
            "numpy",
            {
                "int": "builtins.int",
                "float": "builtins.float",
                "object": "builtins.object",
                "str": "builtins.str",
                "complex": "builtins.complex",
                "unicode": "builtins.str",
                "bool8": ".bool_",
                "int0": ".intp",
                "uint0": ".uintp",
                "object0": ".object_",
                "str0": ".str_",
                "bytes0": ".bytes_",
            },
        ),
    ),
    *_rows(
        "numpy",
        "2.0",
        Kind.RENAMED,
        _below(
            "numpy",
            {
                "float_": ".float64",
                "complex_": ".complex128",
                "cfloat": ".complex128",
                "singlecomplex": ".complex64",
                "longfloat": ".longdouble",
                "clongfloat": ".clongdouble",
                "string_": ".bytes_",
                "unicode_": ".str_",
                "Inf": ".inf",
                "Infinity": ".inf",
                "infty": ".inf",
                "PINF": ".inf",
                "NaN": ".nan",
                "NAN": ".nan",
                "product": ".prod",
                "cumproduct": ".cumprod",
                "alltrue": ".all",
                "sometrue": ".any",
                "round_": ".round",
                "RankWarning": ".exceptions.RankWarning",
                "ComplexWarning": ".exceptions.ComplexWarning",
                "DataSource": ".lib.npyio.DataSource",
                "byte_bounds": ".lib.array_utils.byte_bounds",
            },
        ),
    ),
    *_rows(
        "numpy",
        "2.0",
        Kind.REMOVED,
        _below(
            "numpy",
            {
                "NINF": "-np.inf",
                "asfarray": "np.asarray(a, dtype=float)",
                "msort": "np.sort(a, axis=0)",
                "cast": "np.asarray(a, dtype=...)",
                "mat": "np.asmatrix, better np.array",
                "find_common_type": "np.promote_types or np.result_type",
                "issctype": "",
                "maximum_sctype": "",
                "obj2sctype": "np.dtype(obj).type",
                "sctype2char": "np.dtype(obj).char",
                "sctypes": "",
                "set_string_function": "np.set_printoptions",
                "safe_eval": "ast.literal_eval",
                "deprecate": "warnings.warn with DeprecationWarning",
                "recfromcsv": "np.genfromtxt with a comma as delimiter",
                "compat": "",
            },
        ),
    ),
    *_rows("numpy", "2.4", Kind.RENAMED, {"numpy.in1d": "numpy.isin", "numpy.trapz": "numpy.trapezoid"}),
    *_rows("numpy", "1.25", Kind.RENAMED, {"numpy.math": "math"}),
    *_rows("numpy", "1.23", Kind.REMOVED, {"numpy.asscalar": "a.item()", "numpy.alen": "len(a)"}),
    *_rows("numpy", "1.18", Kind.REMOVED, {"numpy.rank": "np.ndim(a)"}),
    *_rows("numpy", "1.13", Kind.RENAMED, {"numpy.testing.rand": "numpy.random.rand"}),
]

_PILLOW = [
    *_rows(
        "pillow",
        "10.0",
        Kind.RENAMED,
        {
            "PIL.Image.ANTIALIAS": "PIL.Image.LANCZOS",
            "PIL.Image.LINEAR": "PIL.Image.BILINEAR",
            "PIL.Image.CUBIC": "PIL.Image.BICUBIC",
        },
    ),
    *_rows(
        "pillow",
        "10.0",
        Kind.REMOVED,
        {
            "PIL.ImageDraw.ImageDraw.textsize": "draw.textbbox((0, 0), text, font=font)",
            "PIL.ImageDraw.ImageDraw.multiline_textsize": "draw.multiline_textbbox((0, 0), text, font=font)",
            "PIL.ImageFont.FreeTypeFont.getsize": "font.getbbox(text)",
            "PIL.ImageFont.FreeTypeFont.getsize_multiline": "ImageDraw.Draw(image).multiline_textbbox",
        },
    ),
    *_rows(
        "pillow",
        "3.0",
        Kind.RENAMED,
        {"PIL.Image.fromstring": "PIL.Image.frombytes", "PIL.Image.Image.tostring": "PIL.Image.Image.tobytes"},
    ),
    *_rows(
        "pillow",
        "7.0",
        Kind.RENAMED,
        {"PIL.PILLOW_VERSION": "PIL.__version__", "PIL.Image.PILLOW_VERSION": "PIL.__version__"},
    ),
]

_PANDAS = [
    *_rows(
        "pandas",
        "2.0",
        Kind.REMOVED,
        {
            "pandas.DataFrame.append": "pd.concat([df, other])",
            "pandas.Series.append": "pd.concat([series, other])",
            "pandas.Int64Index": "pd.Index(values, dtype='int64')",
            "pandas.Float64Index": "pd.Index(values, dtype='float64')",
            "pandas.DataFrame.lookup": "df.to_numpy() with row and column positions",
            "pandas.DataFrame.mad": "(df - df.mean()).abs().mean()",
            "pandas.DataFrame.tshift": "df.shift(freq=...)",
        },
    ),
    *_rows(
        "pandas",
        "2.0",
        Kind.RENAMED,
        {
            "pandas.DataFrame.iteritems": "pandas.DataFrame.items",
            "pandas.Series.iteritems": "pandas.Series.items",
            "pandas.util.testing": "pandas.testing",
        },
    ),
    *_rows(
        "pandas",
        "1.0",
        Kind.REMOVED,
        {
            "pandas.DataFrame.ix": "df.loc with labels, df.iloc with positions",
            "pandas.DataFrame.get_value": "df.at[row, column]",
            "pandas.DataFrame.from_items": "pd.DataFrame(dict(items))",
            "pandas.SparseDataFrame": "a DataFrame with sparse columns",
            "pandas.TimeGrouper": "pd.Grouper(freq=...)",
        },
    ),
    *_rows("pandas", "1.0", Kind.RENAMED, {"pandas.DataFrame.as_matrix": "pandas.DataFrame.to_numpy"}),
    *_rows("pandas", "0.25", Kind.REMOVED, {"pandas.Panel": "a DataFrame with a MultiIndex"}),
    *_rows("pandas", "2.0", Kind.RENAMED, {"pandas.np": "numpy", "pandas.datetime": "datetime.datetime"}),
    *_rows("pandas", "2.0", Kind.RENAMED, {"pandas.io.json.json_normalize": "pandas.json_normalize"}),
    *_rows("pandas", "3.0", Kind.RENAMED, {"pandas.DataFrame.applymap": "pandas.DataFrame.map"}),
    *_rows("pandas", "0.20", Kind.REMOVED, {"pandas.rolling_mean": "series.rolling(n).mean()"}),
]

_SCIPY = [
    *_rows(
        "scipy",
        "1.3",
        Kind.REMOVED,
        {
            "scipy.misc.imread": "np.asarray(Image.open(file)) with Pillow",
            "scipy.misc.imresize": "np.asarray(Image.fromarray(a).resize((width, height))) with Pillow",
            "scipy.misc.imsave": "Image.fromarray(a).save(file) with Pillow",
            "scipy.misc.toimage": "Image.fromarray(a) with Pillow",
        },
    ),
    *_rows("scipy", "1.2", Kind.REMOVED, {"scipy.ndimage.imread": "np.asarray(Image.open(file)) with Pillow"}),
    *_rows("scipy", "1.3", Kind.RENAMED, {"scipy.misc.logsumexp": "scipy.special.logsumexp"}),
    *_rows(
        "scipy",
        "1.14",
        Kind.RENAMED,
        {
            "scipy.integrate.trapz": "scipy.integrate.trapezoid",
            "scipy.integrate.simps": "scipy.integrate.simpson",
            "scipy.integrate.cumtrapz": "scipy.integrate.cumulative_trapezoid",
        },
    ),
    *_rows(
        "scipy",
        "1.13",
        Kind.RENAMED,
        {"scipy.signal.hann": "scipy.signal.windows.hann", "scipy.signal.gaussian": "scipy.signal.windows.gaussian"},
    ),
    *_rows(
        "scipy",
        "1.12",
        Kind.RENAMED,
        {f"scipy.{name}": f"numpy.{name}" for name in ("array", "mean", "sqrt", "zeros", "exp", "log", "absolute")},
    ),
    *_rows("scipy", "1.12", Kind.RENAMED, {"scipy.interp": "numpy.interp"}),
]

_SKLEARN = [
    *_rows("scikit-learn", "0.23", Kind.RENAMED, {"sklearn.externals.joblib": "joblib"}),
    *_rows("scikit-learn", "0.23", Kind.RENAMED, {"sklearn.externals.six": "six"}),
    *_rows(
        "scikit-learn",
        "0.20",
        Kind.RENAMED,
        {
            "sklearn.cross_validation": "sklearn.model_selection",
            "sklearn.grid_search": "sklearn.model_selection",
            "sklearn.learning_curve": "sklearn.model_selection",
            "sklearn.lda": "sklearn.discriminant_analysis",
            "sklearn.qda": "sklearn.discriminant_analysis",
            "sklearn.mixture.GMM": "sklearn.mixture.GaussianMixture",
        },
    ),
    *_rows("scikit-learn", "0.22", Kind.RENAMED, {"sklearn.preprocessing.Imputer": "sklearn.impute.SimpleImputer"}),
    *_rows("scikit-learn", "0.24", Kind.RENAMED, {"sklearn.preprocessing.data": "sklearn.preprocessing"}),
    *_rows("scikit-learn", "1.2", Kind.REMOVED, {"sklearn.datasets.load_boston": "another data set"}),
    *_rows(
        "scikit-learn",
        "0.23",
        Kind.RENAMED,
        {"sklearn.metrics.jaccard_similarity_score": "sklearn.metrics.jaccard_score"},
    ),
]

# With the import tensorflow.compat.v1 as tf each of these is there again, under the name it had.
_TENSORFLOW_V1 = {
    "Session": "Session",
    "InteractiveSession": "InteractiveSession",
    "placeholder": "placeholder",
    "placeholder_with_default": "placeholder_with_default",
    "ConfigProto": "ConfigProto",
    "GPUOptions": "GPUOptions",
    "GraphDef": "GraphDef",
    "GraphKeys": "GraphKeys",
    "AUTO_REUSE": "AUTO_REUSE",
    "Dimension": "Dimension",
    "Print": "Print",
    "app": "app",
    "flags": "flags",
    "resource_loader": "resource_loader",
    "get_default_graph": "get_default_graph",
    "reset_default_graph": "reset_default_graph",
    "get_collection": "get_collection",
    "add_to_collection": "add_to_collection",
    "global_variables": "global_variables",
    "trainable_variables": "trainable_variables",
    "global_variables_initializer": "global_variables_initializer",
    "local_variables_initializer": "local_variables_initializer",
    "initialize_all_variables": "global_variables_initializer",
    "tables_initializer": "tables_initializer",
    "variable_scope": "variable_scope",
    "get_variable": "get_variable",
    "layers": "layers",
    "assign": "assign",
    "colocate_with": "colocate_with",
    "disable_v2_behavior": "disable_v2_behavior",
    "enable_eager_execution": "enable_eager_execution",
    "train.Saver": "train.Saver",
    "train.import_meta_graph": "train.import_meta_graph",
    "train.AdamOptimizer": "train.AdamOptimizer",
    "train.GradientDescentOptimizer": "train.GradientDescentOptimizer",
    "train.batch": "train.batch",
    "train.start_queue_runners": "train.start_queue_runners",
    "train.string_input_producer": "train.string_input_producer",
    "saved_model.loader": "saved_model.loader",
    "saved_model.tag_constants": "saved_model.tag_constants",
    "saved_model.signature_constants": "saved_model.signature_constants",
    "saved_model.signature_def_utils": "saved_model.signature_def_utils",
    "saved_model.builder": "saved_model.builder",
    "saved_model.utils": "saved_model.utils",
    "saved_model.main_op": "saved_model.main_op",
    "saved_model.simple_save": "saved_model.simple_save",
    "nn.dynamic_rnn": "nn.dynamic_rnn",
    "nn.rnn_cell": "nn.rnn_cell",
    "nn.xw_plus_b": "nn.xw_plus_b",
    "summary.FileWriter": "summary.FileWriter",
    "summary.merge_all": "summary.merge_all",
    "substr": "substr",
    "string_split": "string_split",
    "sparse_to_dense": "sparse_to_dense",
    "extract_image_patches": "extract_image_patches",
    "to_float": "to_float",
    "to_int32": "to_int32",
    "py_func": "py_func",
    "div": "div",
    "multinomial": "multinomial",
    "WholeFileReader": "WholeFileReader",
    "TFRecordReader": "TFRecordReader",
    "logging": "logging",
}

_TENSORFLOW = [
    *_rows(
        "tensorflow",
        "2.0",
        Kind.RENAMED,
        {f"tensorflow.{old}": f"tensorflow.compat.v1.{new}" for old, new in _TENSORFLOW_V1.items()},
    ),
    *_rows(
        "tensorflow",
        "2.0",
        Kind.RENAMED,
        _below(
            "tensorflow",
            {
                "gfile": ".io.gfile",
                "python_io": ".compat.v1.python_io",
                "read_file": ".io.read_file",
                "decode_raw": ".io.decode_raw",
                "decode_csv": ".io.decode_csv",
                "parse_example": ".io.parse_example",
                "parse_single_example": ".io.parse_single_example",
                "FixedLenFeature": ".io.FixedLenFeature",
                "VarLenFeature": ".io.VarLenFeature",
                "FIFOQueue": ".queue.FIFOQueue",
                "image.resize_images": ".image.resize",
                "image.resize_bilinear": ".compat.v1.image.resize_bilinear",
                "image.resize_nearest_neighbor": ".compat.v1.image.resize_nearest_neighbor",
                "image.resize_image_with_crop_or_pad": ".image.resize_with_crop_or_pad",
                "log": ".math.log",
                "log1p": ".math.log1p",
                "erf": ".math.erf",
                "lgamma": ".math.lgamma",
                "rint": ".math.rint",
                "rsqrt": ".math.rsqrt",
                "conj": ".math.conj",
                "real": ".math.real",
                "imag": ".math.imag",
                "is_nan": ".math.is_nan",
                "is_inf": ".math.is_inf",
                "ceil": ".math.ceil",
                "mod": ".math.mod",
                "squared_difference": ".math.squared_difference",
                "segment_sum": ".math.segment_sum",
                "unsorted_segment_sum": ".math.unsorted_segment_sum",
                "arg_max": ".argmax",
                "fft": ".signal.fft",
                "diag": ".linalg.tensor_diag",
                "svd": ".linalg.svd",
                "cholesky": ".linalg.cholesky",
                "matrix_inverse": ".linalg.inv",
                "random_normal": ".random.normal",
                "random_uniform": ".random.uniform",
                "truncated_normal": ".random.truncated_normal",
                "set_random_seed": ".random.set_seed",
                "space_to_depth": ".nn.space_to_depth",
                "depth_to_space": ".nn.depth_to_space",
                "sparse_tensor_to_dense": ".sparse.to_dense",
                "string_to_number": ".strings.to_number",
                "reverse_v2": ".reverse",
                "contrib.util.make_tensor_proto": ".make_tensor_proto",
                "contrib.util.make_ndarray": ".make_ndarray",
            },
        ),
    ),
    *_rows(
        "tensorflow",
        "2.0",
        Kind.REMOVED,
        {
            "tensorflow.contrib": "the same function elsewhere in tf, where there is one",
            "tensorflow.examples": "model-service data mnist, or tf.keras.datasets",
            "tensorflow.lite.toco_convert": "tf.lite.TFLiteConverter",
        },
    ),
    *_rows("tensorflow", "2.4", Kind.REMOVED, {"tensorflow.keras.utils.multi_gpu_model": "tf.distribute"}),
    *_rows("tensorflow", "2.16", Kind.REMOVED, {"tensorflow.estimator": "tf.keras"}),
    *_rows(
        "tensorflow",
        "2.16",
        Kind.REMOVED,
        {
            "tensorflow.keras.backend.set_session": "nothing: Keras has no sessions",
            "tensorflow.keras.backend.get_session": "nothing: Keras has no sessions",
            "tensorflow.keras.backend.learning_phase": "the argument training of the model's call",
            "tensorflow.keras.backend.set_learning_phase": "the argument training of the model's call",
            "tensorflow.keras.layers.CuDNNLSTM": "tf.keras.layers.LSTM, which is as quick",
        },
    ),
    *_rows(
        "tensorflow",
        "2.16",
        Kind.RENAMED,
        {"tensorflow.keras.layers.experimental.preprocessing": "tensorflow.keras.layers"},
    ),
]

_KERAS = [
    *_rows(
        "keras",
        "3.0",
        Kind.RENAMED,
        {
            "keras.layers.core": "keras.layers",
            "keras.layers.convolutional": "keras.layers",
            "keras.layers.normalization": "keras.layers",
            "keras.layers.merge": "keras.layers",
            "keras.layers.advanced_activations": "keras.layers",
            "keras.layers.recurrent": "keras.layers",
            "keras.layers.pooling": "keras.layers",
            "keras.layers.embeddings": "keras.layers",
            "keras.layers.wrappers": "keras.layers",
            "keras.engine": "keras.layers",
            "keras.engine.topology": "keras.layers",
            "keras.utils.np_utils": "keras.utils",
            "keras.utils.generic_utils": "keras.utils",
            "keras.utils.data_utils": "keras.utils",
            "keras.utils.vis_utils": "keras.utils",
            "keras.objectives": "keras.losses",
            "keras.initializations": "keras.initializers",
            "keras.constraints.maxnorm": "keras.constraints.MaxNorm",
            "keras.preprocessing.image.ImageDataGenerator": "tensorflow.keras.preprocessing.image.ImageDataGenerator",
            "keras.preprocessing.text.Tokenizer": "tensorflow.keras.preprocessing.text.Tokenizer",
        },
    ),
    *_rows(
        "keras",
        "3.0",
        Kind.REMOVED,
        {
            "keras.backend.set_session": "nothing: there are no sessions",
            "keras.backend.get_session": "nothing: there are no sessions",
            "keras.backend.tensorflow_backend": "keras.backend",
            "keras.backend.learning_phase": "the argument training of the model's call",
            "keras.backend.set_learning_phase": "the argument training of the model's call",
            "keras.backend.set_image_dim_ordering": "keras.config.set_image_data_format",
            "keras.backend.image_dim_ordering": "keras.config.image_data_format",
            "keras.utils.multi_gpu_model": "keras.distribution or tf.distribute",
            "keras.layers.CuDNNLSTM": "keras.layers.LSTM, which is as quick",
        },
    ),
]

_PYTHON_3 = {
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "httplib": "http.client",
    "cookielib": "http.cookiejar",
    "Cookie": "http.cookies",
    "HTMLParser": "html.parser",
    "cPickle": "pickle",
    "copy_reg": "copyreg",
    "StringIO": "io",
    "cStringIO": "io",
    "ConfigParser": "configparser",
    "Queue": "queue",
    "commands": "subprocess",
    "thread": "threading",
    "exceptions": "builtins",
    "__builtin__": "builtins",
    "urllib.urlopen": "urllib.request.urlopen",
    "urllib.urlretrieve": "urllib.request.urlretrieve",
    "urllib.urlencode": "urllib.parse.urlencode",
    "urllib.quote": "urllib.parse.quote",
    "urllib.unquote": "urllib.parse.unquote",
    "itertools.izip": "builtins.zip",
    "itertools.imap": "builtins.map",
    "itertools.ifilter": "builtins.filter",
    "os.getcwdu": "os.getcwd",
    "os.errno": "errno",
    "sys.maxint": "sys.maxsize",
    "string.letters": "string.ascii_letters",
    "string.uppercase": "string.ascii_uppercase",
    "string.lowercase": "string.ascii_lowercase",
    "string.maketrans": "str.maketrans",
    "string.atoi": "builtins.int",
    "string.atof": "builtins.float",
    "types.StringType": "builtins.str",
    "types.ListType": "builtins.list",
}

_STANDARD_LIBRARY = [
    *_rows(PYTHON, "3.0", Kind.RENAMED, _PYTHON_3),
    *_rows(
        PYTHON,
        "3.0",
        Kind.REMOVED,
        {
            "sys.setdefaultencoding": "nothing: text is Unicode",
            "string.join": "separator.join(parts)",
            "md5": "hashlib.md5",
            "sha": "hashlib.sha1",
            "sets": "set",
            "dict.has_key": "key in mapping",
            "dict.iteritems": "mapping.items()",
            "dict.itervalues": "mapping.values()",
            "dict.iterkeys": "mapping.keys()",
        },
    ),
    *_rows(PYTHON, "3.8", Kind.RENAMED, {"time.clock": "time.perf_counter", "cgi.escape": "html.escape"}),
    *_rows(PYTHON, "3.8", Kind.REMOVED, {"platform.linux_distribution": "platform.freedesktop_os_release()"}),
    *_rows(
        PYTHON,
        "3.9",
        Kind.RENAMED,
        {
            "fractions.gcd": "math.gcd",
            "base64.encodestring": "base64.encodebytes",
            "base64.decodestring": "base64.decodebytes",
            "array.array.tostring": "array.array.tobytes",
            "threading.Thread.isAlive": "threading.Thread.is_alive",
        },
    ),
    *_rows(
        PYTHON,
        "3.10",
        Kind.RENAMED,
        {
            f"collections.{name}": f"collections.abc.{name}"
            for name in ("Callable", "Hashable", "Iterable", "Mapping", "MutableMapping", "Sequence", "Sized", "Set")
        },
    ),
    *_rows(PYTHON, "3.11", Kind.RENAMED, {"inspect.getargspec": "inspect.getfullargspec"}),
    *_rows(PYTHON, "3.11", Kind.REMOVED, {"asyncio.coroutine": "async def"}),
    *_rows(PYTHON, "3.12", Kind.RENAMED, {"imp": "importlib"}),
    *_rows(PYTHON, "3.12", Kind.REMOVED, {"asyncore": "asyncio", "distutils": "setuptools, shutil or subprocess"}),
    *_rows(PYTHON, "3.13", Kind.REMOVED, {"cgi": "email.message", "imghdr": "Pillow", "pipes": "subprocess"}),
]

_CHANGED = [
    LegacyCall(
        "json.loads", PYTHON, "3.9", "json.loads(text); bytes are decoded as UTF-8", Kind.CHANGED, keyword="encoding"
    ),
    LegacyCall("json.load", PYTHON, "3.9", "json.load(file)", Kind.CHANGED, keyword="encoding"),
    LegacyCall("pandas.read_csv", "pandas", "2.0", "on_bad_lines='skip'", Kind.CHANGED, keyword="error_bad_lines"),
]

LEGACY_CALLS: tuple[LegacyCall, ...] = (
    *_NUMPY,
    *_PILLOW,
    *_PANDAS,
    *_SCIPY,
    *_SKLEARN,
    *_TENSORFLOW,
    *_KERAS,
    *_STANDARD_LIBRARY,
    *_CHANGED,
)

# What a call makes, as the class under which its methods stand in the table.
MAKES: Mapping[str, str] = {
    "PIL.ImageDraw.Draw": "PIL.ImageDraw.ImageDraw",
    "PIL.ImageFont.truetype": "PIL.ImageFont.FreeTypeFont",
    "PIL.Image.open": "PIL.Image.Image",
    "PIL.Image.new": "PIL.Image.Image",
    "PIL.Image.fromarray": "PIL.Image.Image",
    "pandas.DataFrame": "pandas.DataFrame",
    "pandas.read_csv": "pandas.DataFrame",
    "pandas.Series": "pandas.Series",
    "threading.Thread": "threading.Thread",
    "array.array": "array.array",
}
