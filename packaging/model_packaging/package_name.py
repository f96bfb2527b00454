"""What a package is called where nobody says it: after its archive, or after its folder."""

from __future__ import annotations

from pathlib import Path

from model_service.package.layout import MODEL_FOLDER_NAME, VERSION_FOLDER, PackageLayout

ARCHIVE_SUFFIX = ".tar.gz"


def package_name(package: Path, layout: PackageLayout) -> str:
    """Return the name of an archive without its suffix, or of the folder that holds ``model/``.

    A folder ``V0003`` gets that of the training output before it. May be "".

    Args:
        package: as the user named it.
        layout: of the package; of an archive where it was unpacked.
    """
    if package.is_file():
        return package.name.removesuffix(ARCHIVE_SUFFIX)
    folder = layout.model_directory
    if folder.name == MODEL_FOLDER_NAME:
        folder = folder.parent
    name = f"{folder.parent.name}-{folder.name}" if VERSION_FOLDER.fullmatch(folder.name) else folder.name
    return name.strip("-")
