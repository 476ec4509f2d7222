"""The only place that imports by name: heavy libraries and plug-ins load when first used, never before."""

from __future__ import annotations

import importlib
from typing import Any

from apiloom.base.errors import HouseFault


def load(dotted: str) -> Any:
    """Import ``package.module:attribute`` (or a whole ``package.module``) when it is first needed.

    Raises:
        HouseFault: ``plugin.missing`` when the module or the attribute is not installed.
    """
    module_name, _, attribute = dotted.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise HouseFault(
            f"{module_name} needs {error.name}, which is not installed",
            code="plugin.missing",
            hint="install the extra that brings it",
        ) from error
    return getattr(module, attribute) if attribute else module
