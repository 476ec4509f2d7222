"""Backups of a gateway's store made and put back, copies claimed, schemas brought up to date: on the data itself.

A backup is made while nodes serve. It is put back only after all of it was checked and opened with the key, and what
comes of it is dormant until it is claimed. Whoever is stopped in the middle finds what was there before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from apiloom import __version__
from apiloom.app.gateway.copies import Copies, journal_folder, journal_key, raised
from apiloom.app.gateway.grounding import Grounds, open_grounds
from apiloom.app.gateway.journal_outside import OutsideJournal
from apiloom.app.gateway.key_sources import key_sources
from apiloom.app.gateway.keys import HouseKeys, unwrapped
from apiloom.app.gateway.place import STORE, Place, prepare
from apiloom.base import plugins
from apiloom.base.errors import CallerError, HouseFault
from apiloom.base.secret import replaced
from apiloom.flows.claiming import mark_all_stale, reapply, renewable
from apiloom.store.ports import Store, Work

Say = Callable[[str], None]
Answer = dict[str, Any]

COPYING: Final = "apiloom.store.sql.copying"
_DRAFT: Final = f".{STORE}.restoring"
_PIECE: Final = 8 << 20


async def back_up(place: Place, file: Path, say: Say, now: Callable[[], float] = time.time) -> Answer:
    """Copy all that a place holds into a new file, as it is at one moment, while others read and write.

    Raises:
        CallerError: ``backup.exists``, ``backup.empty``, ``backup.newer``.
        HouseFault: ``backup.file`` when it cannot be written whole: nothing is left of it then.
        ApiloomError: the place cannot be opened.
    """
    if await asyncio.to_thread(os.path.lexists, file):
        raise CallerError(
            f"there is something at {file} already", code="backup.exists", hint="a backup is never overwritten"
        )
    if not file.parent.is_dir():
        raise CallerError(f"there is no folder {file.parent}", code="backup.file", hint="make it, or name another")
    async with opened(place) as (store, keys):
        key = journal_key(keys.custody)
        about = {
            "made_at": str(now()),
            "release": __version__,
            "seq": str(await store.change_seq()),
            "fingerprint": keys.custody.fingerprint,
        }
        with _draft_of(file) as draft:
            try:
                rows = await plugins.load(f"{COPYING}:copy_out")(store, draft, about, key, say)
                size = draft.stat().st_size
                _publish(draft, file)
            except (HouseFault, OSError) as error:
                await store.change_seq()  # where it is the store that does not answer, that is what is told
                raise HouseFault(
                    f"the backup {file.name} cannot be written",
                    code="backup.file",
                    hint="look for room on its disk, and who may write there",
                    error=type(error).__name__,
                ) from None
    return {"file": str(file), "rows": rows, "bytes": size, "seq": int(about["seq"])}


@contextlib.contextmanager
def _draft_of(file: Path) -> Iterator[Path]:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    try:
        yield draft
    finally:
        _clear(draft)


def _clear(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _publish(draft: Path, file: Path) -> None:
    """Give a whole file its name; unlike a rename, this fails where something is there by now."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        draft.replace(file)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    with contextlib.suppress(OSError):  # a folder cannot be opened everywhere
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[tuple[Store, HouseKeys]]:
    """A store that is there, with its keys.

    Raises:
        CallerError: ``backup.empty`` where nothing is kept yet.
        ApiloomError: it cannot be opened.
    """
    if place.is_new:
        raise CallerError(
            f"there is no store at {place.shown}", code="backup.empty", hint="name the data of a gateway with --data"
        )
    store: Store = await plugins.load("apiloom.store.sql.opening:open_store")(place.url)
    try:
        keys = HouseKeys(store, key_sources(place), time.time)
        await keys.open()
        yield store, keys
    finally:
        await store.close()


async def restore(place: Place, file: Path, journals: Sequence[Path], say: Say, *, force: bool) -> Answer:
    """Put a backup in the place of what is there. It is dormant then, and what its journal says has ended stays ended.

    Raises:
        CallerError: ``restore.there`` without ``force``; ``backup.damaged``, ``backup.file``, ``backup.newer``;
            ``store.served`` while a node serves the folder.
        DesignError: ``custody.…``: the key is not the one that opens it.
        HouseFault: it cannot be written; what was there before is there still.
    """
    told = await asyncio.to_thread(plugins.load(f"{COPYING}:read_about"), file)
    if place.folder is None:
        return await _restore_database(place, file, journals, say, force=force)
    prepare(place)
    store = place.folder / STORE
    lock = await plugins.load("apiloom.store.sql.node:hold_node_lock")(place.url)
    try:
        if store.exists() and not force:
            raise _there(place)
        draft = place.folder / _DRAFT
        _clear(draft)
        try:
            done = await _prepared(place, file, draft, journals, say)
            saved = await asyncio.to_thread(_swap, draft, store)
        except OSError as error:
            raise HouseFault(
                "the backup cannot be put in the place of the store",
                code="backup.file",
                hint="look for room on the disk, and who may write in the folder",
                error=type(error).__name__,
            ) from None
        finally:
            _clear(draft)
    finally:
        await lock.release()
    return {**done, "place": place.shown, "saved": saved, "made_at": _shown(told["made_at"])}


