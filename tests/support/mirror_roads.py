"""The roads out of a house with every credential: each is a function that keeps what came out on it."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import AsyncExitStack
from urllib.parse import quote

import pytest

from apiloom.app.gateway.keydesk import rotate
from apiloom.calls.call import Call
from apiloom.console.house import KeyAsk
from apiloom.flows.access import HOST
from apiloom.flows.connectors import patch_connector
from apiloom.net.request import Request, Response
from apiloom.store.records import Account
from apiloom.vault.references import STALE
from support.gateway import words
from support.hunting import broken_way_out
from support.keyring_in_memory import InMemory
from support.leaks import Canaries, shown
from support.mirror import FORMS, KINDS, LARGE, OAUTH, SCHEMES, WIDE, Hunt, call, credentials, document, key_file
from support.mirror_elsewhere import telling_bao
from support.sockets import Peer, peer, says, silence
from support.upstream import Answer

GONE = STALE + 100.0
"""Seconds after which nothing that was read elsewhere counts any more."""


async def every_answer(hunt: Hunt) -> None:
    """Every form by every scheme, and every kind of answer in every form by all schemes in turn."""
    lent = ("x-upstream-authorization-mirror", f"Bearer {hunt.lent}")
    pairs = [(kind, form) for kind in KINDS for form in FORMS if kind != "large" or form in LARGE]
    pairs = [(kind, form) for kind, form in pairs if form not in WIDE or kind in ("text", "csv")]
    for offset, scheme in enumerate(SCHEMES):
        plain = [("text" if form in WIDE or number % 2 else "ok", form) for number, form in enumerate(FORMS)]
        for kind, form in dict.fromkeys([*plain, *pairs[offset :: len(SCHEMES)]]):
            await call(hunt, f"read_{scheme}", kind, form, *((lent,) if scheme == "lent" else ()))
        if scheme != "lent":
            for number, form in enumerate([*FORMS][offset % 2 :: 2]):
                kind = "text" if form in WIDE else ("ok", "text", "denied", "events")[(offset + number) % 4]
                await call(hunt, f"read_{scheme}", kind, form, url=hunt.far)


async def bad_requests(hunt: Hunt) -> None:
    """Requests that are refused, each with secrets in it; and a page that is opened by its link, and says it back."""
    client, house = hunt.client, hunt.house
    await client.get(hunt.link)
    hunt.took("refusals", await client.get(hunt.link[:-1], follow_redirects=False))
    message, head = words("tools/call", {"name": "read_bearer", "arguments": {"kind": 5}})
    lent = ("x-upstream-authorization-mirror", f"Bearer {hunt.lent}")
    asyncio.get_running_loop().set_debug(True)
    for url in (hunt.url, hunt.url + "x", hunt.url + "/more", f"{house.url}/mcp", f"{house.url}/mcp/s/none"):
        for more in ((), (lent, lent), (("authorization", f"Bearer {hunt.token}"),), (("host", "elsewhere.example"),)):
            heads = [*head.items(), *more]
            hunt.took("refusals", await client.post(url, json=message, headers=heads))
            hunt.took("refusals", await client.post(url, content=b"{", headers=heads))
            hunt.took("refusals", await client.request("PUT", url, headers=list(more)))
    for path in (f"/nowhere/{hunt.token}", f"/api/v1/accounts/{hunt.token}", f"/connect/{hunt.token}", "/oauth/token"):
        for bearer in (hunt.owner, hunt.token, "wrong"):
            heads = [("authorization", f"Bearer {bearer}")]
            hunt.took("refusals", await client.get(house.url + path, headers=heads))
    asyncio.get_running_loop().set_debug(False)


async def wrong_credentials(hunt: Hunt) -> None:
    """Credentials that are refused are not repeated."""
    heads = {"authorization": f"Bearer {hunt.owner}"}
    bad = [hunt.canaries.add("refused key") + "\n\x00", {"deep": hunt.canaries.add("refused object")}, 7, None]
    for value in bad:
        for scheme in ("bearer", "basic", "nobody", "machine"):
            body = {"connector": "mirror", "credentials": {scheme: {"token": value, "client_secret": value}}}
            url = f"{hunt.house.url}/api/v1/accounts"
            reply = hunt.took("refused credentials", await hunt.client.post(url, json=body, headers=heads))
            assert 400 <= reply.status_code < 500, (scheme, value, reply.text)
            whole = {**body, "credentials": {scheme: value}}
            hunt.took("refused credentials", await hunt.client.post(url, json=whole, headers=heads))


def odd_answers(it: Peer) -> dict[str, bytes]:
    """Answers that tell all that was asked where hardly anybody looks."""
    told = b"".join(it.seen[-1]).replace(b"\r\n", b" ")
    line, quoted = told.replace(b'"', b"'"), quote(told).encode()
    small = gzip.compress(b'{"said": "' + line + b'"}')
    plain, none = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", b"\r\nContent-Length: 0\r\n\r\n"
    chunked = plain + b"Transfer-Encoding: chunked\r\n\r\n2;a=" + quoted[:500] + b"\r\n{}\r\n0\r\nX-T: "
    return {
        "reason": b"HTTP/1.1 404 " + told + none,
        "early": b"HTTP/1.1 103 Early\r\nLink: <" + told + b">\r\n\r\n" + plain + b"Content-Length: 2\r\n\r\n{}",
        "trailer": chunked + told + b"\r\n\r\n",
        "gzip": plain + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(small) + small,
        "garbage": told,
        "name": b"HTTP/1.1 500 Oops\r\n" + quoted.replace(b"/", b"") + b": x" + none,
        "json": plain + b"Content-Length: %d\r\n\r\n{" % (len(told) + 1) + told,
        "short": plain + b"Content-Length: 100000\r\n\r\n" + told,
        "challenge": b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="' + line + b'"' + none,
        "redirect": b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:9/" + quoted + none,
        "type": b"HTTP/1.1 200 OK\r\nContent-Type: image/png; " + told + b"\r\nContent-Length: 2\r\n\r\n{}",
    }


async def odd_peers(hunt: Hunt) -> None:
    """An API that breaks the protocol with what it was told, and APIs that fail in every other way."""
    asked = {"kind": ""}

    async def tell(it: Peer, writer: asyncio.StreamWriter) -> bool:
        writer.write(odd_answers(it)[asked["kind"]])
        await writer.drain()
        writer.close()
        return False

    async with AsyncExitStack() as stack:
        teller, mute, hasty = [
            await stack.enter_async_context(peer(one)) for one in (tell, silence(), says(b"", then="close"))
        ]
        places = {"mute": mute.origin, "hasty": hasty.origin, "refused": "http://127.0.0.1:9"}
        places |= {"encrypted": teller.origin.replace("http:", "https:")}
        for slug, origin in places.items():
            url = await opened(hunt, slug, origin)
            for scheme in ("bearer", "query"):
                await call(hunt, f"read_{scheme}", "ok", "plain", url=url)
        url = await opened(hunt, "teller", teller.origin)
        teller.seen.append((b"", b""))
        for kind in odd_answers(teller):
            asked["kind"] = kind
            for scheme in ("bearer", "basic", "query", "cookie", "template", "aws"):
                await call(hunt, f"read_{scheme}", "ok", "plain", url=url)


async def opened(hunt: Hunt, slug: str, origin: str) -> str:
    """The URL of a server with an account of all credentials at another place."""
    house = hunt.house
    await house.connector(slug, origin, document())
    await house.done(patch_connector(house.ground, HOST, slug, {"options": {"timeout": 1}}))
    given = credentials(Canaries(), f"{hunt.provider.url}/token", hunt.folder)
    account = await house.account(slug, credentials={name: given[name] for name in given if name not in OAUTH})
    return house.at(await house.server(name=slug, accounts=[account.id]))


async def rotations(hunt: Hunt) -> None:
    """New keys of every kind, and a call afterwards."""
    place = hunt.house.grounds.place
    told: list[str] = []
    for ask in (KeyAsk(word="rotate"), KeyAsk(word="rotate", tenant="default"), KeyAsk(word="rotate", house=True)):
        done = await rotate(place, ask, told.append)
        hunt.take("rotation", repr(done), json.dumps(done, default=repr), *told)
        await hunt.house.settle()
    key_file(hunt, "second")
    await call(hunt, "read_bearer", "ok", "plain")


async def renewals_that_fail(hunt: Hunt) -> None:
    """A provider that refuses, repeating all that it was told, and one that is not there."""
    for answer in (400, 401, 500, 302):
        hunt.refusing = answer
        hunt.house.clock.now += 4000
        for scheme in OAUTH:
            for url in (hunt.url, hunt.far):
                await call(hunt, f"read_{scheme}", "ok", "plain", url=url)
    hunt.refusing = 0
    hunt.house.clock.now += 4000


async def places_that_fail(hunt: Hunt) -> None:
    """A keyring and an OpenBao that tell all they know when they fail, and places that hold what is no secret."""
    places, around = hunt.elsewhere, hunt.elsewhere.environment
    true = dict(around)
    with telling_bao(places) as (liar, answers):
        for how in (Answer(None, 500), Answer(None, 403), Answer(None, 400), Answer("broken", 200), Answer(None, 200)):
            answers.append(how)
            around["BAO_ADDR"] = liar.url
            await all_far(hunt)
        around["BAO_ADDR"] = true["BAO_ADDR"]
    for mode in ("telling", "locked"):
        InMemory.mode = mode
        await all_far(hunt)
    InMemory.mode = ""
    for name in [name for name in true if name.startswith("MIRROR_FAR")]:
        around[name] = f"{true[name]}\n\x00"
    await all_far(hunt)
    around.update(true)
    for mode in (0o644, 0o600):
        for file in places.folder.iterdir():
            file.chmod(mode)
        await all_far(hunt)
    with broken_way_out(hunt, "/v1/", "apiloom.vault", "apiloom.app.references"):
        hunt.house.clock.now += GONE
        message, head = words("tools/call", {"name": "read_aws", "arguments": {"kind": "ok", "form": "plain"}})
        hunt.took("crash", await hunt.client.post(hunt.far, json=message, headers=head))
    hunt.house.clock.now += GONE


async def all_far(hunt: Hunt) -> None:
    """A call by each scheme that is followed for itself, after nothing that was read before counts any more."""
    hunt.house.clock.now += GONE
    for scheme in ("basic", *OAUTH):
        await call(hunt, f"read_{scheme}", "ok", "plain", url=hunt.far)


class Failing:
    """A sender that fails as nobody expected, with what it was given in its hands."""

    async def send(self, request: Request) -> Response:
        held = request
        raise RuntimeError(f"it broke at {held.origin}")

    async def close(self) -> None:
        """Nothing to close."""


async def crashes(hunt: Hunt) -> None:
    """A failure deep inside, told in full: what every frame holds, and what the objects of the process show."""
    for account in [one for one in hunt.house.node.memory.accounts.values() if one.connector == "mirror"]:
        await crash_with(hunt, account)
    hunt.objects()


async def crash_with(hunt: Hunt, account: Account) -> None:
    """A failure deep inside of calls with an account."""
    house = hunt.house
    connection = await house.grounds.connections.connect(account)
    connector = house.node.memory.connectors["mirror"]
    shared = await house.grounds.artefacts.get(connector, 1)
    answering = house.grounds.connections.answering(connection, connector, shared)
    for scheme in SCHEMES.keys() - {"lent"}:
        tool = next(one for name, one in answering.loaded.tools.items() if scheme in name)
        backend = answering.backend(tool)
        plain = getattr(backend, "inner", backend)
        plain.sender = Failing()
        arguments = {"kind": "ok", "form": "plain"}
        with pytest.raises(RuntimeError) as caught:
            await backend.answer(Call(tool=tool.name, arguments=arguments))
        hunt.take(
            "crash",
            shown(caught.value),
            repr(backend),
            repr(connection),
            repr(backend.preview(Call(tool="", arguments=arguments))),
        )


ROADS = (
    every_answer,
    odd_peers,
    bad_requests,
    wrong_credentials,
    renewals_that_fail,
    places_that_fail,
    rotations,
    Hunt.admin,
    Hunt.commands,
    crashes,
)
