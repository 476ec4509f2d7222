"""One server's entry in a client's configuration: whose it is, and how a new one takes an old one's place."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

OWN = ("type", "command", "args", "url", "env_vars", "bearer_token_env_var")
"""Members that an installation decides anew; all others are the user's and stay."""


def is_ours(old: Any, entry: dict[str, Any]) -> bool:
    """Whether an existing entry was written by us, or already leads to the same server."""
    if not isinstance(old, dict):
        return False
    if "url" in old:
        return bool(old["url"] == entry.get("url"))
    arguments = old.get("args")
    words = [old.get("command", ""), *(arguments if isinstance(arguments, list) else ())]
    # Started directly, as `python -m apiloom` or by a runner: our name stands among the first words.
    named = any(PurePath(str(word).replace("\\", "/")).stem == "apiloom" for word in words[:4])
    return named and "serve" in words


def merged(old: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """The new entry with what the user added to the old one.

    A change of transport keeps nothing: what was set for a command means nothing to a URL, and clients refuse it.
    """
    if not isinstance(old, dict) or ("url" in old) != ("url" in entry):
        return dict(entry)
    kept = {key: value for key, value in old.items() if key not in OWN and key not in entry}
    joined = dict(entry)
    if isinstance(old.get("env"), dict) and "env" in entry:
        joined["env"] = {**old["env"], **entry["env"]}
    if isinstance(old.get("env_vars"), list):
        names = [*entry.get("env_vars", []), *old["env_vars"]]
        joined["env_vars"] = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    return {**joined, **kept}
