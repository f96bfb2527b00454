"""One change of a good package, most likely for the worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONFIG, SERVICE, MODEL, INDEX = "config.json", "customize_service.py", "saved_model.pb", "variables/variables.index"


@dataclass(frozen=True)
class Mutation:
    """One change.

    Attributes:
        kind: what was done, in a few words; the same for many.
        name: what was done where.
        files: new contents by path relative to ``model/``; None: the file is removed.
        breaks_platform_rule: it is a fault whether or not a service starts: the platform refuses the package.
    """

    kind: str
    name: str
    files: Mapping[str, bytes | None]
    breaks_platform_rule: bool = False

    @property
    def changes_model(self) -> bool:
        """Whether the SavedModel is another one."""
        return bool({MODEL, INDEX} & set(self.files))

    def apply(self, model: Path) -> None:
        """Change the package in the folder ``model``."""
        for name, content in self.files.items():
            if content is None:
                (model / name).unlink()
            else:
                (model / name).write_bytes(content)
