"""Where compiled catalogs are kept between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for apiloom: ``$APILOOM_CACHE``, else the platform's own place for caches."""
    chosen = os.environ.get("APILOOM_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "apiloom" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "apiloom"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "apiloom"
