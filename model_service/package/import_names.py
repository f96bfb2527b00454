"""Which distribution brings a module whose name is another."""

from __future__ import annotations

from collections.abc import Mapping

_DISTRIBUTIONS: Mapping[str, str] = {
    "PIL": "Pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


def distribution_of(import_name: str) -> str:
    """Return what to install for a module; a name that is not known stands for itself."""
    top = import_name.partition(".")[0]
    return _DISTRIBUTIONS.get(top, top)
