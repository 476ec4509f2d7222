"""The only place that imports by name: heavy libraries and plug-ins load when first used, never before."""

from __future__ import annotations

import importlib
import sys
import threading
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


_LOADING = threading.Lock()


def load_to_stay(module_name: str) -> Any:
    """As :func:`load`, for a library that must not outlive the thread which loaded it first.

    Some keep what they set up in that thread, and end the process when another thread asks them after its end. Where
    the main thread does not load it, a thread does that lasts as long as the process.

    Raises:
        HouseFault: as :func:`load`.
    """
    with _LOADING:
        if module_name not in sys.modules and threading.current_thread() is not threading.main_thread():
            loaded = threading.Event()
            threading.Thread(target=_load_and_stay, args=(module_name, loaded), name=module_name, daemon=True).start()
            loaded.wait()
    return load(module_name)


def _load_and_stay(module_name: str, loaded: threading.Event) -> None:
    try:
        importlib.import_module(module_name)
    except ImportError:
        return  # whoever asked meets it again, and is told
    finally:
        loaded.set()
    threading.Event().wait()
