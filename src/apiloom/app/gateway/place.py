"""Where a gateway keeps what it knows, and where its key lies: never in the same place.

``--data`` is a folder or the URL of a PostgreSQL database. The key that opens what is sealed there is a file outside of
it, named after the place it belongs to, unless its surroundings name another source.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from apiloom.app.cachedir import home_folder
from apiloom.base.errors import DesignError
from apiloom.base.secret import InTheClear, closed

STORE = "apiloom.db"
_SCHEMES = frozenset({"postgresql", "postgres"})


@closed
@dataclass(frozen=True, slots=True, kw_only=True)
class Place(InTheClear):
    """Where a store is. ``url`` is what opens it and may hold a password; ``folder`` is None for a database.

    ``shown`` may be printed.
    """

    url: str = field(repr=False)
    shown: str
    folder: Path | None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_new(self) -> bool:
        """Whether nothing is kept there yet, as far as can be seen without asking."""
        return self.folder is not None and not (self.folder / STORE).exists()

    def key_file(self) -> Path:
        """The file of the key: ``$APILOOM_KEY_FILE``, else one in the user's configuration folder."""
        chosen = self.environment.get("APILOOM_KEY_FILE")
        if chosen:
            return Path(chosen)
        return config_folder(self.environment) / "keys" / f"{self._name}.key"

    def owner_file(self) -> Path:
        """Where the first owner's token goes when nobody watches: never with the data."""
        return config_folder(self.environment) / "tokens" / f"{self._name}.owner"

    @property
    def _name(self) -> str:
        return hashlib.sha256(self.shown.encode()).hexdigest()[:16]


def read_place(chosen: str, environment: Mapping[str, str]) -> Place:
    """The place of ``--data``; empty means ``$APILOOM_DATA``, else the user's folder for data.

    Raises:
        DesignError: ``gateway.place`` for a URL of another kind.
    """
    chosen = chosen or environment.get("APILOOM_DATA", "")
    if "://" in chosen:
        return _database(chosen, environment)
    folder = Path(chosen) if chosen else user_folder(environment)
    folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 - links stay: the name is what the key goes by
    return Place(url=f"sqlite+aiosqlite:///{folder / STORE}", shown=str(folder), folder=folder, environment=environment)


def _database(url: str, environment: Mapping[str, str]) -> Place:
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _SCHEMES:
        raise DesignError(
            f"--data takes a folder or a postgresql:// URL, not {scheme[:20]}://",
            code="gateway.place",
            hint="write postgresql://USER@HOST/DATABASE, or the path of a folder",
        )
    host = parts.netloc.rpartition("@")[2]
    rest = url.partition("://")[2]
    return Place(
        url=f"postgresql+asyncpg://{rest}",
        shown=f"postgresql://{host}{parts.path}",
        folder=None,
        environment=environment,
    )


def prepare(place: Place) -> None:
    """Make the folder, for its owner alone.

    Raises:
        DesignError: ``gateway.folder`` when it cannot be made or belongs to somebody else.
    """
    folder = place.folder
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise DesignError(
            f"the data folder {folder} cannot be used: {error.strerror or 'no reason given'}",
            code="gateway.folder",
            hint="choose another with --data",
        ) from None
    if os.name == "posix" and status.st_uid != os.geteuid():
        raise DesignError(
            f"the data folder {folder} belongs to another user", code="gateway.folder", hint="choose one of your own"
        )
    if os.name == "posix" and status.st_mode & 0o077:
        raise DesignError(
            f"the data folder {folder} is open to others", code="gateway.folder", hint=f"chmod 700 {folder}"
        )


def user_folder(environment: Mapping[str, str]) -> Path:
    """The user's folder for data."""
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home_folder() / "AppData" / "Local") / "apiloom" / "data"
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Application Support" / "apiloom"
    return Path(environment.get("XDG_DATA_HOME") or home_folder() / ".local" / "share") / "apiloom"


def config_folder(environment: Mapping[str, str]) -> Path:
    """The user's folder for configuration."""
    if sys.platform == "win32":
        return Path(environment.get("APPDATA") or home_folder() / "AppData" / "Roaming") / "apiloom"
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Preferences" / "apiloom"
    return Path(environment.get("XDG_CONFIG_HOME") or home_folder() / ".config") / "apiloom"
