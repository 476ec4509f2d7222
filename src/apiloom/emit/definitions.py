"""Tools as the definitions that model APIs take: Anthropic Messages, OpenAI Chat Completions and OpenAI Responses.

It works on tools already rendered in a view (``name``, ``description``, ``inputSchema``) and changes no schema: what a
provider accepts is decided where views are made. It knows nothing of catalogs, files or networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

MOST_OPENAI_TOOLS = 128
"""Tools that one OpenAI request takes."""

MOST_OPENAI_DESCRIPTION = 1024
"""Characters of a function's description that OpenAI takes."""

Target = Literal["anthropic", "openai"]

_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


def emit_anthropic(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Definitions for the ``tools`` of an Anthropic Messages request, in the order given."""
    return [
        {"name": tool["name"], "description": tool.get("description", ""), "input_schema": _schema(tool)}
        for tool in tools
    ]


def emit_openai(
    tools: Iterable[Mapping[str, Any]], *, form: Literal["chat", "responses"] = "chat"
) -> list[dict[str, Any]]:
    """Definitions for the ``tools`` of an OpenAI request, in the order given.

    ``chat`` nests a definition under ``function``; ``responses`` has it flat, and says ``strict: false`` because the
    Responses API otherwise takes every schema for a strict one.
    """
    return [_chat(tool) if form == "chat" else _responses(tool) for tool in tools]


def definition_warnings(tools: Sequence[Mapping[str, Any]], target: Target) -> list[str]:
    """What a provider would refuse or lose, one sentence each; empty when all is well."""
    if target == "anthropic":
        return []
    warnings: list[str] = []
    if len(tools) > MOST_OPENAI_TOOLS:
        warnings.append(
            f"{len(tools)} tools, and OpenAI takes {MOST_OPENAI_TOOLS} in one request: send only those a task needs"
        )
    cut = [tool["name"] for tool in tools if len(tool.get("description", "")) > MOST_OPENAI_DESCRIPTION]
    if cut:
        named = ", ".join(cut[:3]) + (f" and {len(cut) - 3} more" if len(cut) > 3 else "")
        warnings.append(f"descriptions shortened to {MOST_OPENAI_DESCRIPTION} characters: {named}")
    return warnings


def _chat(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool["name"], "description": _short(tool), "parameters": _schema(tool)},
    }


def _responses(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool["name"],
        "description": _short(tool),
        "parameters": _schema(tool),
        "strict": False,
    }


def _schema(tool: Mapping[str, Any]) -> Any:
    return tool.get("inputSchema") or dict(_NO_ARGUMENTS)


def _short(tool: Mapping[str, Any]) -> str:
    """The description, cut at a word so that a limit never costs half of one."""
    text: str = tool.get("description", "")
    if len(text) <= MOST_OPENAI_DESCRIPTION:
        return text
    head = text[: MOST_OPENAI_DESCRIPTION - 1]
    at = max(head.rfind(" "), head.rfind("\n"))
    return (head[:at] if at > MOST_OPENAI_DESCRIPTION // 2 else head).rstrip() + "…"
