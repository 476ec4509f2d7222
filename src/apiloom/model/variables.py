"""What the environment variables that hold credentials are called. One spelling for all who read, name or explain them.

Knows no value and reads nothing.
"""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^A-Z0-9]")


def variable_name(scheme: str, slug: str = "") -> str:
    """The environment variable that holds the credential of a security scheme (of one source among several)."""
    place = f"{_OTHER.sub('_', slug.upper())}_AUTH" if slug else "AUTH"
    return f"APILOOM_{place}_{_OTHER.sub('_', scheme.upper())}"
