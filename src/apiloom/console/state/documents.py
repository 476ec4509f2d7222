"""State as it stands in files: read, checked by kind, and with what they refer to beside them.

YAML or JSON, several documents in a file. Secrets never stand in them: credentials are references or left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apiloom.base.errors import CallerError
from apiloom.console.state.kinds import Kind, check, key_of, kind_of, refused, schema_of, title_of
from apiloom.console.state.texts import document_text
from apiloom.readers.parse import parse

MOST_DOCUMENTS = 20_000
MOST_FILES = 2_000
_MOST_BYTES = 64 * 1024 * 1024
_ENDINGS = (".yaml", ".yml", ".json")
_boundary = re.compile(rb"^(?:---(?=[ \t\r\n]|\Z)|\.\.\.[ \t\r]*$)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document. ``spec`` is as it stands there; ``contents`` are the texts of APIs that it names."""

    kind: Kind
    key: tuple[str, ...]
    spec: Mapping[str, Any]
    place: str
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        """Its kind and name as people read them."""
        return title_of(self.kind, self.key)

    @property
    def tenant(self) -> str:
        """The tenant it belongs to; empty for the house."""
        names = tuple(self.kind.names)
        return self.key[names.index("tenant")] if "tenant" in names else ""


def read_documents(folder: Path, names: Sequence[str]) -> list[Document]:
    """The documents of files, of the files of folders, and of standard input (``-``).

    Raises:
        CallerError: ``state.file``, ``state.form``, ``state.kind``, ``state.twice``.
        DesignError: ``document.…`` for what is neither YAML nor JSON.
    """
    found: dict[tuple[str, tuple[str, ...]], Document] = {}
    for file in _files(folder, names):
        for document in _read(file):
            known = found.setdefault((document.kind.word, document.key), document)
            if known is not document:
                raise CallerError(
                    f"{document.title} stands in {known.place} and in {document.place}",
                    code="state.twice",
                    hint="leave one of them out",
                )
            if len(found) > MOST_DOCUMENTS:
                raise _unusable("there", f"are more than {MOST_DOCUMENTS:,} documents")
    return list(found.values())


def _files(folder: Path, names: Sequence[str]) -> Iterable[Path | None]:
    files: list[Path | None] = []
    for name in names:
        path = folder / name
        if name == "-":
            files.append(None)
        elif inside := _inside(path):
            files += inside
        else:
            files.append(path)
    if len(files) > MOST_FILES:
        raise _unusable("there", f"are more than {MOST_FILES:,} files")
    return files


def _inside(path: Path) -> list[Path]:
    """The files of state in a folder; none where it is no folder.

    Raises:
        CallerError: ``state.file`` for a folder that holds none.
    """
    try:
        if not path.is_dir():
            return []
        files = sorted(each for each in path.iterdir() if each.suffix in _ENDINGS and each.is_file())
    except (OSError, ValueError):
        return []  # reading it as a file says what is wrong
    if not files:
        raise CallerError(
            f"{path} holds no file of state", code="state.file", hint=f"their names end in {', '.join(_ENDINGS)}"
        )
    return files


def _read(file: Path | None) -> list[Document]:
    name = "standard input" if file is None else file.name
    content = sys.stdin.buffer.read(_MOST_BYTES + 1) if file is None else read_bytes(file)
    if len(content) > _MOST_BYTES:
        raise _unusable(name, f"has more than {_MOST_BYTES >> 20} MB")
    documents = []
    for at, part in enumerate(_parts(content), 1):
        place = f"{name} (document {at})" if at > 1 else name
        value, findings = parse(part, place)
        broken = next((finding for finding in findings if finding.level == "error"), None)
        if broken is not None:
            raise refused(place, "", f"cannot be read: {broken.message}")
        if value is not None:
            documents += _each(value, place, None if file is None else file.parent)
    return documents


def _each(value: Any, place: str, folder: Path | None) -> list[Document]:
    """The documents of a value: one, or all that a list or ``{"documents": […]}`` holds."""
    if isinstance(value, dict) and set(value) == {"documents"}:
        value = value["documents"]
    values = value if isinstance(value, list) else [value]
    return [_document(each, place, folder) for each in values]


def _parts(content: bytes) -> list[bytes]:
    """The YAML documents of a stream (YAML 1.2 section 9.2): a marker at the start of a line is nothing else."""
    parts = _boundary.split(content.replace(b"\r\n", b"\n"))
    return [part for part in parts if any(line.strip() and line[:1] not in b"#%" for line in part.split(b"\n"))]


def _document(value: Any, place: str, folder: Path | None) -> Document:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise refused(place, "", "is no object with a kind", "documents of APIs lie in a folder below those of state")
    kind = kind_of(value["kind"])
    check(value, schema_of(kind), place)
    key = key_of(kind, value)
    spec = value["spec"]
    _check_key(kind, value, place)
    if kind.word == "connector" and "document" not in spec and "url" not in spec:
        raise refused(place, "/spec", "has neither document nor url")
    parts = [spec["document"]] if "document" in spec else []
    contents = dict(_content(part, place, folder) for part in (*parts, *spec.get("history", ())))
    return Document(kind=kind, key=key, spec=spec, place=place, contents=contents)


def _check_key(kind: Kind, value: Mapping[str, Any], place: str) -> None:
    if any(value.get(name) == "" for name in kind.needed):
        raise refused(place, "", "has an empty name")
    if kind.word == "overlay":
        aimed = value["layer"] in {"account", "server"}
        if aimed != bool(value.get("target")):
            raise refused(place, "/target", "is for the layers account and server, and needed there")
        if value["layer"] == "connector" and value.get("tenant"):
            raise refused(place, "/tenant", "is not for the layer connector")


def _content(part: Mapping[str, str], place: str, folder: Path | None) -> tuple[str, str]:
    """The text of a document that a connector is made from, by what names them there."""
    if len(part) != 1:
        raise refused(place, "/spec/document", "has one of file and text")
    if "text" in part:
        return named(part), part["text"]
    file = (folder or Path()) / part["file"]
    if folder is None:
        raise refused(place, "/spec/document", "names a file, and standard input is beside none")
    return named(part), document_text(read_bytes(file), part["file"])


def named(part: Mapping[str, str]) -> str:
    """What names the text of a part among a document's contents."""
    return f"file {part['file']}" if "file" in part else f"text {part['text']}"


def read_bytes(file: Path) -> bytes:
    """The bytes of a file.

    Raises:
        CallerError: ``state.file``.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise CallerError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is no path'}",
            code="state.file",
            hint="check the path",
        ) from None
    if len(content) > _MOST_BYTES:
        raise _unusable(str(file), f"has more than {_MOST_BYTES >> 20} MB")
    return content


def _unusable(what: str, why: str) -> CallerError:
    return CallerError(f"{what} {why}", code="state.file", hint="apply it in parts")
