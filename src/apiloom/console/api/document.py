"""The description of the admin API as it is published: how to get in, how it refuses, and the words of each resource.

The framework makes the document from the operations; what it cannot know is added here. Nothing of a running gateway
stands in it, so that it is the same for all of a release.
"""

from __future__ import annotations

from typing import Any, Final

from apiloom.console.api.door import PREFIX
from apiloom.console.api.problems import MEDIA_TYPE

DESCRIPTION: Final = (
    "Everything that the gateway serves is made here: tenants, connectors and their versions, accounts, MCP servers "
    "and their tokens. Times are RFC 3339 in UTC. Lists answer `items` and `next_cursor`. PATCH takes a merge patch "
    "(RFC 7396). Secrets go in and never come out again; new tokens and URLs are shown once."
)

TAGS: Final[list[dict[str, Any]]] = [
    {"name": "tenants", "description": "The boundaries of isolation."},
    {"name": "connectors", "description": "Imported APIs under stable slugs."},
    {"name": "versions", "description": "The immutable imports of a connector: compared, promoted, rolled back."},
    {"name": "accounts", "description": "A tenant's connection to a connector: variables and credentials."},
    {"name": "oauth-clients", "description": "The vendor's own OAuth apps at providers, per connector."},
    {"name": "servers", "description": "Addressable MCP servers: what they show, to whom, and until when."},
    {"name": "toolsets", "description": "Named groups of tools, switched as one."},
    {"name": "overlays", "description": "Edits of tools, kept apart from what was read."},
    {"name": "api-tokens", "description": "Tokens for this API and for MCP."},
    {"name": "sign-ins", "description": "Who is signed in at the gateway, with which client; and their ends."},
    {"name": "audit", "description": "What was done, by whom."},
    {"name": "connect-sessions", "description": "Links to a page where somebody connects an account."},
    {"name": "events", "description": "What happened that others may want to be told."},
    {"name": "catalogue", "description": "Well-known APIs, ready to be imported."},
    {"name": "node", "description": "The gateway itself, and the caller."},
]

_SCHEME: Final = "ApiToken"

_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457), in one sentence that never repeats what was sent.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "hint", "pointer", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, as one sentence."},
        "code": {"type": "string", "description": "A stable dotted word for programs."},
        "hint": {"type": "string", "description": "What to do about it."},
        "pointer": {"type": "string", "description": "Where in the body (RFC 6901); empty: nowhere in particular."},
        "request_id": {"type": "string"},
    },
}

_REFUSED: Final[dict[str, Any]] = {
    "description": "Refused, or failed: the problem says why.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

_PATCH: Final = "application/merge-patch+json"

_METADATA_LISTS: Final = frozenset({"list_tenants", "list_connectors", "list_accounts", "list_servers"})
_METADATA: Final[dict[str, Any]] = {
    "name": "metadata",
    "in": "query",
    "required": False,
    "style": "deepObject",
    "explode": True,
    "description": "Only those whose metadata has these texts.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}

_MEMBERS: Final = {
    "allow_commands": "Whether it may set up commands and paths of the host.",
    "auto_promote": "Whether a version that only adds is served at once.",
    "config": "What it shows, and how. Omitted: tools that only read.",
    "connector": "The connector's slug.",
    "description": "What it is, for those who choose.",
    "enabled": "Switched off, it serves nothing.",
    "end_user": "Whose it is, in the vendor's own words.",
    "hash": "What is served, as a hash.",
    "id": "The record's id.",
    "kind": "What kind of record it is.",
    "label": "What people call it.",
    "layer": "A later one wins: connector, tenant, account, server.",
    "metadata": "The caller's own JSON object, up to 16 KB.",
    "name": "What it is called.",
    "number": "The version's number.",
    "on": "Whether it is to be on.",
    "options": "How the document is read and the API called.",
    "role": "What it may do.",
    "server": "The server's id.",
    "shared": "Whether every caller of the tenant may use it.",
    "source": "Where the document comes from: one of url, text and upload.",
    "tags": "The document's own tags.",
    "target": "The id of what it is about.",
    "tenant": "The tenant's id.",
    "title": "A title for people.",
    "tool": "The tool's name.",
    "tools": "How many tools there are.",
    "trusted": "Whether its texts may change without review.",
    "variables": "Values of the variables of the API's address, by name.",
}
"""What members say that mean the same everywhere."""


def polished(document: dict[str, Any]) -> dict[str, Any]:
    """The framework's document, completed. Asked for twice it gives the same."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    for schema in schemas.values():
        _complete_schema(schema)
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer", "description": "An API token, ala_…"}
    }
    document["security"] = [{_SCHEME: []}]
    document["servers"] = [{"url": PREFIX}]
    for item in document["paths"].values():
        for method, operation in item.items():
            _complete(method, operation)
    return document


def _complete_schema(schema: dict[str, Any]) -> None:
    making = schema.get("title", "").startswith("New")
    for name, member in schema.get("properties", {}).items():
        member.pop("title", None)
        if making and name != "expires_at":
            _without_null(member)
        if member.get("default", "") is None:
            del member["default"]  # left out is not null: null takes a value back, and an end that is null is never
        if name in _MEMBERS:
            member.setdefault("description", _MEMBERS[name])


def _without_null(member: dict[str, Any]) -> None:
    """What is to be made says nothing by null that it would not say by silence; nobody need be told of it."""
    rest = [form for form in member.get("anyOf", ()) if form != {"type": "null"}]
    if len(rest) == 1 and len(member["anyOf"]) == 2:
        del member["anyOf"]
        member.update(rest[0])


def _complete(method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    responses["default"] = _REFUSED
    content = operation.get("requestBody", {}).get("content", {})
    if method == "patch" and "application/json" in content:
        content[_PATCH] = content.pop("application/json")
    parameters = operation.get("parameters", [])
    if operation["operationId"] in _METADATA_LISTS and _METADATA not in parameters:
        parameters.append(_METADATA)
    for parameter in parameters:
        parameter["schema"].pop("title", None)
        if parameter["in"] == "path":
            parameter.setdefault("description", f"The {parameter['name']}'s id.")
        elif "description" not in parameter:
            parameter["description"] = f"Only those with this {parameter['name'].replace('_', ' ')}."
