"""Which distribution has a module: what to install so that ``import NAME`` works."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# import name -> distributions that have it, the usual one first; only where the two names differ
_DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "Bio": ("biopython",),
    "Crypto": ("pycryptodome", "pycrypto"),
    "Cryptodome": ("pycryptodomex",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow", "pillow-simd"),
    "attr": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cv2": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "google.protobuf": ("protobuf",),
    "grpc": ("grpcio",),
    "grpc_health": ("grpcio-health-checking",),
    "jwt": ("pyjwt",),
    "kafka": ("kafka-python",),
    "magic": ("python-magic",),
    "model_service": ("tf-model-service",),
    "obs": ("esdk-obs-python",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "paddle": ("paddlepaddle", "paddlepaddle-gpu"),
    "pkg_resources": ("setuptools",),
    "psycopg2": ("psycopg2-binary", "psycopg2"),
    "serial": ("pyserial",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "skvideo": ("sk-video",),
    "slugify": ("python-slugify",),
    "snappy": ("python-snappy",),
    "socks": ("pysocks",),
    "tensorflow": (
        "tensorflow",
        "tensorflow-cpu",
        "tensorflow-gpu",
        "tensorflow-intel",
        "tensorflow-macos",
        "intel-tensorflow",
        "tf-nightly",
    ),
    "tensorflow_serving": ("tensorflow-serving-api", "tensorflow-serving-api-gpu"),
    "umap": ("umap-learn",),
    "usb": ("pyusb",),
    "win32api": ("pywin32",),
    "wx": ("wxpython",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}


def distribution_of(import_name: str, declared: Iterable[str] = ()) -> str:
    """Return the distribution to install for a module: ``cv2`` gives ``opencv-python``.

    Args:
        import_name: as it is imported, dots included.
        declared: distributions that a package names as its dependencies; one of these that has the module wins, and is
            returned as it is written there.
    """
    parts = import_name.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    candidates = next((_DISTRIBUTIONS[name] for name in names if name in _DISTRIBUTIONS), (parts[0],))
    known = {normalized(name) for name in candidates}
    return next((name for name in declared if normalized(name) in known), candidates[0])


def import_names_of(distribution: str) -> tuple[str, ...]:
    """Return the modules that a distribution is known or likely to have: its own name is always one of them."""
    name = normalized(distribution)
    known = [module for module, distributions in _DISTRIBUTIONS.items() if name in distributions]
    own = distribution.partition("[")[0].strip().replace("-", "_")
    return tuple(dict.fromkeys([*known, own, name.replace("-", "_")]))


def normalized(distribution: str) -> str:
    """Write the name of a distribution as package indexes compare it; extras in brackets are dropped."""
    bare = distribution.partition("[")[0].strip()
    name = "".join(character if character.isalnum() else "-" for character in bare.lower())
    return "-".join(filter(None, name.split("-")))
