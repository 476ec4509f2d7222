"""How far the references of a local document reach: a tree of folders, by name and after following links.

A description may come from anywhere and its text ends up before a model, so it must not be able to quote the files of
the machine it is read on.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from apiloom.base.errors import DesignError

_SUFFIXES = frozenset({".json", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Reach:
    """The tree that references may reach. ``root`` is absolute, its links not followed."""

    root: Path

    @classmethod
    def of_folder(cls, folder: Path) -> Reach:
        """For a folder given as the source: all of it and nothing else."""
        return cls(_absolute(folder))

    @classmethod
    def of_file(cls, file: Path) -> Reach:
        """For a file: its folder, and the folder above where that is a project's and nobody's whole home.

        Documents are often split into ``openapi/api.yaml`` beside ``schemas/``. The folder above is left out when it
        is the root or directly below it, a home or above one, or where temporary files live.
        """
        folder = _absolute(file).parent
        above = folder.parent
        shared: set[Path] = set()
        with contextlib.suppress(OSError):  # no folder for temporary files can be written to
            shared.add(_absolute(Path(tempfile.gettempdir())))
        with contextlib.suppress(RuntimeError):  # the system knows of no home
            home = Path.home()
            shared |= {home, *home.parents}
        return cls(folder if len(above.parts) < 3 or above in shared else above)

    def within(self, location: str) -> Path:
        """The file at a location, which must lie inside the tree.

        Raises:
            DesignError: ``document.out_of_reach``.
        """
        path = _absolute(Path(location))
        if not path.is_relative_to(self.root) or any(
            part.startswith(".") for part in path.relative_to(self.root).parts
        ):
            raise _beyond(path, "lies outside the folders that this document may refer to")
        if path.suffix.lower() not in _SUFFIXES:
            raise _beyond(path, "is neither JSON nor YAML by its name")
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root)):
            raise _beyond(path, "is a link that leads outside the folders that this document may refer to")
        return path


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links are followed only to check where they end


def _beyond(path: Path, why: str) -> DesignError:
    return DesignError(
        f"{path.name[:100]} {why}",
        code="document.out_of_reach",
        hint="give the folder that holds them all as the source",
    )
