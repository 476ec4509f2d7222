"""What kind of operation a tool is, and what a client may assume about it, from method, path and name.

HTTP says which methods are safe and idempotent (RFC 9110 section 9.2); what a document does not say is judged on the
careful side: a GET that is named like an action is not called read only, a POST is called additive only where it
creates a member of a collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from apiloom.catalog.names import full_path, words
from apiloom.catalog.tool import Hints, ToolClass
from apiloom.model.api import Operation

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_CHANGING = frozenset(
    words(
        """
    accept activate add allocate apply approve archive assign associate attach authorize block cancel capture clear
    clone close confirm convert copy create deactivate decline delete deploy destroy detach disable disassociate
    dismiss enable execute expire finalize force import insert install invite invoke kill launch link lock mark merge
    modify move mute notify pause ping post publish purge push put reboot refund register reject release remove rename
    renew replace reset resend restart restore resume retry revert revoke rollback rotate run save schedule send set
    shutdown sign start stop submit subscribe suspend sync terminate transfer trigger unarchive unassign unblock
    uninstall unlink unlock unpublish unsubscribe update upgrade upload upsert void write
    """
    )
)
_ASKING = frozenset(
    words(
        """
    analyze batchget calculate check compare complete completions compute convert count describe diff estimate evaluate
    explain export fetch filter find get introspect list lookup match parse predict preview query quote read render
    report resolve score search select suggest test translate validate verify
    """
    )
)
_LISTING = frozenset({"describe", "fetch", "filter", "find", "get", "list", "lookup", "query", "scan", "search"})
_NEVER_VERBS = frozenset({"complete", "completions", "export", "post", "report", "score", "test", "query", "match"})
"""Words that name things as often as actions: alone at the end of a path they do not make it verb-like."""
_CHANGING_ALONE = _CHANGING - _NEVER_VERBS
_NEVER_THINGS = frozenset(
    words(
        """
    activate approve cancel confirm create deactivate delete destroy disable dismiss enable kill publish purge reboot
    reject remove resend revoke send stop submit subscribe terminate unarchive unblock uninstall unlink unlock unpublish
    unsubscribe
    """
    )
)
"""Words that name no thing: a path or a name that ends in one is an action, whatever stands before it."""
_LOOKING = _LISTING.union(words("can check count download has is may preview read retrieve show view"))
_JOINING = frozenset({"and", "or", "then"})


def is_disguised(operation: Operation) -> bool:
    """Whether an operation under a safe method is named like one that changes something."""
    if operation.shape.method.upper() not in ("GET", "HEAD"):
        return False
    named = words(operation.name) if operation.name else []
    if named and named[0] == operation.shape.method.lower() and len(named) > 1:
        named = named[1:]
    if named and named[0] in _CHANGING_ALONE:
        return True
    fixed = words(operation.shape.fixed_query.partition("=")[2])
    if fixed and fixed[0] in _CHANGING:
        return True
    if not named and _last_word_alone(operation.shape.path) in _CHANGING_ALONE:
        return True
    return _last_word_alone(operation.shape.path, marks=":.") in _NEVER_THINGS or _says_it_changes(named)


def _says_it_changes(named: Sequence[str]) -> bool:
    """``getAndDelete``, ``popAndRemove``; ``jobs_cancel``, unless the name says that it only looks."""
    if any(one in _JOINING and other in _CHANGING_ALONE for one, other in pairwise(named[:3])):
        return True
    return bool(named) and named[-1] in _NEVER_THINGS and _LOOKING.isdisjoint(named)


def class_of(operation: Operation) -> ToolClass:
    """``read``: safe methods. ``write``: create, update or delete on a collection or item. ``custom``: all else."""
    method = operation.shape.method.upper()
    if method in SAFE:
        return "custom" if is_disguised(operation) else "read"
    if method not in _WRITES or _is_verb_like(operation):
        return "custom"
    return "write"


def hints_of(operation: Operation) -> Hints:
    """The annotations of a tool (MCP ToolAnnotations); ``open_world`` always, since an API stands behind it."""
    method = operation.shape.method.upper()
    kind = class_of(operation)
    if kind == "read":
        return Hints(read_only=True, destructive=False, idempotent=True)
    idempotent = method in {"PUT", "DELETE"}
    additive = method == "POST" and (_creates(operation, kind) or _asks(operation))
    return Hints(read_only=False, destructive=not additive, idempotent=idempotent)


def asks(operation: Operation) -> bool:
    """Whether a POST is a question: by the action its path ends in, or by what the document calls it."""
    if _asks(operation):
        return True
    named = words(operation.name) if operation.name else ()
    if named and named[0] == "post":
        named = named[1:]
    return bool(named) and named[0] in _LISTING and not _CHANGING.intersection(named)


def _creates(operation: Operation, kind: ToolClass) -> bool:
    """A POST to a collection, whose path does not end in a placeholder, adds a member."""
    return kind == "write" and not operation.shape.path.rstrip("/").endswith("}")


def _asks(operation: Operation) -> bool:
    return _verb(operation) in _ASKING


def _is_verb_like(operation: Operation) -> bool:
    return bool(_verb(operation)) or bool(operation.shape.fixed_query)


def _verb(operation: Operation) -> str:
    """The action at the end of a path: ``/x/{id}/cancel``, ``/x:cancel``, ``/chat.postMessage``, ``/getUser``."""
    last = full_path(operation).partition("?")[0].rstrip("/").rpartition("/")[2]
    segment = last.rpartition(":")[2] if ":" in last else last.rpartition(".")[2]
    found = words(segment) if "{" not in segment else ()
    if not found:
        return ""
    if ":" in last:
        return found[0]
    is_verb = found[0] in _CHANGING or found[0] in _ASKING
    if not is_verb or segment != last:
        return found[0] if is_verb else ""
    if len(found) == 1:
        return found[0] if found[0] not in _NEVER_VERBS - {"query"} else ""
    is_one_word = "-" not in segment and "_" not in segment
    return found[0] if found[0] not in _NEVER_VERBS and (is_one_word or _is_action(found)) else ""


def _is_action(found: Sequence[str]) -> bool:
    """``mark-as-read`` and ``bulk_delete`` style segments; ``import-jobs`` and ``run-logs`` name things."""
    return not found[-1].endswith("s")


def _last_word_alone(path: str, marks: str = "") -> str:
    """The word that is all of a path's last segment, or all of it behind the last of some marks."""
    last = path.rstrip("/").rpartition("/")[2]
    for mark in marks:
        last = last.rpartition(mark)[2]
    found = words(last) if "{" not in last else []
    return found[0] if len(found) == 1 else ""
