"""What a journal says has ended ends again, whatever the clocks of those who wrote it said."""

from __future__ import annotations

import pytest

from apiloom.app.gateway.journal_outside import Entry
from apiloom.flows.api_tokens import create_api_token, list_api_tokens
from apiloom.flows.asking import Query
from apiloom.flows.claiming import reapply
from support.grounds import NOON, OWNER, admin, with_shop


@pytest.mark.parametrize("ahead", [-1.0, 1.0])
async def test_a_token_that_was_removed_is_not_brought_back_by_an_end_that_it_was_given(ahead: float) -> None:
    grounds = await with_shop()
    made = await create_api_token(grounds.ground, admin("acme"), {"role": "agent"})
    removed = Entry(at=NOON, claim=1, was=1, kind="api_token", id=made.token.id)
    given = Entry(at=NOON + ahead, claim=1, was=1, kind="api_token", id=made.token.id, until=NOON + 3600)
    told = sorted((removed, given), key=lambda entry: entry.at)
    assert (await reapply(grounds.ground, told)).ended == 1
    assert (await list_api_tokens(grounds.ground, OWNER, Query())).items == ()
