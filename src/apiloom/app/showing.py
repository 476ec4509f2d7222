"""One source as the console shows it. Nothing that calls or serves is loaded for it."""

from __future__ import annotations

from typing import Any

from apiloom.app.connectors import Reading
from apiloom.app.garbage import unhindered
from apiloom.catalog.report import build_report
from apiloom.catalog.slugs import slug_of
from apiloom.catalog.views import render_tool
from apiloom.console.house import Connector, Options


def read_source(reading: Reading, source: str, options: Options) -> Connector:
    """A source as the console shows it."""
    with unhindered():
        catalog = reading.catalog(source, options)

    def rendered(tool: str) -> dict[str, Any]:
        return render_tool(catalog.tools[tool], catalog.schemas, profile=options.profile, with_output=True)

    return Connector(
        slug=slug_of(catalog.title, source),
        source=source,
        catalog=catalog,
        report=lambda: build_report(catalog, options.profile),
        rendered=rendered,
    )
