"""What a document says about credentials without declaring them: headers told in prose, keys among the parameters.

A proposal is the value of ``--auth`` that would sign calls, with the words it was read from. It is only ever told to
people: nothing that stands in prose decides where a secret goes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apiloom.model.api import Operation

MOST_TEXT = 1_000_000
"""Characters of prose that are looked through."""

_LONGEST_TEXT = 50_000
_SAID_HEADER = re.compile(
    r"(?i)\bAuthorization[\"'`*]{0,4}\s{0,3}[:=]\s{0,3}[\"'`*<{\[]{0,3}([A-Za-z][A-Za-z0-9_-]{0,40})"
    r"(?:[ ]{1,2}(\S{1,40}))?"
)
_SAID_KEY = re.compile(
    r"(?i)(?<![\w-])((?:[A-Za-z0-9]{1,20}-){1,4}(?:key|token)|apikey|api_key)(?![\w-])"
    r"(?=[\"'`*]{0,4}(?:\s{0,3}:|[ a-z]{0,12}\bheader))"
)
_NAMED_HEADER = re.compile(r"(?i)\bheader[ \w]{0,20}[\"'`*]{1,3}([A-Za-z0-9-]{1,40}-(?:key|token))[\"'`*]")
_SAID_QUERY = re.compile(r"(?i)[?&](api_?key|apikey|access_token|auth_token|app_?key|subscription-key)=")
_SAID_BASIC = re.compile(r"(?i)\bbasic (?:http )?auth(?:entication|orization)?\b|\bcurl\b[^\n]{0,80} (?:-u|--user) ")
_SAID_BEARER = re.compile(
    r"(?i)\bbearer[ -](?:auth|token)|\bpersonal access tokens?\b|\baccess token (?:in|as|via) |\bJWT\b|\boauth ?2?\b"
)
_NEAR_KEYS = ("-key", "-token", "apikey", "api_key")
_NEAR_BEARER = ("bearer", "token", "jwt", "oauth")
"""Without one of these a pattern finds nothing: it need not be asked, which takes many times as long."""
_PLACEHOLDERS = re.compile(r"(?i)(your|my|api|access|auth|user|the|a|an|jwt|token|key|value|string|secret)?[-_]?\w*")
_key_name = re.compile(
    r"x?(?:ocpapim)?(?:access|api|app|application|auth|client|private|secret|session|subscription|user)"
    r"(?:key|token|secret)|jwt|xauth|\w{0,20}(?:api|auth|access)(?:key|token)"
).fullmatch
_PREFIXES = {"bearer": "bearer", "basic": "basic"}
_SCHEMES = frozenset({"apikey", "genie", "ghs", "key", "oauth", "splunk", "ssws", "token", "zoho-oauthtoken"})
"""Words that stand before the secret in an Authorization header, where no well-known scheme does."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A value of ``--auth`` and the evidence for it, as the end of a sentence that begins with "but"."""

    auth: str
    because: str


def propose(
    operations: Sequence[Operation], reserved: Sequence[dict[str, Any]], texts: Iterable[str]
) -> Proposal | None:
    """The likeliest way to sign calls, or None when the document says nothing of it.

    Args:
        reserved: raw header parameters called Authorization, which no operation keeps.
        texts: prose of the document, the most general first.
    """
    for raw in reserved:
        return Proposal(_kind_of(raw), "operations take the header Authorization as a parameter")
    found = _among_parameters(operations)
    if found is not None:
        return found
    left = MOST_TEXT
    weaker: list[Proposal] = []
    for text in texts:
        piece = text[: min(left, _LONGEST_TEXT)]
        left -= len(piece)
        strong = _exact(piece)
        if strong is not None:
            return strong
        if not weaker:
            weaker += _by_name(piece)
        if left <= 0:
            break
    return weaker[0] if weaker else None


