"""``apiloom doctor``: whether a gateway's place is as it should be, and whether a backup of it opens.

Each check says in a word how it went, in a sentence what was found, and what to do. Nothing is repaired here.
"""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from apiloom.app.gateway.backups import claimed_under, remake, sealed_things, trouble_of
from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.place import STORE, Place
from apiloom.app.outbound import ALLOWED, read_guard
from apiloom.base import plugins
from apiloom.base.errors import ApiloomError
from apiloom.base.secret import replaced
from apiloom.vault.envelope import unwrap_key

Say = Callable[[str], None]
How = Literal["ok", "note", "wrong"]

_SKEW: Final = 300.0
_PUBLIC: Final = f"only public ones, for {ALLOWED} is not set here; what serve was told by --allow-address is not seen"


@dataclass(slots=True)
class Findings:
    """What was found, in the order it was looked at."""

    lines: list[dict[str, str]] = field(default_factory=list)

    def add(self, check: str, how: How, told: str, hint: str = "") -> None:
        """One finding."""
        self.lines.append({"check": check, "how": how, "told": told, "hint": hint})

    def refused(self, check: str, error: ApiloomError) -> None:
        """A check that ended in a refusal."""
        self.add(check, "wrong", f"{error.message} ({error.code})", error.hint)

    def answer(self) -> dict[str, Any]:
        """All of it; ``ok`` says that nothing is wrong."""
        return {"ok": not any(line["how"] == "wrong" for line in self.lines), "checks": self.lines}


async def examine(place: Place, say: Say, *, backup: Path | None, deep: bool, public_url: str) -> dict[str, Any]:
    """Look at a place, and at a backup if one is named."""
    found = Findings()
    _allowed(found, place.environment)
    if public_url:
        _public_url(found, public_url)
    _folder(found, place)
    if backup is not None:
        say("opening the backup")
        await _backup(found, place, backup, say, deep=deep)
    if place.is_new:
        found.add("store", "note" if backup else "wrong", f"there is no store at {place.shown}", "name it with --data")
        return found.answer()
    try:
        schema = await plugins.load("apiloom.store.sql.opening:schema_of")(place.url)
        known: int = plugins.load("apiloom.store.sql.opening:SCHEMA")
    except ApiloomError as error:
        found.refused("store", error)
        return found.answer()
    if 0 < schema < known:
        found.add("store", "wrong", f"its schema is {schema}, this release wants {known}", "run apiloom db upgrade")
        return found.answer()
    try:
        grounds = await open_grounds(place, environment=place.environment, watched=False)
    except ApiloomError as error:
        found.refused(_opening(error), error)
        return found.answer()
    try:
        found.add("store", "ok", f"{place.shown} opens, schema {schema or known}")
        await _inside(found, grounds, say, deep=deep)
    except ApiloomError as error:
        found.refused("store", error)
    finally:
        await grounds.close()
    return found.answer()


def _opening(error: ApiloomError) -> str:
    return "key" if error.code.partition(".")[0] in {"custody", "vault", "keyring", "bao"} else "store"


async def _inside(found: Findings, grounds: Grounds, say: Say, *, deep: bool) -> None:
    """What an opened store says."""
    sources = ", ".join(source.shown for source in grounds.keys.sources)
    found.add("key", "ok", f"{sources} opens it, fingerprint {grounds.custody.fingerprint[:8]}")
    say("opening what is sealed")
    await _sealed(found, "sealed", grounds, deep=deep)
    await _copy(found, grounds)
    await _clock(found, grounds)
    await _grants(found, grounds)


async def _sealed(found: Findings, check: str, grounds: Grounds, *, deep: bool) -> None:
    """That every wrapped key opens, and what is sealed: the first of each kind, or all of it."""
    try:
        keys = await _tenant_keys(grounds)
        count = sum([1 async for _ in sealed_things(grounds, None if deep else 1)])
    except ApiloomError as error:
        found.refused(check, error)
        return
    what = f"all {count:,} open" if deep else f"{count:,} tried, all open"
    found.add(
        check,
        "ok",
        f"keys of tenants: {keys:,} unwrap; sealed things: {what}",
        "" if deep else "--deep opens everything",
    )


async def _tenant_keys(grounds: Grounds) -> int:
    """How many keys of tenants there are, each unwrapped."""
    count, after = 0, ""
    while True:
        async with grounds.store.reading() as work:
            page, after = await work.house().tenant_keys.page(limit=500, after=after)
        for key in page:
            unwrap_key(key.wrapped, grounds.custody, tenant=key.tenant, version=key.version)
            count += 1
        if not after:
            return count


