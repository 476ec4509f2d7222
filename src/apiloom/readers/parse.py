"""Bytes to a tree of plain JSON values, whatever the encoding, in bounded time and memory.

JSON first when the text looks like JSON, else YAML with the meaning of YAML 1.2's core schema (section 10.3). Knows
nothing of API formats; ``sniff`` names those.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.model.findings import Finding
from apiloom.readers.shape import check_counts, check_tree
from apiloom.readers.source import LIMITS
from apiloom.readers.twins import join_twins
from apiloom.readers.yaml_text import parse_yaml

_BOMS = (
    # The longer marks first: UTF-32 little-endian begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_JUNK = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_LOOKS_LIKE_JSON = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]\-0-9])")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.DOTALL
)
# What is not closed runs to the end of the text, so that a hostile text is gone through once.
_QUOTED = rb'("(?:[^"\\]|\\.)*+(?:"|\Z))'
_COMMENT = re.compile(_QUOTED + rb"|//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)", re.DOTALL)
_TRAILING_COMMA = re.compile(_QUOTED + rb"|,(\s*[}\]])", re.DOTALL)
_BEGINS_WITH_COMMENT = re.compile(rb"\s*/[/*]")
_PATH_KEY = re.compile(rb'"(/[^"\\]*)"\s*:\s*\{')


def parse(content: bytes, location: str) -> tuple[Any, list[Finding]]:
    """Decode a document of any encoding into dicts with string keys, lists, strings, finite numbers, booleans, null.

    Raises:
        DesignError: ``document.too_large``, ``document.not_text``, ``document.not_yaml``, ``document.too_deep`` or
            ``document.bomb``; one sentence that names the place.
    """
    if len(content) > LIMITS.bytes:
        raise DesignError(
            f"{location} has more than {LIMITS.bytes // 1_000_000} MB",
            code="document.too_large",
            hint="split it or take out what is not needed",
        )
    findings: list[Finding] = []
    # Most large documents are clean JSON: they are decoded before anything else is looked at.
    if _LOOKS_LIKE_JSON.match(content):
        try:
            tree = json.loads(content)
        except ValueError:
            pass
        else:
            _check_json(tree, content, location, findings)
            return tree, findings
    text = _utf8(content, location, findings)
    fault = ""
    if _LOOKS_LIKE_JSON.match(text) or _BEGINS_WITH_COMMENT.match(text):
        tree, fault = _json(text, location, findings)
        if not fault:
            return tree, findings
        tree = _commented(text, location, findings)
        if tree is not None:
            return tree, findings
    return _yaml(text, location, findings, fault)


def _utf8(content: bytes, location: str, findings: list[Finding]) -> bytes:
    """The same text in UTF-8 without a byte order mark."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            body = content[len(mark) :]
            if encoding == "utf-8":
                content = body
                break
            try:
                return body.decode(encoding).encode()
            except UnicodeError:
                raise _not_text(location) from None
    junk = _JUNK.search(content)
    if junk:
        raise _not_text(location)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        findings.append(
            Finding(
                level="warning",
                code="document.encoding",
                message=f"the text is not UTF-8 (byte {error.start}); it was read as Windows-1252",
            )
        )
        return content.decode("cp1252", "replace").encode()
    return content


def _not_text(location: str) -> DesignError:
    return DesignError(
        f"{location} is not text, so it cannot be an API document",
        code="document.not_text",
        hint="give a JSON or YAML file",
    )


def _json(text: bytes, location: str, findings: list[Finding]) -> tuple[Any, str]:
    """The tree, or why this is not JSON."""
    try:
        tree = json.loads(text)
    except ValueError as error:
        if "nested too deeply" in str(error):
            raise DesignError(
                f"{location} nests deeper than {LIMITS.depth} levels", code="document.too_deep", hint="flatten it"
            ) from None
        mended = _mend_surrogates(text.decode())
        if mended is None:
            return None, str(error)
        try:
            tree = json.loads(mended)
        except ValueError:
            return None, str(error)
        findings.append(_surrogate_finding())
        text = mended.encode()
    _check_json(tree, text, location, findings)
    return tree, ""


def _commented(text: bytes, location: str, findings: list[Finding]) -> Any:
    """The tree of JSON with comments, which YAML would take for members; None where that is not what is wrong."""
    if b"//" not in text and b"/*" not in text:
        return None
    bare = _COMMENT.sub(lambda match: match[1] or b" ", text)
    try:
        tree = json.loads(_TRAILING_COMMA.sub(lambda match: match[1] or match[2], bare))
    except ValueError:
        return None
    findings.append(
        Finding(level="warning", code="document.comments", message="the JSON has comments; they were passed over")
    )
    _check_json(tree, text, location, findings)
    return tree


def _check_json(tree: Any, text: bytes, location: str, findings: list[Finding]) -> None:
    check_counts(text, tree, location)
    keys = _PATH_KEY.findall(text)
    if len(keys) != len(set(keys)) and isinstance(tree, dict) and isinstance(tree.get("paths"), dict):
        paths = tree["paths"]
        named = [key for key in keys if key.decode() in paths]
        # A path named again elsewhere, in an example say, is worth a closer look but proves nothing.
        if len(named) != len(set(named)):
            findings.extend(join_twins(tree, text))


def _yaml(text: bytes, location: str, findings: list[Finding], json_fault: str) -> tuple[Any, list[Finding]]:
    source = text.decode()
    try:
        tree, more = parse_yaml(source, location, json_fault)
    except DesignError:
        mended = _mend_surrogates(source)
        if mended is None:
            raise
        findings.append(_surrogate_finding())
        tree, more = parse_yaml(mended, location, json_fault)
    tree, repaired = check_tree(tree, location)
    return tree, [*findings, *more, *repaired]


def _mend_surrogates(text: str) -> str | None:
    """The text with each escape of half a surrogate pair replaced, or None when there is none."""
    if not _SURROGATE.search(text):
        return None
    found = False

    def mend(match: re.Match[str]) -> str:
        nonlocal found
        escape = match.group()
        if len(escape) != 6:
            return escape
        found = True
        return "\\ufffd"

    mended = _ESCAPE.sub(mend, text)
    return mended if found else None


def _surrogate_finding() -> Finding:
    return Finding(
        level="warning",
        code="document.surrogate",
        message="an escape stands for half a character (a lone surrogate); it was replaced by U+FFFD",
    )
