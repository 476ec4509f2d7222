from __future__ import annotations

import pytest

from apiloom.catalog.tool import Hints, Tool
from support.catalogs import OK, catalog_of


def tool_of(method: str, path: str, name: str | None = None, **root: object) -> Tool:
    operation = {"responses": OK, **({"operationId": name} if name else {})}
    (tool,) = catalog_of({path: {method: operation}}, **root).tools.values()
    return tool


@pytest.mark.parametrize("method", ["get", "head", "options", "trace"])
def test_safe_methods_read_and_change_nothing(method: str) -> None:
    tool = tool_of(method, "/pets")
    assert tool.kind == "read"
    assert tool.hints == Hints(read_only=True, destructive=False, idempotent=True, open_world=True)


def test_query_is_safe_although_it_has_a_body() -> None:
    tool = tool_of("query", "/pets", openapi="3.2.0")
    assert (tool.kind, tool.hints.read_only) == ("read", True)


@pytest.mark.parametrize(
    ("method", "path", "destructive", "idempotent"),
    [
        ("post", "/pets", False, False),
        ("post", "/pets/{id}", True, False),
        ("put", "/pets/{id}", True, True),
        ("patch", "/pets/{id}", True, False),
        ("delete", "/pets/{id}", True, True),
    ],
)
def test_writes_say_what_they_may_do(method: str, path: str, *, destructive: bool, idempotent: bool) -> None:
    tool = tool_of(method, path)
    assert tool.kind == "write"
    assert tool.hints == Hints(read_only=False, destructive=destructive, idempotent=idempotent, open_world=True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/orders/{id}/cancel"),
        ("post", "/v1/instances/{id}:reboot"),
        ("post", "/chat.postMessage"),
        ("post", "/createUser"),
        ("put", "/users/{id}/activate"),
        ("post", "/messages/{id}/mark-as-read"),
        ("post", "/search"),
        ("post", "/pets?action=merge"),
    ],
)
def test_paths_that_end_in_a_verb_are_custom(method: str, path: str) -> None:
    assert tool_of(method, path).kind == "custom"


@pytest.mark.parametrize("path", ["/imports", "/run-logs", "/posts", "/test", "/reports", "/import-jobs", "/sets/{id}"])
def test_things_named_like_verbs_are_still_things(path: str) -> None:
    assert tool_of("post", path).kind == "write"


def test_asking_by_post_is_not_called_destructive() -> None:
    assert not tool_of("post", "/pets/search").hints.destructive
    assert tool_of("post", "/pets/{id}/archive").hints.destructive


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/pets/{id}/remove", None),
        ("/pets", "deletePets"),
        ("/#Action=DeleteUser", "GET_DeleteUser"),
        ("/jobs/{id}/cancel", None),
        ("/jobs/{id}/cancel", "getJobCancel"),
        ("/jobs/{id}/cancel", "jobById"),
        ("/messages/next", "getAndDeleteMessage"),
        ("/messages/next", "fetchThenRemove"),
        ("/messages", "messages_send"),
        ("/tokens", "token.revoke"),
        ("/v1/things:delete", "thing"),
        ("/chat.delete", None),
    ],
)
def test_a_get_named_like_an_action_is_not_called_read_only_and_reported(path: str, name: str | None) -> None:
    operation = {"responses": OK, **({"operationId": name} if name else {})}
    catalog = catalog_of({path: {"get": operation}})
    (tool,) = catalog.tools.values()
    assert (tool.kind, tool.hints.read_only, tool.hints.destructive) == ("custom", False, True)
    assert "catalog.disguised" in {one.code for one in catalog.findings}


def test_a_get_that_only_talks_of_actions_is_read_only() -> None:
    for path, name in (
        ("/orders/cancel-reasons", None),
        ("/updates", "listUpdates"),
        ("/posts", "getPosts"),
        ("/terms-and-updates", "getTermsAndUpdates"),
        ("/triggers/{name}", "functions_get_trigger"),
        ("/repos/{id}/archive", "download-archive"),
        ("/backups/{id}/restore", "backups_get_restore_status"),
        ("/permissions/check", "canDelete"),
        ("/permissions/check", "getCanDelete"),
    ):
        assert tool_of("get", path, name).hints.read_only