async def _restore_database(place: Place, file: Path, journals: Sequence[Path], say: Say, *, force: bool) -> Answer:
    told = await asyncio.to_thread(plugins.load(f"{COPYING}:read_about"), file)
    store: Any = await plugins.load("apiloom.store.sql.opening:open_store")(place.url)
    try:
        blank = await plugins.load(f"{COPYING}:is_blank")(store)
        if not blank and not force:
            raise _there(place)
        saved = ""
        if not blank:
            saved = str(file.with_name(f"{file.name}.before-{_stamp()}"))
            await back_up(place, Path(saved), say)
        with tempfile.TemporaryDirectory(prefix="apiloom-") as folder:
            draft = Path(folder) / STORE
            done = await _prepared(place, file, draft, journals, say)
            async with _asleep(place, store, is_blank=blank):
                await plugins.load(f"{COPYING}:copy_in")(draft, store, say)
    finally:
        await store.close()
    return {**done, "place": place.shown, "saved": saved, "made_at": _shown(told["made_at"])}


@asynccontextmanager
async def _asleep(place: Place, store: Store, *, is_blank: bool) -> AsyncIterator[None]:
    """Have nobody who serves a database act on it any more, before its rows are replaced; as before where that fails.
    Whoever is killed in between leaves it dormant: it needs to be claimed.
    """
    if is_blank:
        yield
        return
    keys = HouseKeys(store, key_sources(place), time.time)
    await keys.open()
    kept = await store.installation()
    journal = OutsideJournal(journal_folder(place), kept["id"], journal_key(keys.custody), time.time)
    before = await asyncio.to_thread(journal.read_claim)
    done = False
    await store.set_installation({}, {"dormant": "restored"})
    try:
        with contextlib.suppress(OSError):  # where the journal cannot be written, the store itself says it
            await asyncio.to_thread(journal.write_claim, raised(kept, before))
        yield
        done = True
    finally:
        if not done:
            await store.set_installation({"dormant": "restored"}, {"dormant": kept.get("dormant", "")})
            if before is not None:
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(journal.write_claim, before)


def _there(place: Place) -> CallerError:
    return CallerError(
        f"there is a store at {place.shown} already",
        code="restore.there",
        hint="--force puts the backup in its place, after a copy of what is there was made",
    )


async def _prepared(place: Place, file: Path, draft: Path, journals: Sequence[Path], say: Say) -> Answer:
    """A dormant store made of a backup, checked and opened with the key, with what has ended since ended in it."""
    say("copying the backup")
    try:
        await remake(place, file, draft, say)
    except OSError as error:
        raise HouseFault(
            "the backup cannot be copied to where it is to be", code="backup.file", hint="look for room on the disk"
        ) from error
    alone = replaced(place, url=f"sqlite+aiosqlite:///{draft}")
    grounds = await open_grounds(alone, environment=place.environment, watched=False)
    try:
        await _try_sealed(grounds, deep=False)
        told = await asyncio.to_thread(grounds.copies.journal.read, journals, await claimed_under(grounds.store))
        again = await reapply(grounds.ground, told.entries)
        left = len(await renewable(grounds.ground))
        done = {
            "journal": told.is_there,
            "entries": len(told.entries),
            "forged": told.forged,
            "dropped": _shown(str(told.dropped)) if told.dropped else "",
            "ended": grounds.copies.ended + again.ended,
            "stale": grounds.copies.stale + again.stale,
            "grants": left,
        }
        await plugins.load(f"{COPYING}:settle")(grounds.store)
    finally:
        await grounds.close()
    return done


async def remake(place: Place, file: Path, draft: Path, say: Say) -> None:
    """Make a dormant store of a backup: of a copy that nobody changes any more, checked before anything opens it.

    Raises:
        CallerError: ``backup.damaged``.
        DesignError: ``custody.…``: the key is not the one that opens it.
        HouseFault: ``vault.sealed``; ``backup.file``, ``store.unreachable`` when it cannot be written.
        OSError: it cannot be copied.
    """
    raw = draft.with_name(f"{draft.name}.raw")
    _clear(raw)
    try:
        await asyncio.to_thread(copy_file, file, raw)
        installation, rows = await asyncio.to_thread(plugins.load(f"{COPYING}:read_wrapped"), raw)
        unopened: Any = None  # the sources are asked with what lies in the file, not in a store
        roots = await HouseKeys(unopened, key_sources(place), time.time).roots(rows)
        key = journal_key(unwrapped(rows, roots, installation))
        await asyncio.to_thread(plugins.load(f"{COPYING}:check_whole"), raw, key, say)
        await plugins.load(f"{COPYING}:remake")(raw, draft)
    finally:
        _clear(raw)


