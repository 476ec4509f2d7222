"""The bundled example upstream, loaded from the folder of examples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from support.source import loaded

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCUMENT = EXAMPLES / "bookshop" / "openapi.yaml"

_module = loaded("examples", "bookshop", "upstream.py")

KEY: str = _module.KEY
open_shop: Callable[[], AbstractContextManager[str]] = _module.open_shop
