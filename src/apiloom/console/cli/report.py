"""The report of ``inspect`` as people read it. Programs get the same value as JSON; nothing is decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from apiloom.base import json
from apiloom.catalog.tool import Catalog
from apiloom.console.cli.seat import one_line, plain
from apiloom.console.cli.tables import print_table
from apiloom.model.api import SecurityScheme
from apiloom.model.variables import variable_name

MOST_TOOLS, MOST_LOSSES, MOST_FINDINGS = 40, 20, 12
"""Lines shown of each kind unless everything is asked for."""

_CERTIFICATE = "APILOOM_CLIENT_CERTIFICATE"
"""The variable of client certificates: no scheme has one of its own."""

_LEVELS = ("error", "warning", "note")


def render_report(report: dict[str, Any], *, whole: bool) -> None:
    """Print a report: title, ledger, tools, what was left out and why, findings, cost and score."""
    api, ledger = report["api"], report["ledger"]
    _line(one_line(" ".join(str(part) for part in (api["title"], api["version"], f"({api['format']})") if part)))
    _line(
        f"{_count(ledger['operations'], 'operation')}: {ledger['exposed']} exposed, {ledger['gated']} gated, "
        f"{ledger['quarantined']} quarantined"
    )
    _tools(report["tools"], whole=whole)
    for status in ("gated", "quarantined"):
        _losses(status, [line for line in report["operations"] if line["status"] == status], whole=whole)
    _findings(report["findings"], whole=whole)
    _line("")
    tokens = report["tokens"]
    _line(f"tools/list costs about {tokens['list']:,} tokens, the largest tool {tokens['largest']:,}")
    if len(report["tools"]) > len(tokens["costliest"]):
        costly = (f"{one_line(each['tool'])} {each['tokens']:,}" for each in tokens["costliest"])
        _line(f"most of all cost {', '.join(costly)}")
    if report["score"]:
        _line(_score(report["score"]))


def render_credentials(catalog: Catalog) -> None:
    """Print what tools want to be signed with: the variable of each security scheme, how it is sent, and how often."""
    wanted: Counter[str] = Counter()
    for tool in catalog.tools.values():
        wanted.update({scheme for need in tool.binding.security for scheme, _ in need if scheme in catalog.schemes})
    if wanted:
        _line("\ncredentials:")
    for name in sorted(wanted):
        scheme = catalog.schemes[name]
        variable = _CERTIFICATE if scheme.kind == "mutualTLS" else variable_name(name)
        _line(f"  {variable}  {one_line(name)}, {_sent(scheme)}, {_count(wanted[name], 'tool')}")


def _sent(scheme: SecurityScheme) -> str:
    if scheme.kind == "apiKey":
        whole = scheme.place == "header" and scheme.name.lower() == "authorization"
        told = ", the whole value, such as Bearer …" if whole else ""
        return f"a key in {scheme.place} {one_line(scheme.name)}{told}"
    if scheme.kind == "mutualTLS":
        return "the PEM file of a client certificate"
    if scheme.kind in {"oauth2", "openIdConnect"}:
        return "an access token; with a client in a credentials file it is got and renewed for you"
    if scheme.kind == "http" and scheme.scheme not in {"basic", "bearer"}:
        return f"what follows {scheme.scheme.capitalize()} in Authorization"
    return "user:password" if scheme.scheme == "basic" else "a bearer token"


def _score(score: dict[str, Any]) -> str:
    """The total first, then what it is made of: parts may be numbers or carry their own ``score``."""
    parts = score.get("parts", {})
    pieces = (
        f"{name} {_shown(part.get('score', part) if isinstance(part, dict) else part)}" for name, part in parts.items()
    )
    rest = (f"{key} {_shown(value)}" for key, value in score.items() if key not in {"total", "parts"})
    made_of = ", ".join([*pieces, *rest])
    total = f"score: {_shown(score['total'])} of 100" if "total" in score else "score"
    return f"{total} ({made_of})" if made_of else total


def _tools(tools: Sequence[dict[str, Any]], *, whole: bool) -> None:
    if not tools:
        return
    shown = tools if whole else tools[:MOST_TOOLS]
    rows = [
        (
            *(tool[key] for key in ("name", "method", "path", "class")),
            str(len(tool["arguments"])),
            f"{tool['tokens']:,}",
        )
        for tool in shown
    ]
    _line("")
    print_table(("tool", "method", "path", "class", "args", "tokens"), rows)
    _more(len(tools) - len(shown), "tool")
    paged = Counter(tool["pagination"]["rule"] for tool in tools if "pagination" in tool)
    if paged:
        told = ", ".join(f"{one_line(rule)} {count}" for rule, count in sorted(paged.items()))
        _line(f"{_count(paged.total(), 'tool')} with pages: {told}")


def _losses(status: str, lines: Sequence[dict[str, Any]], *, whole: bool) -> None:
    if not lines:
        return
    _line(f"\n{status}:")
    shown = lines if whole else lines[:MOST_LOSSES]
    for line in shown:
        _line(f"  {one_line(line['method'] + ' ' + line['path'])}  {one_line(line['reason'])}")
    _more(len(lines) - len(shown), "operation")


def _findings(findings: Sequence[dict[str, Any]], *, whole: bool) -> None:
    """Findings by level and code, most serious first; one example stands for its group unless all are asked for."""
    if not findings:
        return
    levels = Counter(finding["level"] for finding in findings)
    _line("\nfindings: " + ", ".join(_count(levels[level], level) for level in _LEVELS if levels[level]))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((finding["level"], finding["code"]), []).append(finding)
    ordered = sorted(groups.items(), key=lambda group: (_LEVELS.index(group[0][0]), -len(group[1]), group[0][1]))
    shown = ordered if whole else ordered[:MOST_FINDINGS]
    for (level, code), members in shown:
        for finding in members if whole else members[:1]:
            times = f" ({len(members)} times)" if len(members) > 1 and not whole else ""
            where = f"  at {finding['pointer']}" if finding["pointer"] else ""
            _line(f"  {level} {code}{times}: {one_line(finding['message'])}{where.replace(chr(10), ' ')}")
    _more(len(ordered) - len(shown), "kind")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value).decode()


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _more(number: int, thing: str) -> None:
    if number > 0:
        _line(f"  … and {_count(number, thing)} more, shown by --all")


def _line(text: str) -> None:
    click.echo(plain(text))
