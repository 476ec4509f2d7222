"""Bindings built by hand, in few words, for tests of planning."""

from __future__ import annotations

from typing import Any

from apiloom.catalog.plan import HttpPlan
from apiloom.catalog.planner import compile_planner
from apiloom.catalog.servers import BaseUrl
from apiloom.catalog.tool import BoundBody, BoundField, BoundParameter, HttpBinding
from apiloom.model.api import Encoding

BASE = BaseUrl(origin="https://api.example.com", path_prefix="/v1")

DEFAULT_STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form", "querystring": "form"}


def parameter(place: Any, name: str, style: str = "", explode: bool | None = None, **more: Any) -> BoundParameter:
    """A parameter whose argument has its name; style and explode as OpenAPI defaults them."""
    style = style or DEFAULT_STYLES[place]
    explode = style in ("form", "cookie") if explode is None else explode
    argument = more.pop("argument", name)
    return BoundParameter(
        argument=argument,
        name=name,
        place=place,
        style=style,
        explode=explode,
        required=more.pop("required", place == "path"),
        **more,
    )


def fields(*names: str, **kinds: Any) -> tuple[BoundField, ...]:
    """Body fields whose arguments have their names: plain ones by position, others as ``name=kind`` or a field."""
    plain = tuple(BoundField(argument=name, name=name) for name in names)
    more = tuple(
        kind
        if isinstance(kind, BoundField)
        else BoundField(argument=name, name=name, encoding=kind)
        if isinstance(kind, Encoding)
        else BoundField(argument=name, name=name, kind=kind)
        for name, kind in kinds.items()
    )
    return plain + more


def binding(method: str, path: str, *parameters: BoundParameter, **more: Any) -> HttpBinding:
    """A binding that accepts anything."""
    return HttpBinding(method=method, path=path, parameters=parameters, **more)


def planned(bound: HttpBinding, arguments: dict[str, Any], base: BaseUrl = BASE) -> HttpPlan:
    """The request that arguments mean."""
    return compile_planner(bound, base)(arguments)


def sent(media_type: str, arguments: dict[str, Any], **body: Any) -> tuple[str | None, bytes | None]:
    """Content-Type and bytes of a body."""
    made = planned(
        binding("POST", "/things", body=BoundBody(media_type=media_type, required=body.pop("required", False), **body)),
        arguments,
    )
    return dict(made.headers).get("Content-Type"), made.body
