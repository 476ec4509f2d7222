"""The hosted connect page as one ASGI application: what a person sees and sends, step by step.

Every rule is in the flows; here requests are read, flows called, pages shown. Nothing is kept between two requests but
in the session. ``app`` hands in the ground and mounts the application at ``/connect``.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from apiloom.base.errors import ApiloomError, CallerError
from apiloom.console.connect import walls
from apiloom.console.connect.showing import (
    Written,
    app_of,
    back_to,
    form_values,
    identity_of,
    look_of,
    problem_of,
    render,
)
from apiloom.console.connect.texts import Say, wanted
from apiloom.flows.connect_device import Shown as Confirmed
from apiloom.flows.connect_device import load_shown
from apiloom.flows.connect_granting import granted_so_far
from apiloom.flows.connect_page import Asked, find_visit, gone, load_asked
from apiloom.flows.connect_people import ask_who, is_for_somebody, recognise, session_asked
from apiloom.flows.connect_visit import bind, check_browser, issue_code, returned, submit, told
from apiloom.flows.connecting import BY_DEVICE, connecting_of
from apiloom.flows.connecting import SIGNED_IN as SIGNED
from apiloom.flows.ground import Ground
from apiloom.store.records import ConnectSession

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

PREFIX: Final = "/connect"
SIGNED_IN: Final = "/oauth/callback"
"""The one way back from the issuer, of which those come here that the page sent there."""

LOOK: Final = 5
"""Seconds after which a page that waits looks again."""

_PATIENCE: Final = 60.0
"""Seconds that one request may take, the provider's answer included."""

_STATUS: Final = {
    "connect.gone": 404,
    "connect.browser": 403,
    "connect.form": 403,
    "connect.person": 403,
    "connect.sign_in": 403,
    "connect.people": 503,
    "connect.state": 400,
    "connect.tries": 429,
    "store.unreachable": 503,
}

_link = re.compile(r"cs_[a-z2-7]{20}\.[A-Za-z0-9_-]{43}").fullmatch
_client = re.compile(r"ocl_[a-z2-7]{20}").fullmatch
_channel = re.compile(r"[0-9a-f]{64}").fullmatch
_log = logging.getLogger("apiloom.connect")


def build_connect(ground: Ground) -> AsgiApp:
    """The application. It answers below ``/connect`` whether that prefix is still in the path or cut off already."""
    return ConnectPage(ground)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """One showing of the form: for which link, browser and way; why it is shown again, what was ``typed``, and the
    schemes for which access was ``granted`` already.
    """

    link: str
    browser: str
    way: int
    error: ApiloomError | None = None
    typed: Mapping[str, str] | None = field(default=None, repr=False)
    granted: tuple[str, ...] = ()


