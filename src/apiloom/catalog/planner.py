"""Arguments to request, purely: the planning half of a call.

A planner is compiled once per tool from its binding and called once per call with arguments that already fit the
tool's schema. It adds no credential and no header of the connection; those belong to the signer and to the way out.
Stands on ``targets`` (path and query), ``headers`` (and cookies) and ``bodies``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError
from apiloom.catalog.bodies import BodyWriter, compile_body
from apiloom.catalog.content import sayable
from apiloom.catalog.headers import CookieStep, HeaderStep, compile_cookies, compile_headers, is_token
from apiloom.catalog.plan import HttpPlan
from apiloom.catalog.servers import BaseUrl
from apiloom.catalog.targets import compile_path, compile_query
from apiloom.catalog.tool import HttpBinding
from apiloom.catalog.values import refuse

Arguments = Mapping[str, Any]
Planner = Callable[[Arguments], HttpPlan]


def compile_planner(binding: HttpBinding, base: BaseUrl) -> Planner:
    """A closure from arguments to the request they mean; pure, and equal arguments give equal bytes.

    The closure raises :class:`CallerError` ``call.argument`` for a value that cannot be sent as what it is.

    Raises:
        DesignError: the binding cannot be sent whatever the arguments: ``path.placeholder``, ``path.dot_segment``,
            ``parameter.style``, ``parameter.name``, ``body.media_type``, ``body.charset``, ``request.method``.
    """
    if not is_token(binding.method):
        raise DesignError(f"{binding.method[:40]!r} is no HTTP method", code="request.method")
    method, origin = binding.method, base.origin
    path = compile_path(binding, base.path_prefix)
    fixed, query = compile_query(binding)
    accept = ("Accept", sayable(binding.accept))
    headers = compile_headers(binding)
    cookies = compile_cookies(binding)
    body = compile_body(binding.body) if binding.body is not None else None
    more = bool(headers or cookies or body)

    def plan(arguments: Arguments) -> HttpPlan:
        try:
            target = path(arguments)
            said = [write(arguments[argument]) for argument, write in query if argument in arguments]
            if fixed:
                said.insert(0, fixed)
            text = "&".join(filter(None, said))
            made = HttpPlan(
                method=method, origin=origin, target=f"{target}?{text}" if text else target, headers=[accept]
            )
            if more:
                _add_more(made, arguments, headers, cookies, body)
        except (UnicodeEncodeError, RecursionError, ValueError) as error:
            raise _unsayable(arguments, error) from None
        return made

    return plan


def _add_more(
    made: HttpPlan,
    arguments: Arguments,
    headers: tuple[HeaderStep, ...],
    cookies: tuple[CookieStep, ...],
    body: BodyWriter | None,
) -> None:
    """Headers in the document's order, then the one Cookie header, then the body's type."""
    jar: list[str] = []
    for argument, name, write in headers:
        if argument in arguments:
            value = write(arguments[argument])
            if value is None:
                continue
            if name.lower() == "cookie":
                jar.append(value)
            else:
                made.headers.append((name, value))
    for argument, write_pairs in cookies:
        if argument in arguments:
            jar += [f"{name}={text}" for name, text in write_pairs(arguments[argument])]
    if jar:
        made.headers.append(("Cookie", "; ".join(jar)))
    payload = body(arguments) if body is not None else None
    if payload is not None:
        made.headers.append(("Content-Type", payload[0]))
        made.body = payload[1]


def _unsayable(arguments: Arguments, error: Exception) -> CallerError:
    """Names the argument that holds half a character or nests beyond what can be written."""
    for argument, value in arguments.items():
        try:
            json.dumps([value])
        except UnicodeEncodeError:
            return refuse(argument, "holds half of a surrogate pair, which is no character")
        except RecursionError:
            return refuse(argument, "is nested too deeply")
        except ValueError:
            return refuse(argument, "holds a number with more than 4,300 digits")
    return CallerError(
        "the arguments cannot be written into a request", code="call.argument", cause=type(error).__name__
    )
