"""``apiloom key``: the keys of a gateway made, shown and rotated, on its data itself. No key is ever in an answer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from apiloom.app.gateway.key_sources import KeySource, key_sources
from apiloom.app.gateway.keys import HouseKeys
from apiloom.app.gateway.place import Place, prepare, read_place
from apiloom.app.gateway.rotation import Turned, rotate_house, rotate_root, rotate_tenant
from apiloom.app.gateway.sealing import VaultSealing
from apiloom.base import plugins
from apiloom.base.errors import CallerError, DesignError
from apiloom.console.house import KeyAsk
from apiloom.store.ports import Store
from apiloom.vault.custody import PURPOSES

Say = Callable[[str], None]


def answer_keys(ask: KeyAsk, say: Say, environment: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """What was asked, done.

    Raises:
        ApiloomError: it cannot be done; nothing is half-changed that the same command would not complete.
    """
    place = read_place(ask.data, os.environ if environment is None else environment)
    if ask.word == "create":
        return asyncio.run(create(place))
    if ask.word == "show":
        return asyncio.run(show(place))
    return asyncio.run(rotate(place, ask, say))


async def create(place: Place) -> Mapping[str, Any]:
    """The key of a place that has none, made where its surroundings say.

    Raises:
        CallerError: ``custody.there`` when the first source holds one.
    """
    source = key_sources(place)[0]
    if source.shared:
        # what it wraps is kept in the store, which is made with it
        async with _opened(place, may_make=True) as keys:
            return {"source": source.shown, "fingerprint": keys.custody.fingerprint}
    if await _is_there(source):
        raise CallerError(
            f"there is a key in {source.shown} already",
            code="custody.there",
            hint="apiloom key rotate puts a new one in front of it",
        )
    made = await source.create(())
    return {"source": source.shown, "fingerprint": made.roots[0].fingerprint}


async def _is_there(source: KeySource) -> bool:
    try:
        return bool(await source.read(()))
    except DesignError as error:
        if error.code != "custody.missing":
            raise
        return False


async def show(place: Place) -> Mapping[str, Any]:
    """Where the keys of a place come from, by their fingerprints, and what they open."""
    async with _opened(place) as keys:
        rows = await keys.rows()
        held = [await keys.first_roots(rows), *[await source.read(rows) for source in keys.sources[1:]]]
        sources = [
            {"source": source.shown, "keys": [root.fingerprint for root in roots]}
            for source, roots in zip(keys.sources, held, strict=True)
        ]
        return {
            "in_use": keys.custody.fingerprint,
            "sources": sources,
            "house": {purpose: list(keys.custody.sub_keys(purpose)) for purpose in PURPOSES},
        }


async def rotate(place: Place, ask: KeyAsk, say: Say) -> Mapping[str, Any]:
    """Rotate one of the keys of a place, beside nodes that serve it.

    Raises:
        CallerError: ``custody.turning`` when somebody does so at this moment.
    """
    if ask.tenant and ask.house:
        raise CallerError("--tenant and --house exclude each other", code="cli.usage", hint="choose one")
    async with _opened(place) as keys:
        lock = await plugins.load("apiloom.store.sql.turning:hold_turning_lock")(place.url)
        try:
            turned = await _turned(keys, ask, say)
        finally:
            await lock.release()
    return turned.to_json()


async def _turned(keys: HouseKeys, ask: KeyAsk, say: Say) -> Turned:
    if not ask.tenant and not ask.house:
        return await rotate_root(keys)
    sealing = VaultSealing(keys.custody, keys.now, keys.refresh)
    if ask.house:
        return await rotate_house(keys, sealing, say)
    return await rotate_tenant(keys, sealing, ask.tenant, say)


@asynccontextmanager
async def _opened(place: Place, *, may_make: bool = False) -> AsyncIterator[HouseKeys]:
    if place.is_new and not may_make:
        raise CallerError(
            f"there is no store at {place.shown}",
            code="custody.no_store",
            hint="start the gateway once, or mend --data",
        )
    prepare(place)
    sources = key_sources(place)
    store: Store = await plugins.load("apiloom.store.sql.opening:open_store")(place.url)
    try:
        keys = HouseKeys(store, sources, time.time, may_make=may_make and place.folder is not None)
        await keys.open()
        yield keys
    finally:
        await store.close()
