"""Who opens a link, by the word of the issuer in front of which the facade stands: the same way there and back as a
sign-in's, for the connect page.

The issuer knows one way back, so whoever comes along it is told apart by the state: what the connect page asked goes to
the connect page, everything else to the sign-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from apiloom.app.asgi import AsgiApp, Receive, Scope, Send
from apiloom.app.gateway.connecting import Consents
from apiloom.app.gateway.identifying import Identifying
from apiloom.app.gateway.node import Node
from apiloom.base.secret import Secret
from apiloom.flows.connect_people import MARK
from apiloom.flows.connect_ports import Question, Visitor
from apiloom.flows.sign_ins import Begun
from apiloom.identity.settings import Facade
from apiloom.store.records import SignIn

CALLBACK = "/oauth/callback"

_UNKEPT = SignIn(id="", client="")
"""Stands for the sign-in that there is none of: no client is signed in to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """The :class:`~apiloom.flows.connect_ports.People` of a gateway. ``issuer`` asks the facade's issuer."""

    facade: Callable[[], Facade | None]
    issuer: Callable[[], Identifying]

    def is_there(self) -> bool:
        """See the port. Without an issuer people show API tokens, which say of nobody who they are."""
        facade = self.facade()
        return facade is not None and bool(facade.issuer)

    async def away(self, question: Question) -> str:
        """See the port."""
        return await self.issuer().away(_begun(question))

    async def home(self, form: Mapping[str, str], question: Question) -> Visitor:
        """See the port."""
        person = await self.issuer().home(form, _begun(question))
        return Visitor(id=person.id, tenant=person.tenant, end_user=person.end_user)


def _begun(question: Question) -> Begun:
    return Begun(
        sign_in=_UNKEPT,
        browser=Secret(""),
        state=Secret(question.state),
        verifier=question.verifier,
        nonce=question.nonce,
    )


def with_connect(
    node: Node, facade: Callable[[], Facade | None], issuer: Callable[[], Identifying], signin: AsgiApp
) -> AsgiApp:
    """The application of the sign-in, with the connect page's own people coming back along the same way."""
    port = node.grounds.ground.connecting
    if isinstance(port, Consents):
        port.people = Vouching(facade=facade, issuer=issuer)
    page = node.apps["/connect"]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (page if _is_connects(scope) else signin)(scope, receive, send)

    return answer


def _is_connects(scope: Scope) -> bool:
    if scope.get("path") != CALLBACK or scope.get("method") != "GET":
        return False
    try:
        states = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=50).get("state", [])
    except ValueError:
        return False
    return bool(states) and all(state.startswith(MARK) for state in states)
