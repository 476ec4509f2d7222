"""How ready an API is for a model, as five parts of one hundred. Our own measure: it was not fitted to task success.

Every part counts something that can be read off the catalog and mended in the document; the weights are a judgement.
``docs/tools.md`` lists both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apiloom.catalog.tool import Catalog
from apiloom.model.findings import Finding

WEIGHTS = {"operations": 25, "descriptions": 25, "arguments": 20, "schemas": 15, "size": 15}
"""Points each part is worth."""

FREE_TOKENS = 400
"""Tokens of a tool up to which its size costs nothing; at ten times as many, size is worth nothing."""


def build_score(catalog: Catalog, views: Sequence[Mapping[str, Any]], findings: Iterable[Finding]) -> dict[str, Any]:
    """``{"total", "parts": {NAME: {"score", "weight", "counted", "of"}}}``; every score is 0 to 100, rounded.

    ``views`` are the rendered tools; ``findings`` say which operations and arguments nobody described.
    """
    made_up = sum(1 for finding in findings if finding.code == "catalog.undescribed")
    shown = [node for view in views for node in view["inputSchema"].get("properties", {}).values()]
    nodes = [node if isinstance(node, Mapping) else {} for node in shown]  # the full profile keeps true and false
    operations = len(catalog.ledger)
    tools = len(views)
    counted = {
        "operations": (sum(1 for line in catalog.ledger if line.status == "exposed"), operations),
        "descriptions": (max(tools - made_up, 0), tools),
        "arguments": (sum(1 for node in nodes if node.get("description") or "enum" in node), len(nodes)),
        "schemas": (sum(1 for node in nodes if _is_telling(node)), len(nodes)),
    }
    parts = {name: _part(name, of=of, count=count) for name, (count, of) in counted.items()}
    sizes = [_size_share(view) for view in views]
    small = sum(1 for share in sizes if share == 1)
    mean = sum(sizes) / tools if tools else 1.0
    parts["size"] = {"score": round(100 * mean), "weight": WEIGHTS["size"], "counted": small, "of": tools}
    total = sum(part["score"] * part["weight"] for part in parts.values()) / sum(WEIGHTS.values())
    return {"total": round(total) if tools else 0, "parts": parts}


def _part(name: str, *, count: int, of: int) -> dict[str, Any]:
    return {"score": round(100 * count / of) if of else 100, "weight": WEIGHTS[name], "counted": count, "of": of}


def _is_telling(node: Mapping[str, Any]) -> bool:
    """Whether a schema says more than "an object of whatever": fields, values, items or a scalar type."""
    if "anyOf" in node:
        return len(node["anyOf"]) < 4 or all(
            "type" in member and member["type"] != "object" for member in node["anyOf"]
        )
    if node.get("type") == "object":
        return bool(node.get("properties")) or "ields: " in node.get("description", "")
    return True


def _size_share(view: Mapping[str, Any]) -> float:
    tokens: int = view["tokens"]
    if tokens <= FREE_TOKENS:
        return 1.0
    return max(0.0, 1 - (tokens - FREE_TOKENS) / (9 * FREE_TOKENS))
