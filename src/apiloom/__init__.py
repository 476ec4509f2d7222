"""apiloom: any API becomes MCP tools, served to AI agents through one gateway.

    api = apiloom.load("openapi.yaml")

Everything here is imported when it is first used, so that the command line starts quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiloom.base import plugins

if TYPE_CHECKING:
    from apiloom.app.library import Api, load
    from apiloom.base.errors import ApiloomError, CallerError, DesignError, HouseFault, UpstreamError
    from apiloom.calls.call import Blob, Outcome, Text
    from apiloom.console.house import Options

__version__ = "0.1.0"

_PLACES = {
    "Api": "apiloom.app.library",
    "ApiloomError": "apiloom.base.errors",
    "Blob": "apiloom.calls.call",
    "CallerError": "apiloom.base.errors",
    "DesignError": "apiloom.base.errors",
    "HouseFault": "apiloom.base.errors",
    "Options": "apiloom.console.house",
    "Outcome": "apiloom.calls.call",
    "Text": "apiloom.calls.call",
    "UpstreamError": "apiloom.base.errors",
    "load": "apiloom.app.library",
}

__all__ = [
    "Api",
    "ApiloomError",
    "Blob",
    "CallerError",
    "DesignError",
    "HouseFault",
    "Options",
    "Outcome",
    "Text",
    "UpstreamError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    """The public names, each from its own place (PEP 562)."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'apiloom' has no attribute {name!r}")
    return plugins.load(f"{place}:{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
