"""The bundled example upstream, loaded from the folder of examples."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCUMENT = EXAMPLES / "bookshop" / "openapi.yaml"

_spec = importlib.util.spec_from_file_location("bookshop_upstream", EXAMPLES / "bookshop" / "upstream.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _module
_spec.loader.exec_module(_module)

KEY: str = _module.KEY
open_shop: Callable[[], AbstractContextManager[str]] = _module.open_shop
