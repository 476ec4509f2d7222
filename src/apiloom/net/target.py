"""Which request targets the HTTP client sends exactly as they are written, and which origins are plain ones.

The client parses every URL by the WHATWG rules before it sends it: it folds ``.`` and ``..`` segments (also written
``%2e``), turns a backslash of a path into a slash, drops tabs and line breaks, cuts off a fragment, and percent-encodes
some characters. Whatever it would change is refused here instead, so that the bytes on the wire are the planned ones.
This module knows the rules, not the client; ``tests/unit/net`` proves on real sockets that both agree.
"""

from __future__ import annotations

import re

from apiloom.base.errors import DesignError

_EXACT = re.compile(
    # each segment of the path, unless it is a dot segment (URL Standard, "single-dot" and "double-dot" segments)
    r"(?:/(?!(?:\.|%2[eE]){1,2}(?:[/?]|\Z))[!$-.0-;=@-\[\]^_a-z|~]*+)++"
    # the query, where braces, backquote and backslash may stand but an apostrophe may not
    r"(?:\?[!$-&(-;=?-~]*+)?"
)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2[eE]){1,2}(?:[/?]|\Z)")
_PATH_CHARACTER = re.compile(r"[^/!$-.0-;=@-\[\]^_a-z|~]")
_QUERY_CHARACTER = re.compile(r"[^!$-&(-;=?-~]")
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

LONGEST_URL = 65_534
"""The client's bound on origin and target together, in characters."""

sent_exactly = _EXACT.fullmatch
"""Truthy when the target reaches the wire byte for byte. One match of a compiled pattern, linear in its length."""


def plain_origin(origin: str) -> bool:
    """Whether this is ``http(s)://host[:port]`` and nothing else: no user, no path, no query."""
    return _ORIGIN.fullmatch(origin) is not None


def altered(target: str) -> DesignError:
    """The refusal of a target that :data:`sent_exactly` rejects. It never shows the target, which may hold keys."""
    path, mark, query = target.partition("?")
    if not target.startswith("/"):
        why = "the path does not start with a slash"
    elif _DOT_SEGMENT.search(path):
        why = "the path has a segment that is '.' or '..', which would change where it leads"
    elif found := _PATH_CHARACTER.search(path):
        why = f"the path holds {_shown(found.group())}, which cannot be sent as it stands"
    elif mark and (found := _QUERY_CHARACTER.search(query)):
        why = f"the query holds {_shown(found.group())}, which cannot be sent as it stands"
    else:
        why = "it cannot be sent as it stands"
    return DesignError(
        f"the request was not sent, because {why}",
        code="net.target",
        hint="use a value without it, or percent-encode it",
    )


def too_long(length: int) -> DesignError:
    """The refusal of a URL longer than the client can send."""
    return DesignError(
        f"the request was not sent, because its URL would have {length} characters and {LONGEST_URL} can be sent",
        code="net.target",
        hint="send fewer or shorter values in the path and query",
    )


def _shown(character: str) -> str:
    return repr(character) if character.isprintable() and character.isascii() else f"U+{ord(character):04X}"
