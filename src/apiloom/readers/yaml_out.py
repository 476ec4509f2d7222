"""Plain values as YAML text that :mod:`apiloom.readers.yaml_text` reads back as they were."""

from __future__ import annotations

from typing import Any

from apiloom.base import json
from apiloom.base.errors import DesignError
from apiloom.base.plugins import load_to_stay
from apiloom.readers.parse import parse


def write_yaml(value: Any) -> str:
    """One YAML document with its marker; JSON on one line, which is YAML too, where no other form says the same."""
    text: str = load_to_stay("yaml_rs").dumps(value)
    text = (text if text.startswith("---") else f"---\n{text}").rstrip("\n") + "\n"
    return text if _reads_back(text, value) else f"---\n{json.dumps(value).decode()}\n"


def _reads_back(text: str, value: Any) -> bool:
    try:
        return bool(parse(text.encode(), "the text")[0] == value)
    except DesignError:
        return False
