"""The engine of a gateway: DBOS, on a database of its own beside the store's tables.

What its users must know is dealt with here: its version is pinned, so that work outlives upgrades; what it keeps is
JSON, and a pickle that somebody wrote there is not opened; it has no server and no console of its own, and says nothing
but what went wrong, without what it was about. Flows run on its threads, their steps on the loop of the node. A process
has one. Loaded by dotted name, when the node is ready: its import takes a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, quote, urlencode

from dbos import DBOS, DBOSConfig, Serializer, SetEnqueueOptions, SetWorkflowID
from dbos._serialization import DefaultSerializer

from apiloom.base import json
from apiloom.base.errors import HouseFault
from apiloom.flows.durable.engine import Flow, Plain, Step

VERSION: Final = "apiloom-1"
"""What stands beside unfinished work. It changes only when a flow's steps can no longer go on with what was begun."""

SCHEMA: Final = "apiloom_durable"
"""The schema in PostgreSQL."""

FILE: Final = "durable.sqlite3"
"""The file beside an SQLite store."""

QUEUE: Final = "flows"
AT_ONCE = 8
"""Flows that one node runs at the same time."""

SHARE = 4
"""Flows of one tenant among them."""

POLL = 0.5
"""Seconds between two looks at what waits."""

NAP = 0.2
"""Seconds that a thread of the engine may sleep through the moment it is told to stop."""

MOST_STARTED = 20_000
"""Keys that a process knows to have been started; of others the database is asked."""

_NOBODY = "-"
_UNFINISHED: Final = ["PENDING", "ENQUEUED"]
_ENDED: Final = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_TOGETHER = 500
_MOST_BATCHES = 2000
_LOUDEST = 20
"""Lines of a minute at most."""

_log = logging.getLogger("apiloom.durable")


class PlainJson(Serializer):
    """Keeps plain values. An exception is kept as its type alone: its text may come from outside."""

    def serialize(self, data: Any) -> str:
        if isinstance(data, BaseException):
            data = {"failed": type(data).__name__}
        return json.dumps(data).decode()

    def deserialize(self, serialized_data: str) -> Any:
        data = json.loads(serialized_data)
        if isinstance(data, dict) and set(data) == {"failed"}:
            return HouseFault(f"a flow failed ({data['failed']})", code="durable.failed")
        return data

    def name(self) -> str:
        return "apiloom_json"


class _Quiet(logging.Handler):
    """Says that something went wrong, at most so often, and nothing of what it was about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._minute = 0
        self._said = 0

    def emit(self, record: logging.LogRecord) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._said = minute, 0
        self._said += 1
        if self._said <= _LOUDEST:
            cause = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            _log.warning("durable work: %s in %s %s", record.levelname.lower(), record.module, cause)


class DbosEngine:
    """An :class:`~apiloom.flows.durable.engine.Engine`. Open it in a thread: see :func:`open_engine`."""

    def __init__(self, flows: Sequence[Flow], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._started: OrderedDict[str, None] = OrderedDict()
        self._workflows: dict[str, Callable[..., Coroutine[Any, Any, Plain]]] = {
            flow.name: DBOS.workflow(name=flow.name)(partial_of(flow, self._stepped)) for flow in flows
        }

    async def start(self, flow: str, key: str, *given: Plain, whose: str = "") -> None:
        """See the port."""
        # what waits long for its turn is found due again and again: that costs the database nothing
        if key in self._started:
            return
        await _told(self._start, flow, key, given, whose)
        self._started[key] = None
        if len(self._started) > MOST_STARTED:
            self._started.popitem(last=False)

    async def take_over(self, gone: Collection[str]) -> int:
        """See the port."""
        return await _told(self._take_over, list(gone)) if gone else 0

    async def forget(self, seconds: float) -> None:
        """See the port."""
        await _told(self._forget, seconds)

    async def close(self) -> None:
        """See the port."""
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)

    def _start(self, flow: str, key: str, given: tuple[Plain, ...], whose: str) -> None:
        with SetWorkflowID(key), SetEnqueueOptions(queue_partition_key=whose or _NOBODY):
            DBOS.enqueue_workflow(QUEUE, self._workflows[flow], *given)

    def _take_over(self, gone: list[str]) -> int:
        left = DBOS.list_workflows(executor_id=gone, status=_UNFINISHED, load_input=False, load_output=False)
        for one in left:
            DBOS.resume_workflow(one.workflow_id, queue_name=QUEUE)
        return len(left)

    def _forget(self, seconds: float) -> None:
        before = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - seconds))
        for _ in range(_MOST_BATCHES):
            old = DBOS.list_workflows(
                status=_ENDED, completed_before=before, limit=_TOGETHER, load_input=False, load_output=False
            )
            if old:
                DBOS.delete_workflows([one.workflow_id for one in old])
            if len(old) < _TOGETHER:
                return

    async def _stepped(self, name: str, step: Step, *given: Plain) -> Plain:
        async def crossing() -> Plain:
            # stores, pools and single flights belong to the node's loop
            there: Coroutine[Any, Any, Plain] = _awaited(step, given)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there, self._loop))

        return await DBOS.run_step_async({"name": name}, crossing)


class _Steps:
    def __init__(self, run: Callable[..., Coroutine[Any, Any, Plain]]) -> None:
        self.run = run


def partial_of(
    flow: Flow, stepped: Callable[..., Coroutine[Any, Any, Plain]]
) -> Callable[..., Coroutine[Any, Any, Plain]]:
    """A flow as the function that DBOS calls."""

    async def run(*given: Plain) -> Plain:
        return await flow.run(_Steps(stepped), *given)

    run.__qualname__ = run.__name__ = flow.name
    return run


async def _awaited(step: Step, given: tuple[Plain, ...]) -> Plain:
    return await step(*given)


async def _told(work: Callable[..., Any], *given: Any) -> Any:
    """Ask DBOS in a thread: its own asynchronous calls would put their threads under the node's loop."""
    try:
        return await asyncio.to_thread(work, *given)
    except Exception as error:  # noqa: BLE001 - whatever its database says, it says here
        raise HouseFault(
            f"durable work is not taken at the moment ({type(error).__name__})",
            code="durable.failed",
            hint="look at the database beside the store",
        ) from None