def copy_file(file: Path, draft: Path) -> None:
    """Copy a backup to where it is worked on, for its owner alone. Raises OSError."""
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with file.open("rb") as source, os.fdopen(number, "wb") as target:
        shutil.copyfileobj(source, target, _PIECE)
        target.flush()
        os.fsync(target.fileno())


def _swap(draft: Path, store: Path) -> str:
    """Put a finished file in the place of the store's; where the old one is kept, if there was one."""
    saved = ""
    if store.exists():
        # the log of the old file must be gone before the new one has its name
        if not plugins.load(f"{COPYING}:let_go")(store):
            raise CallerError(
                "somebody is working with the store", code="store.served", hint="wait until they are done, then again"
            )
        kept = store.with_name(f"{store.name}.before-{_stamp()}")
        try:
            os.link(store, kept)
        except OSError:  # a file system without links
            copy_file(store, kept)
        saved = str(kept)
    draft.replace(store)
    _sync(store.parent)
    return saved


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _shown(at: str) -> str:
    return datetime.fromtimestamp(float(at), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def _try_sealed(grounds: Grounds, *, deep: bool) -> int:
    """Open what is sealed, the first thing or everything; how many.

    Raises:
        HouseFault: ``vault.sealed``.
    """
    return sum([1 async for _ in sealed_things(grounds, most=None if deep else 1)])


async def sealed_things(grounds: Grounds, most: int | None = None) -> AsyncIterator[str]:
    """The ids of what is sealed, each after it was opened; up to ``most`` of each kind.

    Raises:
        HouseFault: ``vault.sealed`` for the first that does not open.
    """
    for name in ("accounts", "oauth_clients", "grants"):
        after, done = "", 0
        while done != most:
            async with grounds.store.reading() as work:
                rows: Any = getattr(work.house(), name)
                page, after = await rows.page(limit=200, after=after)
                sealed = [record for record in page if record.sealed]
                for record in sealed[: None if most is None else most - done]:
                    await _open_one(grounds, work, name, record)
                    yield record.id
                    done += 1
            if not after:
                break


async def _open_one(grounds: Grounds, work: Work, name: str, record: Any) -> None:
    scope = work.tenant(record.tenant) if record.tenant else work.house()
    label = f"grant/{record.id}" if name == "grants" else record.id
    await grounds.sealing.open(scope, record.tenant or "", label, record.sealed)


async def upgrade(place: Place) -> Answer:
    """Bring the schema of a store to this release's.

    Raises:
        CallerError: ``backup.empty``, ``store.newer``.
        ApiloomError: it cannot be opened.
    """
    if place.is_new:
        raise CallerError(
            f"there is no store at {place.shown}", code="backup.empty", hint="name the data of a gateway with --data"
        )
    before, after = await plugins.load("apiloom.store.sql.opening:bring_up")(place.url)
    return {"place": place.shown, "from": before, "to": after}


async def claim(place: Place, journals: Sequence[Path], *, keep_grants: bool, done: bool) -> Answer:
    """Make the copy at a place the one that acts; unless ``done``, only say what that would do.

    Raises:
        CallerError: ``backup.empty``.
        ApiloomError: it cannot be opened, or somebody else claims it at this moment.
    """
    if place.is_new:
        raise CallerError(
            f"there is no store at {place.shown}", code="backup.empty", hint="name the data of a gateway with --data"
        )
    # what is ended again here stands in the journal already
    grounds = await open_grounds(place, environment=place.environment, watched=False)
    try:
        copies = grounds.copies
        told = await asyncio.to_thread(copies.journal.read, journals, await claimed_under(grounds.store))
        marks = (not told.is_there or told.dropped > 0) and not keep_grants
        answer: Answer = {
            "place": place.shown,
            "dormant": copies.told,
            "journal": told.is_there,
            "entries": len(told.entries),
            "marked": len(await renewable(grounds.ground)) if marks else 0,
            "claimed": False,
        }
        if not done or not copies.dormant():
            return answer
        again = await reapply(grounds.ground, told.entries)
        marked = copies.stale + (await mark_all_stale(grounds.ground) if marks else again.stale)
        begins = not (await asyncio.to_thread(copies.journal.read)).is_there
        settled = await copies.settle(told)
        if begins:  # what other folders told is not in this one
            with contextlib.suppress(OSError):  # where it cannot be written, there is none the next time either
                await asyncio.to_thread(copies.journal.note_gap, settled.number)
        # whoever acted until now could still write a line before it saw the claim
        late = await reapply(grounds.ground, (await asyncio.to_thread(copies.journal.read, journals)).entries)
        return {
            **answer,
            "claimed": True,
            "number": settled.number,
            "ended": copies.ended + again.ended + late.ended,
            "marked": marked + late.stale,
        }
    finally:
        await grounds.close()


async def claimed_under(store: Store) -> int:
    """The number of the claim that a store was copied under."""
    return int((await store.installation()).get("claim_number") or 0)


def trouble_of(copies: Copies) -> str:
    """Why the journal of a store cannot be written; empty when it can."""
    try:
        copies.journal.check_writable()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