def proposed_for(name: str) -> str:
    """The value of ``--auth`` for a scheme of which nothing but its name is known."""
    lowered = name.lower()
    if "basic" in lowered:
        return "basic"
    if re.search(r"api[-_ ]?key|apikey|app[-_ ]?key", lowered):
        return "header:X-API-Key"
    return "bearer"


def _kind_of(raw: dict[str, Any]) -> str:
    said = [raw.get("description"), raw.get("example"), raw.get("default"), raw.get("pattern")]
    schema = raw.get("schema")
    if isinstance(schema, dict):
        said += [schema.get(key) for key in ("description", "example", "default", "pattern")]
    text = " ".join(one[:2000] for one in said if isinstance(one, str))
    exact = _exact(f"Authorization: {text}")
    if exact is not None and exact.auth != "header:Authorization":
        return exact.auth
    lowered = text.lower()
    return next((kind for word, kind in _PREFIXES.items() if word in lowered), "header:Authorization")


def _among_parameters(operations: Sequence[Operation]) -> Proposal | None:
    """Keys that most operations take as plain parameters; those that stand together are needed together."""
    seen: Counter[tuple[str, str]] = Counter()
    for operation in operations:
        seen.update(
            {
                (one.place, one.name)
                for one in operation.shape.parameters
                if one.place in ("header", "query", "cookie") and _is_key_name(one.name)
            }
        )
    common = sorted(key for key, count in seen.items() if 2 * count >= len(operations))
    if not common:
        common = [min(seen, key=lambda key: (-seen[key], key))] if seen else []
    if not common:
        return None
    auth = ",".join(f"{place}:{name}" for place, name in common[:4])
    named = " and ".join(f"the {place} parameter {name}" for place, name in common[:4])
    return Proposal(auth, f"operations take {named}")


@lru_cache(maxsize=4096)
def _is_key_name(name: str) -> bool:
    return _key_name(re.sub(r"[-_. ]", "", name.lower())) is not None


def _exact(text: str) -> Proposal | None:
    """A header or query written out, as in an example of a request."""
    lowered = text.lower()
    if "author" in lowered and (proposal := _in_header(text)) is not None:
        return proposal
    # Most of a document's prose has none of these words, and to look for them alone is a tenth of the work.
    if "key" not in lowered and "token" not in lowered:
        return None
    if not text.isascii() or any(word in lowered for word in _NEAR_KEYS):
        for pattern in (_SAID_KEY, _NAMED_HEADER):
            named = next((found[1] for found in pattern.finditer(text) if _is_key_header(found[1])), "")
            if named:
                return Proposal(f"header:{named}", f"it names the header {named}")
    query = _SAID_QUERY.search(text) if "key=" in lowered or "token=" in lowered else None
    return Proposal(f"query:{query[1]}", f"it puts {query[1]} into the query") if query else None


def _in_header(text: str) -> Proposal | None:
    for found in _SAID_HEADER.finditer(text):
        prefix, rest = found[1], found[2]
        known = _PREFIXES.get(prefix.lower())
        if known:
            return Proposal(known, f'it says "Authorization: {prefix}"')
        if rest and prefix.lower() in _SCHEMES:
            return Proposal(f"scheme:{prefix}", f'it says "Authorization: {prefix}"')
        if _PLACEHOLDERS.fullmatch(prefix) and re.search(r"(?i)key|token|secret", prefix):
            return Proposal("header:Authorization", 'it says "Authorization:" and the key')
    return None


def _is_key_header(name: str) -> bool:
    return not re.search(r"(?i)idempot|csrf|xsrf|page|next|continuation|sync|public|foreign|primary|cache", name)


def _by_name(text: str) -> Iterator[Proposal]:
    """A way of signing that is only spoken of."""
    lowered = text.lower()
    if any(word in lowered for word in _NEAR_BEARER) and _SAID_BEARER.search(text):
        yield Proposal("bearer", "it speaks of bearer or access tokens")
    elif ("auth" in lowered or "curl" in lowered) and _SAID_BASIC.search(text):
        yield Proposal("basic", "it speaks of basic authentication")