class ConnectPage:
    """See the module."""

    __slots__ = ("_ground", "_secure")

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._secure = ground.public_url.startswith("https://")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope; only ``http`` is spoken."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        say = Say(wanted(request.headers.get("accept-language", "")))
        try:
            async with asyncio.timeout(_PATIENCE):
                response = await self._answer(request)
        except ApiloomError as error:
            response = self._refused(error, say)
        except TimeoutError:
            response = self._refused(CallerError("it took too long", code="connect.slow", hint="try again"), say)
        except Exception as error:  # noqa: BLE001 - the outer wall
            # neither its text nor where it stood: both may show what was typed
            _log.error("a connect page failed unexpectedly: %s", type(error).__name__)
            response = self._plain(say, 500, *say.problem("error"))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path: str = request.scope["path"]
        link, _, step = path.removeprefix(PREFIX).removeprefix("/").partition("/")
        reads = request.method in ("GET", "HEAD")
        if link == "callback" and reads and (not step or _client(step)):
            return await self._callback(request, step)
        if path == SIGNED_IN and request.method == "GET":
            return await self._recognised(request)
        if not _link(link):
            raise gone()
        if not step:
            return await (self._open(request, link) if reads else self._submit(request, link))
        if step == "embed" and reads:
            return await self._embed(link, request)
        if step == "begin" and request.method == "POST":
            return await self._begin(request, link)
        if step == "status" and request.method == "POST":
            return await self._told(request, link)
        raise gone()

    # the steps

    async def _open(self, request: Request, link: str) -> Response:
        session = await find_visit(self._ground, link)
        if is_for_somebody(session):
            return await self._away(request, link)
        say = _say(session, request)
        browser = walls.browser_of(request, secure=self._secure)
        channel = request.query_params.get("channel", "")
        channel = channel if _channel(channel) else ""
        if not session.browser and not walls.is_opened_by_person(request):
            return await self._asking_first(link, session, say, channel)
        browser = browser or walls.new_browser()
        session = await bind(self._ground, link, browser, channel)
        asked = await load_asked(self._ground, session)
        if session.state == "done":
            response = await self._done(asked, say)
        elif session.state == "failed":
            response = self._plain(say, 200, *problem_of(_failure(session), say, ""))
        else:
            response = await self._under_way(request, asked, say, _Sheet(link=link, browser=browser, way=0))
        response.headers.append("set-cookie", walls.set_cookie(browser, secure=self._secure))
        return response

    async def _under_way(self, request: Request, asked: Asked, say: Say, sheet: _Sheet) -> Response:
        """The form, or what is to be confirmed at another screen."""
        shown = await load_shown(self._ground, asked.session)
        if shown is not None and "anew" not in request.query_params:
            return self._confirming(asked, shown, say, sheet.link)
        code = request.query_params.get("problem", "")
        told = CallerError("", code=code) if say.knows(code) else None
        if told is None and asked.session.result.get("error"):
            told = _failure(asked.session)
        chosen, granted = await granted_so_far(self._ground, asked.session)
        number = request.query_params.get("way", str(chosen or 1))
        way = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 1
        return self._form(asked, say, replace(sheet, way=way, error=told, granted=granted if way == chosen else ()))

    def _confirming(self, asked: Asked, shown: Confirmed, say: Say, link: str) -> Response:
        """The code of a confirmation at another screen. The page looks again by itself, and by a link."""
        provider = asked.providers.get(shown.scheme, "")
        here = f"{PREFIX}/{link}"
        others = [(here, say.look_again)]
        if not asked.session.wanted.get(BY_DEVICE):
            others.append((f"{here}?anew=1", say.anew))
        return self._show(
            "plain.html",
            say,
            **look_of(asked),
            good=False,
            title=say("confirm", provider=provider),
            lines=[say("confirm_lead", url=shown.url)],
            facts=[(say.code, shown.user_code)],
            link=shown.complete_url or shown.url,
            apart=True,
            button=say("open_provider", provider=provider),
            others=others,
            onward=here,
            onward_after=LOOK,
        )

    async def _away(self, request: Request, link: str) -> Response:
        """To the issuer: whoever opens this link says first who they are, and is shown nothing before."""
        browser = walls.browser_of(request, secure=self._secure) or walls.new_browser()
        channel = request.query_params.get("channel", "")
        response = RedirectResponse(await ask_who(self._ground, link, browser), 303, walls.headers(""))
        response.headers.append("set-cookie", walls.set_cookie(browser, secure=self._secure))
        kept = walls.set_link(link, channel if _channel(channel) else "", secure=self._secure)
        response.headers.append("set-cookie", kept)
        return response

    async def _recognised(self, request: Request) -> Response:
        """Somebody comes back from the issuer: the link is theirs, or it is not."""
        query = request.query_params.multi_items()
        form = dict(query)
        if len(form) != len(query):
            raise CallerError("this answer says something twice", code="connect.state")
        browser = walls.browser_of(request, secure=self._secure)
        session = session_asked(self._ground, form.get("state", ""), browser)
        link, channel = walls.link_of(request, session, secure=self._secure)
        if not _link(link):
            raise gone()
        visitor = await recognise(self._ground, link, browser, form)
        await bind(self._ground, link, browser, channel if _channel(channel) else "", visitor)
        response = RedirectResponse(f"{PREFIX}/{link}", 303, walls.headers(""))
        response.headers.append("set-cookie", walls.drop_link(session, secure=self._secure))
        return response

    async def _asking_first(self, link: str, session: ConnectSession, say: Say, channel: str) -> Response:
        """Whoever does not say that a person opens it may be a scanner: the link is used up by a button."""
        asked = await load_asked(self._ground, session)
        return self._show(
            "plain.html",
            say,
            **look_of(asked),
            title=say.begin,
            lines=[say("lead", app=app_of(asked), name=look_of(asked)["name"]), say.begin_lead],
            action=f"{PREFIX}/{link}/begin",
            token="",
            channel=channel,
            button=say.go_on,
        )

    async def _begin(self, request: Request, link: str) -> Response:
        walls.check_origin(request, self._ground.public_url)
        form = await walls.read_form(request)
        browser = walls.browser_of(request, secure=self._secure) or walls.new_browser()
        channel = form.get("channel", "")
        await bind(self._ground, link, browser, channel if _channel(channel) else "")
        response = RedirectResponse(f"{PREFIX}/{link}", 303, walls.headers(""))
        response.headers.append("set-cookie", walls.set_cookie(browser, secure=self._secure))
        return response

    async def _submit(self, request: Request, link: str) -> Response:
        if request.method != "POST":
            raise gone()
        walls.check_origin(request, self._ground.public_url)
        form = await walls.read_form(request)
        session = await find_visit(self._ground, link)
        say = _say(session, request)
        browser = walls.browser_of(request, secure=self._secure)
        check_browser(self._ground, session, browser)
        walls.check_form(connecting_of(self._ground).sealers, form, session.id, browser)
        number = form.get("way", "1")
        way = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 1
        try:
            step = await submit(self._ground, link, session, way, form)
        except ApiloomError as error:
            if error.code in ("connect.gone", "connect.tries"):
                raise
            asked = await load_asked(self._ground, session)
            chosen, granted = await granted_so_far(self._ground, session)
            sheet = _Sheet(link=link, browser=browser, way=way, error=error, typed=form)
            return self._form(asked, say, replace(sheet, granted=granted if way == chosen else ()))
        if not step.url:
            return RedirectResponse(f"{PREFIX}/{link}", 303, walls.headers(""))
        asked = await load_asked(self._ground, step.session)
        provider = asked.providers.get(step.scheme, "")
        # a page of its own leads on: a redirect would be held to the rule of where this form may lead
        return self._show(
            "plain.html",
            say,
            **look_of(asked),
            title=say("leaving", provider=provider),
            lines=[say.leaving_lead],
            link=step.url,
            button=say("continue_to", provider=provider),
            onward=step.url,
            onward_after=0,
        )

    async def _callback(self, request: Request, back: str) -> Response:
        states = request.query_params.getlist("state")
        if len(states) != 1 or request.method != "GET":
            raise CallerError("this answer belongs to no question", code="connect.state")
        browser = walls.browser_of(request, secure=self._secure)
        query = request.scope.get("query_string", b"").decode("latin-1")
        step = await returned(self._ground, browser, states[0], query, back)
        problem = "" if step.error is None else f"?problem={_problem(step.error)}"
        return RedirectResponse(f"{PREFIX}/{step.link}{problem}", 303, walls.headers(""))

    async def _embed(self, link: str, request: Request) -> Response:
        session = await find_visit(self._ground, link)
        if not session.origins:
            raise gone()
        say = _say(session, request)
        asked = await load_asked(self._ground, session)
        channel = secrets.token_urlsafe(24)
        name, app = look_of(asked)["name"], app_of(asked)
        again = asked.account is not None
        told = {
            **look_of(asked),
            "title": say("title_again" if again else "title", app=app),
            "lead": say("lead_again" if again else "lead", app=app, name=name),
        }
        return self._show(
            "embed.html",
            say,
            frames=session.origins,
            # whoever has to sign in first is shown nothing before
            **({"title": say.sign_in, "lead": ""} if session.wanted.get(SIGNED) else told),
            session=session.id,
            channel=channel,
            origins=" ".join(session.origins),
            link=f"{PREFIX}/{link}?channel={_hash(channel)}",
            button=say.connect,
        )

    async def _told(self, request: Request, link: str) -> Response:
        """What came of it, for the embedded page, which has no cookie: whoever asks shows the channel."""
        walls.check_origin(request, self._ground.public_url)
        form = await walls.read_form(request)
        try:
            session, code = await told(self._ground, link, _hash(form.get("channel", "")))
        except CallerError:
            return JSONResponse({"state": "ended"}, headers=walls.headers(""))
        answer = {"state": session.state} | ({"code": code} if code else {})
        return JSONResponse(answer, headers=walls.headers(""))

    # the pages

    async def _done(self, asked: Asked, say: Say) -> Response:
        session, code = asked.session, ""
        name, app = look_of(asked)["name"], app_of(asked)
        if session.return_url and not session.code:
            session, code = await issue_code(self._ground, session)
        back = back_to(session.return_url, session.id, code)
        who = identity_of(session.result.get("identity", {}))
        return self._show(
            "plain.html",
            say,
            **look_of(asked),
            good=True,
            title=say.connected,
            lines=[say("connected_lead", app=app, name=name), *([] if back else [say.close])],
            facts=[(say.connected_as, who)] if who else [],
            link=back,
            button=say("back", name=name),
            onward=back,
            onward_after=2,
        )

    def _form(self, asked: Asked, say: Say, sheet: _Sheet) -> Response:
        chosen, error = asked.way(sheet.way), sheet.error
        lacking: tuple[str, ...] = ()
        problem, hint = "", ""
        if error is not None:
            lacking = error.facts.get("fields", ())  # type: ignore[assignment]
            problem, hint = problem_of(error, say, asked.providers.get(chosen.next(sheet.granted), ""))
        host = urlsplit(self._ground.public_url).netloc
        return self._show(
            "form.html",
            say,
            status=200 if sheet.typed is None else 422,
            **form_values(
                asked,
                chosen,
                say,
                Written(host=host, typed=sheet.typed or {}, lacking=lacking, granted=sheet.granted),
            ),
            action=f"{PREFIX}/{sheet.link}",
            token=walls.form_token(connecting_of(self._ground).sealers[0], asked.session.id, sheet.browser),
            problem=problem,
            problem_hint=hint,
        )

    def _show(
        self, template: str, say: Say, *, status: int = 200, frames: tuple[str, ...] = (), **values: Any
    ) -> Response:
        nonce = secrets.token_urlsafe(16)
        embedded = template == "embed.html"
        heads = walls.headers(nonce, frames=frames, script=embedded, embedded=embedded)
        return HTMLResponse(render(template, nonce, say, **values), status, heads)

    def _plain(self, say: Say, status: int, *lines: str) -> Response:
        return self._show("plain.html", say, status=status, title=say.sorry, lines=[line for line in lines if line])

    def _refused(self, error: ApiloomError, say: Say) -> Response:
        problem, hint = problem_of(error, say, "")
        status = _STATUS.get(error.code) or (500 if error.actor == "house" else 422)
        return self._plain(say, status, problem, hint)


def _say(session: ConnectSession, request: Request) -> Say:
    return Say(session.look.get("language") or wanted(request.headers.get("accept-language", "")))


def _failure(session: ConnectSession) -> CallerError:
    """Why a session, or what was begun last in it, came to nothing."""
    code = str(session.result.get("error", ""))
    other = "unreachable" if code.startswith(("oauth.", "net.")) else "refused"
    return CallerError("", code=code if Say("en").knows(code) else other)


def _hash(channel: str) -> str:
    return hashlib.sha256(channel.encode()).hexdigest()


def _problem(error: ApiloomError) -> str:
    """The code by which the page is told what to say; it has one for whatever has none."""
    return error.code if Say("en").knows(error.code) else "refused" if error.actor == "caller" else "unreachable"
