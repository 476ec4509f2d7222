"""Which of all copies of a store acts: the one that was claimed last, where it was claimed. Every other one is dormant.

A store knows the place it was claimed at, as a keyed hash, and the number of its claim; the same number lies outside of
it, beside the journal. A copy that was restored, moved or cloned differs in one of them and serves what it can without
renewing, scheduling or sending anything, until somebody claims it. Below stand the store and the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from apiloom.app.gateway.journal_outside import Claim, OutsideJournal, Told
from apiloom.app.gateway.lane import Lane
from apiloom.app.gateway.place import Place, config_folder
from apiloom.base.errors import ApiloomError, DesignError
from apiloom.base.secret import InTheClear, closed
from apiloom.flows.ground import dormant_refusal
from apiloom.store.ports import Ended, Store
from apiloom.vault.custody import Custody

VARIABLE: Final = "APILOOM_JOURNAL"
LOOKED_EVERY: Final = 5.0
"""Seconds between two looks at whether the store is still ours to act on."""

WRITTEN_IN: Final = 5.0
"""Seconds that a change waits for the journal. It is written all the same, once the journal answers."""

READ_IN: Final = 1.0
"""Seconds that a renewal waits for the claim outside; then the last look at it counts."""

REASONS: Final = {
    "restored": "it was restored from a backup",
    "moved": "it lies at another place than where it was claimed",
    "lost": "another copy of it was claimed since",
    "rival": "another copy of it was claimed as well",
    "older": "it is older than what its journal has seen: it was put back to an earlier state",
    "unclaimed": "it was copied before it was first claimed",
}
"""Why a store is dormant."""

_log = logging.getLogger("apiloom.gateway")


def journal_key(custody: Custody) -> bytes:
    """What journals and backups are marked with: made of the first of its keys, which every backup has."""
    first = next(iter(custody.sub_keys("seals").values()))
    return hmac.digest(first, b"apiloom journal and backups", "sha256")


def journal_folder(place: Place) -> Path:
    """Where the journals are: ``$APILOOM_JOURNAL``, else beside the key, in the user's configuration folder.

    Raises:
        DesignError: ``journal.inside`` when that lies with the data, where every copy would hold both.
    """
    chosen, key = place.environment.get(VARIABLE), place.environment.get("APILOOM_KEY_FILE")
    if chosen:
        folder = Path(chosen).expanduser()
    else:
        folder = (Path(key).parent if key else config_folder(place.environment)) / "journal"
    if place.folder is not None and folder.resolve().is_relative_to(place.folder.resolve()):
        raise DesignError(
            f"the journal {folder} lies inside of the data folder",
            code="journal.inside",
            hint=f"name another folder in {VARIABLE}, so that no copy of the data takes its journal along",
        )
    return folder


@closed
@dataclass(slots=True, kw_only=True)
class Copies(InTheClear):
    """Knows whether a store may act. ``reason`` says why not, a word of :data:`REASONS`; empty: it may."""

    store: Store
    journal: OutsideJournal
    key: bytes = field(repr=False)
    reason: str = ""
    ended: int = 0
    stale: int = 0
    """What was ended again, and how many grants marked, when the copy was opened."""
    trouble: str = ""
    """Why the journal cannot be written; empty while it can."""
    _claim: int = field(default=0, init=False)
    _seen: int = field(default=-1, init=False)
    _own: str = field(default="", init=False)
    """What the journal of this copy, while it is dormant, goes by."""
    _acted: bool = field(default=False, init=False)
    _writing: Lane = field(default_factory=lambda: Lane("apiloom-journal"), init=False, repr=False)
    _reading: Lane = field(default_factory=lambda: Lane("apiloom-claim"), init=False, repr=False)

    def dormant(self) -> bool:
        """Whether nothing may be renewed, scheduled or sent."""
        return bool(self.reason)

    async def check_awake(self) -> None:
        """That a pair may be renewed: the claim outside is read at this moment, so that of two copies on one machine
        the one that was not claimed stops at once. Where it cannot be read in time, the last look at it counts.

        Raises:
            CallerError: ``store.dormant``.
        """
        outside: Claim | None = None
        if not self.reason:
            with contextlib.suppress(TimeoutError):
                outside = await self._reading.run(READ_IN, self.journal.read_claim)
        if outside is not None and outside.number > self._claim:
            self.reason = "lost"
        if self.reason:
            raise dormant_refusal()

    @property
    def told(self) -> str:
        """Why it is dormant, as a sentence's end; empty when it is not."""
        return REASONS[self.reason] if self.reason else ""

    async def watch(self, ended: Sequence[Ended], was: int, last: int) -> None:
        """See :data:`~apiloom.store.ports.Watch`. A journal that cannot be written keeps nobody from revoking.

        What ends in a dormant copy ended there alone: it is written apart, where nobody else heeds it.
        """
        del last
        try:
            await self._writing.run(WRITTEN_IN, self._write, ended, was)
            self.trouble = ""
        except OSError as error:
            self._troubled(error)

    def _write(self, ended: Sequence[Ended], was: int) -> None:
        outside = None if self.reason else self.journal.read_claim()
        if not self.reason and (outside is None or outside.number <= self._claim):
            self.journal.append(ended, self._claim, was)
            return
        # a pair that was asked for while this copy still acted was renewed for every copy
        shared = [one for one in ended if self._acted and one.kind == "grant" and one.generation]
        self.journal.append(shared, self._claim, was)
        self.journal.append([one for one in ended if one not in shared], self._claim, was, apart=self._own)

    async def look(self) -> bool:
        """Look at whether the store may act; whether that has changed. A store that nobody has claimed yet is claimed.

        Raises:
            HouseFault: ``store.unreachable``.
        """
        before = self.reason
        self.reason = await self._judged()
        return self.reason != before

    def tell(self) -> None:
        """Say in the log that nothing is renewed, or that it is again."""
        if self.reason:
            _log.warning("this store is dormant: %s; apiloom db claim makes it act", self.told)
        else:
            _log.warning("this store acts: it was claimed")

    async def _judged(self) -> str:
        kept = await self.store.installation()
        here, outside = await self.here(), await asyncio.to_thread(self.journal.read_claim)
        if not kept.get("claim"):
            if outside is not None:
                return "unclaimed"
            await self.store.set_installation({"claim": ""}, _values(Claim(number=1, id=_fresh()), here))
            kept = await self.store.installation()
        claim = Claim(number=int(kept["claim_number"]), id=kept["claim"], seq=await self.store.change_seq())
        self._claim = claim.number
        self._own = hmac.digest(self.key, f"apart {here} {kept.get('copy', '')}".encode(), "sha256").hex()[:24]
        if kept.get("dormant"):
            return kept["dormant"] if kept["dormant"] in REASONS else "restored"
        if not hmac.compare_digest(kept.get("place", ""), here):
            return "moved"
        reason = await asyncio.to_thread(self._against, claim, outside)
        if not reason:
            await asyncio.to_thread(self._keep, claim, outside)
            self._acted = True
        return reason

    def _against(self, claim: Claim, outside: Claim | None) -> str:
        """What the claim that lies outside says against the store's own."""
        if outside is None or outside.number < claim.number:
            return ""
        if outside.number > claim.number:
            return "lost"
        if outside.id != claim.id:
            return "rival"
        return "older" if max(outside.seq, self._highest(claim)) > claim.seq else ""

    def _highest(self, claim: Claim) -> int:
        """The last change that the journal has seen; read once, for later this process writes it."""
        if self._seen < 0:
            self._seen = max((e.was for e in self.journal.read().entries if e.claim == claim.number), default=0)
        return self._seen

    def _keep(self, claim: Claim, outside: Claim | None) -> None:
        try:
            # what ended here before the claim counts for every copy from now on
            self.journal.adopt(self._own)
            if outside != claim:
                self.journal.write_claim(claim)
            self.trouble = ""
        except OSError as error:
            self._troubled(error)

    async def here(self) -> str:
        """The place of the store, as it is kept: nobody reads it off."""
        return hmac.digest(self.key, b"place " + (await self.store.place()).encode(), "sha256").hex()

    async def settle(self, told: Told) -> Claim:
        """Make this copy the one that acts, from now on. The store is told first: whoever is killed in between has
        claimed it, and the outside follows when it is opened next.

        Raises:
            CallerError: ``store.stale`` when somebody else has claimed it at this moment.
            HouseFault: ``store.unreachable``.
        """
        kept = await self.store.installation()
        claim = replace(raised(kept, told.claim), seq=await self.store.change_seq())
        was = {"claim": kept.get("claim", "")}
        if not await self.store.set_installation(was, {**_values(claim, await self.here()), "dormant": ""}):
            raise DesignError(
                "somebody else has claimed this store just now", code="store.claimed", hint="look who, then try again"
            )
        self._claim, self._seen = claim.number, 0
        await asyncio.to_thread(self._keep, claim, None)
        self.reason, self._acted = "", True
        return claim

    async def run(self) -> None:
        """Look again and again, for as long as a node serves."""
        if self.reason:
            self.tell()
        while True:
            await asyncio.sleep(LOOKED_EVERY)
            try:
                if await self.look():
                    self.tell()
            except ApiloomError:
                continue  # a store that does not answer is told of elsewhere

    def _troubled(self, error: OSError) -> None:
        late = isinstance(error, TimeoutError) and not error.strerror
        trouble = "it does not answer in time" if late else error.strerror or type(error).__name__
        if trouble != self.trouble:
            _log.error("the journal in %s cannot be written: %s", self.journal.folder, trouble)
        self.trouble = trouble


def _values(claim: Claim, here: str) -> dict[str, str]:
    return {"claim": claim.id, "claim_number": str(claim.number), "place": here}


def raised(kept: Mapping[str, str], outside: Claim | None) -> Claim:
    """A claim above that of a store and that which lies outside of it."""
    number = max(int(kept.get("claim_number") or 0), outside.number if outside else 0) + 1
    return Claim(number=number, id=_fresh())


def _fresh() -> str:
    return secrets.token_hex(16)


async def open_copies(place: Place, store: Store, custody: Custody, now: Callable[[], float]) -> Copies:
    """Look at an opened store. What ends in it is written down once somebody has it watched.

    Raises:
        DesignError: ``journal.inside``.
        HouseFault: ``store.unreachable``.
    """
    key = journal_key(custody)
    installation = (await store.installation())["id"]
    copies = Copies(store=store, journal=OutsideJournal(journal_folder(place), installation, key, now), key=key)
    await copies.look()
    return copies
