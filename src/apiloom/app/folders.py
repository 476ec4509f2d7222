"""Which file of a folder is the API description: the shallowest that says it is OpenAPI, then the best known name."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

from apiloom.base.errors import DesignError

_SUFFIXES = (".json", ".yaml", ".yml")
_STATES = re.compile(
    rb"(?:\A|\n|[{,])[ \t\r\n]{0,100}\"(?:openapi|swagger)\"[ \t]*:[ \t]*[\"']?[23]"
    rb"|(?:\A|\n)(?:\xef\xbb\xbf)?['\"]?(?:openapi|swagger)['\"]?[ \t]*:[ \t]*[\"']?[23]"
)
_NAMES = ("openapi", "swagger", "api", "index", "main", "root")
_SKIPPED = frozenset({"node_modules", "vendor", "dist", "build", "venv", "__pycache__"})
_HEAD = 65_536
_DEPTH = 4
_FILES = 2_000
_FOLDERS = 5_000
_ENTRIES = 100_000


def entry_document(folder: Path) -> Path:
    """The entry document of a folder.

    Raises:
        DesignError: ``document.not_found`` when no file is one; ``document.ambiguous`` when several may be.
    """
    found = [path for path in _files(folder) if _states(path)]
    if not found:
        raise DesignError(
            f"the folder {folder} holds no OpenAPI document",
            code="document.not_found",
            hint="give the file itself",
        )
    ranks = {path: _rank(path, folder) for path in found}
    best = min(ranks.values())
    chosen = [path for path in found if ranks[path] == best]
    if len(chosen) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in chosen[:4])
        more = f" and {len(chosen) - 4} more" if len(chosen) > 4 else ""
        raise DesignError(
            f"the folder {folder} holds several OpenAPI documents ({names}{more})",
            code="document.ambiguous",
            hint="give one of them",
        )
    return chosen[0]


def candidates(folder: Path) -> list[Path]:
    """The files among which the entry document of a folder is looked for."""
    return _files(folder)


def _files(folder: Path) -> list[Path]:
    """The JSON and YAML files of a folder and those below it, bounded in depth and number, in a fixed order."""
    files: list[Path] = []
    waiting = [(folder, 0)]
    looked = 0
    while waiting and len(files) < _FILES and looked < _FOLDERS:
        here, depth = waiting.pop(0)
        looked += 1
        try:
            entries = sorted(itertools.islice(os.scandir(here), _ENTRIES), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SKIPPED:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting += [(Path(entry.path), depth + 1)] if depth < _DEPTH else []
            elif entry.name.lower().endswith(_SUFFIXES) and _is_file(entry):
                files.append(Path(entry.path))
    return files[:_FILES]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle, or into a folder that is not ours to look into
        return False


def _states(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _STATES.search(file.read(_HEAD)) is not None
    except OSError:
        return False


def _rank(path: Path, folder: Path) -> tuple[int, int]:
    stem = path.name.lower().split(".")[0]
    known = _NAMES.index(stem) if stem in _NAMES else len(_NAMES)
    return len(path.relative_to(folder).parts), known
