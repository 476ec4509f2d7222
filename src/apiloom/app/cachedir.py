"""Where compiled catalogs are kept between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home_folder() -> Path:
    """The user's home; where the system knows of none, a place that cannot be written to."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


def cache_folder() -> Path:
    """The user's cache folder for apiloom: ``$APILOOM_CACHE``, else the platform's own place for caches."""
    chosen = os.environ.get("APILOOM_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home_folder() / "AppData" / "Local") / "apiloom" / "cache"
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Caches" / "apiloom"
    return Path(os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache") / "apiloom"
