"""How a parameter's value is written: the style table of OpenAPI (3.1 section 4.8.12.2) and Swagger's formats. Pure."""

from __future__ import annotations

from apiloom.model.api import ParameterPlace

DEFAULTS: dict[ParameterPlace, str] = {
    "path": "simple",
    "query": "form",
    "header": "simple",
    "cookie": "form",
    "querystring": "form",
}

ALLOWED: dict[ParameterPlace, frozenset[str]] = {
    "path": frozenset({"matrix", "label", "simple"}),
    "query": frozenset({"form", "spaceDelimited", "pipeDelimited", "deepObject"}),
    "header": frozenset({"simple"}),
    "cookie": frozenset({"form", "cookie"}),
    "querystring": frozenset({"form"}),
}

_COLLECTIONS: dict[str, tuple[str, bool]] = {
    "csv": ("", False),
    "multi": ("form", True),
    "ssv": ("spaceDelimited", False),
    "pipes": ("pipeDelimited", False),
    "tsv": ("tabDelimited", False),
}


def explodes(style: str) -> bool:
    """Whether arrays and objects are written member by member when the document does not say."""
    return style in ("form", "cookie")


def collection_style(collection: object, place: ParameterPlace) -> tuple[str, bool] | None:
    """Style and explode for a Swagger 2.0 ``collectionFormat`` (absent: csv), None when it is unknown here."""
    name = "csv" if collection is None else collection
    if not isinstance(name, str) or name not in _COLLECTIONS or (name == "multi" and place != "query"):
        return None
    style, explode = _COLLECTIONS[name]
    return style or DEFAULTS[place], explode
