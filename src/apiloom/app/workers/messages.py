"""Import jobs, what they became and why they failed, as frames and back. Pure; both ends of the pipe stand on it."""

from __future__ import annotations

from typing import Any

from apiloom.app.workers.frames import Frame
from apiloom.base.errors import ApiloomError, CallerError, DesignError, HouseFault, UpstreamError
from apiloom.flows.ground import Imported, ImportJob

_JOB = ("slug", "tenant", "url", "name", "options", "trusted")
_IMPORTED = ("hash", "title", "api_version", "tools", "ledger", "verdict", "difference")
_TEXT = {"hash": str, "title": str, "api_version": str, "tools": int, "ledger": dict, "difference": dict}
_KINDS = {kind.actor: kind for kind in (CallerError, UpstreamError, DesignError, HouseFault)}
_VERDICTS = ("none", "additive", "review", "breaking")


def job_to_frame(job: ImportJob) -> Frame:
    """A job as a frame."""
    told = {"kind": "import", **{name: getattr(job, name) for name in _JOB}}
    return Frame(told=told, parts=(job.document, job.before, *job.pinned))


def job_from_frame(frame: Frame) -> ImportJob:
    """The job of a frame made by :func:`job_to_frame`."""
    document, before, *pinned = frame.parts
    told = {name: frame.told[name] for name in _JOB}
    return ImportJob(**told, document=document, before=before, pinned=tuple(pinned))


def imported_to_frame(imported: Imported, *, sent: bool, peak: int) -> Frame:
    """What became of a job. ``sent`` says that whoever asked has the document; ``peak`` is the worker's memory."""
    told: dict[str, Any] = {"kind": "done", **{name: getattr(imported, name) for name in _IMPORTED}, "peak": peak}
    told["findings"] = list(imported.findings)
    return Frame(told=told, parts=(b"" if sent else imported.document, imported.artefact))


def imported_from_frame(frame: Frame, job: ImportJob) -> Imported:
    """What became of a job.

    Raises:
        ValueError: the frame is not one of :func:`imported_to_frame`'s.
    """
    told = frame.told
    if not all(isinstance(told.get(name), kind) for name, kind in _TEXT.items()) or len(frame.parts) != 2:
        raise ValueError("no result")
    if told.get("verdict") not in _VERDICTS or not _objects(told.get("findings")):
        raise ValueError("no result")
    return Imported(
        **{name: told[name] for name in _IMPORTED},
        document=job.document or frame.parts[0],
        artefact=frame.parts[1],
        findings=tuple(told["findings"]),
    )


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def error_to_frame(error: ApiloomError) -> Frame:
    """Why a job failed. Facts stay where they are: they are for logs of their own process."""
    told = {"kind": "error", "actor": error.actor, "code": error.code, "message": error.message, "hint": error.hint}
    return Frame(told=told)


def error_from_frame(frame: Frame) -> ApiloomError:
    """The error of a frame made by :func:`error_to_frame`."""
    told = frame.told
    kind = _KINDS.get(told.get("actor", ""), HouseFault)
    return kind(str(told.get("message")), code=str(told.get("code")), hint=str(told.get("hint") or ""))
