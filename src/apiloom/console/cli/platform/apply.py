"""``apiloom apply``: a gateway is brought to a state that stands in files, or only compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from apiloom.base.errors import ApiloomError
from apiloom.console.cli.platform.credentials import follow
from apiloom.console.cli.platform.session import asked_telling, asking, with_urls
from apiloom.console.cli.platform.values import written
from apiloom.console.cli.seat import NO, OK, Seat, announce, one_line
from apiloom.console.cli.tables import print_table
from apiloom.console.house import Say
from apiloom.console.state.actual import read_state
from apiloom.console.state.documents import read_documents
from apiloom.console.state.perform import Done, Performance
from apiloom.console.state.plan import Action, Plan, build_plan

if TYPE_CHECKING:
    from apiloom.console.client import Gateway

_LONGEST = 60


@click.command("apply")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="A file of documents, a folder of such files, or - for standard input; may be repeated.",
)
@click.option("--plan", is_flag=True, help="Change nothing, only show what differs.")
@click.option("--fail-on-drift", is_flag=True, help="With --plan: exit with 1 when anything differs.")
@click.option("--prune", is_flag=True, help="Remove what no file names, of the kinds and in the tenants that appear.")
@click.option("--breaking", is_flag=True, help="Serve versions even if they break callers.")
@with_urls
@asking
@click.pass_obj
def command(seat: Seat, /, files: tuple[str, ...], **given: Any) -> int:
    """Bring a gateway to the state that files describe.

    What is as it should be is left alone, so that applying twice changes nothing the second time. It stops at the
    first failure and says what was done.
    """
    documents = read_documents(seat.house.surroundings.folder, files)
    done: list[Done] = []

    async def work(gateway: Gateway, say: Say) -> tuple[Plan, ApiloomError | None]:
        say("comparing")
        state = await read_state(gateway)
        plan = await build_plan(gateway, state, documents, prune=given["prune"])
        if given["plan"]:
            return plan, None
        performance = Performance(
            gateway=gateway, state=state, say=say, follow=partial(follow, seat), breaking=given["breaking"]
        )
        try:
            for action in plan.actions:
                done.append(await performance.do(action))  # noqa: PERF401 - what was done counts even if the next fails
        except ApiloomError as error:
            return plan, error
        return plan, None

    plan, failure = asked_telling(seat, given, work)
    if seat.machine:
        seat.print_json(to_json(plan, done))
    else:
        _show(seat, plan, done, planned=given["plan"])
    if failure is not None:
        raise failure
    return NO if given["plan"] and given["fail_on_drift"] and plan.actions else OK


def to_json(plan: Plan, done: Sequence[Done]) -> dict[str, Any]:
    """A plan, and what of it was done."""
    by_key = {(each.action.verb, each.action.key): each for each in done}
    actions = [_action_json(action, by_key.get((action.verb, action.key))) for action in plan.actions]
    return {"actions": actions, "unchanged": plan.unchanged}


def _action_json(action: Action, done: Done | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "action": action.verb,
        "kind": action.key[0],
        "name": [part for part in action.key[1] if part],
        "changes": [{"member": each.member, "before": each.before, "after": each.after} for each in action.changes],
        "done": done is not None,
    }
    if done is not None and done.url:
        told["url"] = done.url
    if done is not None and done.hash:
        told["hash"] = done.hash
    return told


def _show(seat: Seat, plan: Plan, done: Sequence[Done], *, planned: bool) -> None:
    rows = [row for action in plan.actions for row in _rows(action)]
    if rows:
        print_table(("what", "object", "member", "is", "should be"), rows)
    total = len(plan.actions)
    same = f"{plan.unchanged:,} as they should be"
    if planned:
        seat.print(f"{total:,} would change, {same}" if total else f"nothing would change, {same}")
        return
    seat.print(f"{len(done):,} of {total:,} changes done, {same}" if total else f"nothing to do, {same}")
    for each in done:
        if each.url:
            seat.print(f"{each.action.title}: {each.url}")
    if any(each.url for each in done):
        announce("these URLs are shown this once and cannot be had again")


def _rows(action: Action) -> list[tuple[str, ...]]:
    rows = [(each.member, _cell(each.before), _cell(each.after)) for each in action.changes] or [("", "", "")]
    heads = [(action.verb, one_line(action.title)), *[("", "")] * (len(rows) - 1)]
    return [(*head, *row) for head, row in zip(heads, rows, strict=True)]


def _cell(value: Any) -> str:
    text = one_line(written(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
