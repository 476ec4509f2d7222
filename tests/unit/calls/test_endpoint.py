"""Endpoints, chains and the directory."""

import asyncio
import difflib

import pytest

from apiloom.base.errors import CallerError
from apiloom.calls.call import Call, Outcome, Text
from apiloom.calls.endpoint import Directory, Endpoint, Listing, build_route, chain
from apiloom.calls.ports import Proceed


class Echo:
    """A backend that answers with the tool's name."""

    async def answer(self, call: Call) -> Outcome:
        return Outcome(content=(Text(call.tool),))

    def preview(self, call: Call) -> dict[str, object]:
        return {"tool": call.tool}


def endpoint(*names: str) -> Endpoint:
    echo = Echo()
    routes = {name: build_route((), echo) for name in names}
    listing = Listing(pages=(b"",), etag="0", count=len(names))
    return Endpoint(name="t", title="T", version="1", instructions="", listing=listing, routes=routes)


async def test_a_call_reaches_the_route_of_its_tool() -> None:
    outcome = await endpoint("get_pet", "list_pets").run(Call(tool="get_pet", arguments={}))
    assert outcome.content == (Text("get_pet"),)


async def test_an_unknown_tool_is_the_callers_error_and_names_the_nearest() -> None:
    with pytest.raises(CallerError) as caught:
        await endpoint("get_pet", "list_pets").run(Call(tool="get_pets", arguments={}))
    assert caught.value.code == "call.unknown_tool"
    assert "get_pet" in caught.value.hint


async def test_policies_run_outermost_first_and_may_answer_themselves() -> None:
    order: list[str] = []

    def named(name: str, *, stop: bool = False):
        def policy(proceed: Proceed) -> Proceed:
            async def step(call: Call) -> Outcome:
                order.append(name)
                return Outcome(content=(Text("stopped"),)) if stop else await proceed(call)

            return step

        return policy

    run = chain((named("outer"), named("inner", stop=True), named("never")), Echo().answer)
    outcome = await run(Call(tool="x", arguments={}))
    assert order == ["outer", "inner"]
    assert outcome.content == (Text("stopped"),)


async def test_a_swap_wakes_everyone_who_waits_and_serves_the_new_endpoint() -> None:
    directory = Directory()
    directory.put(endpoint("old"))
    waiters = [asyncio.create_task(directory.changed()) for _ in range(3)]
    await asyncio.sleep(0)
    fresh = endpoint("new")
    directory.put(fresh)
    await asyncio.wait_for(asyncio.gather(*waiters), 1)
    assert directory.get() is fresh
    again = asyncio.create_task(directory.changed())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


async def test_a_preview_meets_the_same_policies_as_a_call() -> None:
    def refuse(proceed: Proceed) -> Proceed:
        async def step(call: Call) -> Outcome:
            return Outcome(content=(Text("no"),), failed=True) if call.arguments else await proceed(call)

        return step

    route = build_route((refuse,), Echo())
    assert (await route.preview(Call(tool="x", arguments={}))).structured == b'{"tool":"x"}'
    assert (await route.preview(Call(tool="x", arguments={"a": 1}))).failed


def test_twelve_thousand_names_are_not_all_compared_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    close = difflib.get_close_matches

    def counted(word: str, names: list[str], n: int) -> list[str]:
        compared.append(len(names))
        return close(word, names, n=n)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    many = endpoint("get_pet", *(f"list_the_things_of_group_{number}" for number in range(12_000)))
    with pytest.raises(CallerError) as caught:
        many.route("get_pt")
    assert "get_pet" in caught.value.hint
    assert max(compared) <= 100
