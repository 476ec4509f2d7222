"""Paths that stand twice in a JSON text. A decoder keeps the last of equal names; here both are found and joined.

Looks at the text as tokens, so it is exact and slow; it is asked only when a quick look found a path more than once.
"""

from __future__ import annotations

import re
from typing import Any

from apiloom.base import json
from apiloom.model.findings import Finding
from apiloom.model.schema import escape

_TOKEN = re.compile(rb'"(?:[^"\\]+|\\.)*"|[{}\[\]]', re.DOTALL)


def join_twins(tree: dict[str, Any], text: bytes) -> list[Finding]:
    """Join the members of paths that stand twice, in place; a finding for each."""
    spans: dict[str, list[bytes]] = {}
    for key, value in _path_items(text):
        spans.setdefault(key, []).append(value)
    findings = []
    for key in sorted(key for key, values in spans.items() if len(values) > 1):
        joined: dict[str, Any] = {}
        for value in spans[key]:
            joined.update(json.loads(value))
        tree["paths"][key] = joined
        message = f'the key "{key}" stands twice; the members of both were taken, the later ones first'
        findings.append(
            Finding(level="warning", code="document.duplicate_key", message=message, pointer=f"/paths/{escape(key)}")
        )
    return findings


def _path_items(text: bytes) -> list[tuple[str, bytes]]:
    """Every member of the top-level ``paths`` that is an object, with its text."""
    found: list[tuple[str, bytes]] = []
    depth = start = 0
    inside = False
    last = b""
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in b"{[":
            depth += 1
            inside = inside or (depth == 2 and last == b'"paths"' and mark == b"{")
            if depth == 3:
                start = token.start() if mark == b"{" else -1
        elif mark in b"}]":
            depth -= 1
            if inside and depth == 2 and start >= 0:
                found.append((json.loads(last), text[start : token.end()]))
            inside = inside and depth > 1
        elif depth == 1 or (depth == 2 and inside):
            last = mark
    return found