async def open_engine(url: str, folder: Path | None, node: str, flows: Sequence[Flow]) -> DbosEngine:
    """Open the engine of a process and run what waits.

    Args:
        url: the store's, for its PostgreSQL server.
        folder: that of an SQLite store; None for PostgreSQL.
        node: this node's id, that of its heartbeat.
        flows: all that there are.

    Raises:
        HouseFault: ``durable.failed`` when its database cannot be used.
    """
    engine = DbosEngine(flows, asyncio.get_running_loop())
    try:
        await _told(partial(_launch, url, folder, node))
    except HouseFault:
        with contextlib.suppress(Exception):
            await engine.close()
        raise
    return engine


def _launch(url: str, folder: Path | None, node: str) -> None:
    # a row that says it is a pickle is not ours: whoever can write the database must not run code by that
    DefaultSerializer.deserialize = _refused  # type: ignore[assignment,method-assign]
    pooled = False
    if folder is not None:
        place = f"sqlite:///{quote(str(_made(folder / FILE)))}"
    else:
        place, pooled = _psycopg(url)
    config: DBOSConfig = {
        "name": "apiloom",
        "system_database_url": place,
        "dbos_system_schema": SCHEMA,
        "application_version": VERSION,
        "executor_id": node,
        "serializer": PlainJson(),
        "log_level": "ERROR",
        "console_log_level": "ERROR",
        "sys_db_pool_size": 4,
        "max_executor_threads": AT_ONCE,
        "use_listen_notify": False,
        # nobody here waits for a notification; a stop waits for whoever looks for them to wake
        "notification_listener_polling_interval_sec": NAP,
        "enable_otlp": False,
    }
    if pooled:
        # a connection is another one for each transaction: nothing may be left on it, or asked for when it begins
        config["db_engine_kwargs"] = {"connect_args": {"application_name": "apiloom", "prepare_threshold": None}}
        config["sys_db_idle_transaction_timeout_sec"] = 0.0
    DBOS(config=config)
    _hush()
    DBOS.launch()
    DBOS.register_queue(
        QUEUE,
        worker_concurrency=AT_ONCE,
        partition_worker_concurrency=SHARE,
        polling_interval_sec=POLL,
        on_conflict="always_update",
    )
    _hush()


def _hush() -> None:
    logger = logging.getLogger("dbos")
    logger.handlers[:] = [_Quiet()]
    logger.propagate = False


def _made(file: Path) -> Path:
    """The file, for its owner alone, before anybody writes to it."""
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return file


def _psycopg(url: str) -> tuple[str, bool]:
    """A store's address in the words of the driver of DBOS, and whether a pooler that mixes transactions is there."""
    address, _, asked = url.partition("://")[2].partition("?")
    told = dict(parse_qsl(asked, keep_blank_values=True))
    cache = told.pop("statement_cache_size", None)
    if "ssl" in told:
        told["sslmode"] = told.pop("ssl")
    query = f"?{urlencode(told)}" if told else ""
    return f"postgresql+psycopg://{address}{query}", cache is not None and not cache.strip("0")


def _refused(self: object, serialized_data: str) -> NoReturn:  # noqa: ARG001
    raise TypeError("pickles are not opened")
