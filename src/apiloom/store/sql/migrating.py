"""Runs the migrations, inside the transaction of whoever calls: killed in the middle, nothing of it was there.

Only loaded when there is something to migrate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection, to: str = "head") -> None:
    """Bring the schema to a migration, by default the last."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)
