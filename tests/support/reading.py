"""Documents made in a test, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apiloom.base.errors import DesignError
from apiloom.model.api import ApiModel, Operation, Parameter
from apiloom.readers.read import read_document
from apiloom.readers.source import Document


def read_text(text: str | bytes, files: Mapping[str, str] | None = None, **options: Any) -> ApiModel:
    """A document at ``/api/openapi.yaml`` with other files under ``/api``."""
    held = files or {}

    def fetch(location: str) -> bytes:
        name = location.removeprefix("/api/")
        if name not in held:
            raise DesignError(f"there is no file {name}", code="document.not_found")
        return held[name].encode()

    location = options.pop("location", "/api/openapi.yaml")
    content = text.encode() if isinstance(text, str) else text
    return read_document(Document(location=location, content=content), fetch, **options)


def read(document: Mapping[str, Any], files: Mapping[str, str] | None = None, **options: Any) -> ApiModel:
    """A document given as a tree; ``openapi``, ``info`` and ``paths`` are filled in."""
    stated = {} if "swagger" in document else {"openapi": "3.1.0"}
    whole = {**stated, "info": {"title": "T", "version": "1"}, "paths": {}, **document}
    return read_text(json.dumps(whole), files, **options)


def operation(model: ApiModel, key: str) -> Operation:
    """The operation with this key."""
    found = {each.key: each for each in model.operations}
    assert key in found, (sorted(found), model.unreadable)
    return found[key]


def parameter(model: ApiModel, key: str, name: str) -> Parameter:
    """A parameter of an operation."""
    found = {each.name: each for each in operation(model, key).shape.parameters}
    assert name in found, sorted(found)
    return found[name]


def codes(model: ApiModel) -> set[str]:
    """The codes of all findings."""
    return {finding.code for finding in model.findings()}


def quarantined(model: ApiModel) -> dict[str, str]:
    """The reasons of unreadable operations by key."""
    return {each.key: each.reason for each in model.unreadable}