async def _copy(found: Findings, grounds: Grounds) -> None:
    copies = grounds.copies
    if copies.dormant():
        found.add("copy", "wrong", f"the store is dormant: {copies.told}", "apiloom db claim makes it act")
    else:
        found.add("copy", "ok", "the store was claimed here and acts")
    trouble, folder = trouble_of(copies), copies.journal.folder
    if trouble:
        hint = "name a folder that can be written in APILOOM_JOURNAL"
        found.add("journal", "wrong", f"{folder} cannot be written: {trouble}", hint)
        return
    told = copies.journal.read(since=await claimed_under(grounds.store))
    if told.forged:
        hint = "look who may write there; these lines are not heeded"
        found.add("journal", "wrong", f"{told.forged:,} lines in {folder} were cut or not written by apiloom", hint)
        return
    if told.dropped:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(told.dropped))
        hint = "restore no backup from before then; if it was full, look who ends so much"
        found.add("journal", "wrong", f"{folder} is not whole: what ended until {at} may be missing", hint)
        return
    if copies.dormant() and not told.is_there:
        hint = "give db claim the folder of the gateway that it was copied from, with --journal"
        found.add(
            "journal", "note", f"there is none in {folder}: nobody knows what ended since the copy was made", hint
        )
        return
    found.add("journal", "ok", f"{folder} can be written, {len(told.entries):,} lines")


async def _clock(found: Findings, grounds: Grounds) -> None:
    now = grounds.ground.now()
    async with grounds.store.reading() as work:
        newest, _ = await work.house().audit.page(limit=1)
    ahead = newest[0].at - now if newest else 0.0
    if ahead > _SKEW:
        told = f"the last thing that was written down lies {ahead / 60:,.0f} minutes in the future"
        found.add("clock", "wrong", told, "set this machine's clock; tokens are judged by it")
    else:
        shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        found.add("clock", "ok", f"it is {shown}, behind everything that was written down")


async def _grants(found: Findings, grounds: Grounds) -> None:
    """How the credentials are that are kept alive."""
    counts: Counter[str] = Counter()
    after = ""
    while True:
        async with grounds.store.reading() as work:
            page, after = await work.house().grants.page(limit=500, after=after)
        counts.update(grant.state for grant in page)
        if not after:
            break
    told = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in sorted(counts.items()))
    poor = counts["failing"] + counts["needs_reconnect"]
    hint = "apiloom account health says which and why" if poor else ""
    found.add("grants", "note" if poor else "ok", told or "there are none", hint)


def _allowed(found: Findings, environment: Mapping[str, str]) -> None:
    try:
        read_guard(environment)
    except ApiloomError as error:
        found.refused("addresses", error)
        return
    named = environment.get(ALLOWED, "").strip()
    found.add("addresses", "ok", f"public ones and {named[:200]}" if named else _PUBLIC)


def _public_url(found: Findings, url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host:
        found.add("public url", "wrong", "it is no URL", "write https://HOST")
    elif parts.scheme != "https" and host not in {"localhost", "127.0.0.1", "::1"}:
        found.add("public url", "wrong", "it is not https: tokens would travel in clear", "put TLS in front of it")
    else:
        found.add("public url", "ok", f"{parts.scheme}://{parts.netloc}")


def _folder(found: Findings, place: Place) -> None:
    """Who may read what lies in the data folder."""
    folder = place.folder
    if folder is None or place.is_new or os.name != "posix":
        return
    shared = [
        path.name
        for path in (folder, *folder.glob(f"*{STORE}*"))
        if stat.S_IMODE(path.stat().st_mode) & 0o077 or path.stat().st_uid != os.geteuid()
    ]
    if shared:
        told = f"{', '.join(sorted(shared)[:5])} can be read by others, or is another's"
        found.add("folder", "wrong", told, f"chmod -R go= {folder}")
    else:
        found.add("folder", "ok", f"{folder} is yours alone")


async def _backup(found: Findings, place: Place, file: Path, say: Say, *, deep: bool) -> None:
    """That a backup is whole, is opened by the key, and holds what opens."""
    copying = plugins.load("apiloom.store.sql.copying")
    try:
        told = await asyncio.to_thread(copying.read_about, file)
        async with _as_store(place, file, say) as grounds:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(told["made_at"])))
            short = grounds.custody.fingerprint[:8]
            found.add("backup", "ok", f"{file.name} of {at} is whole, the key {short} opens it")
            await _sealed(found, "backup sealed", grounds, deep=deep)
    except ApiloomError as error:
        found.refused("backup", error)
    except OSError as error:
        found.add("backup", "wrong", f"it cannot be tried: {error.strerror}", "look for room for temporary files")
    if await asyncio.to_thread(_is_shared, file):
        found.add("backup file", "note", f"{file.name} can be read by others", f"chmod 600 {file}")


def _is_shared(file: Path) -> bool:
    return os.name == "posix" and file.exists() and bool(stat.S_IMODE(file.stat().st_mode) & 0o077)


@asynccontextmanager
async def _as_store(place: Place, file: Path, say: Say) -> AsyncIterator[Grounds]:
    """A copy of a backup, checked, then opened as the store that it was; nothing of it reaches the journal."""
    with tempfile.TemporaryDirectory(prefix="apiloom-") as folder:
        draft = Path(folder) / STORE
        await remake(place, file, draft, say)
        alone = replaced(place, url=f"sqlite+aiosqlite:///{draft}", folder=Path(folder))
        # the key goes by the name of the place, not by where the copy lies
        grounds = await open_grounds(alone, environment=place.environment, watched=False)
        try:
            yield grounds
        finally:
            await grounds.close()
