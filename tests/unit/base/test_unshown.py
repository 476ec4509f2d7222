"""Members that are secrets, where a mapping is wanted: they are used as such, and shown nowhere."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from apiloom.base import json
from apiloom.base.secret import Unshown


def test_it_is_a_mapping_that_shows_its_names_alone() -> None:
    held = Unshown(code="hunter2", grant_type="authorization_code")
    assert held == {"code": "hunter2", "grant_type": "authorization_code"}
    assert {**held}["code"] == "hunter2"
    assert json.loads(json.canonical(held)) == dict(held)
    for shown in (repr(held), str(held), f"{held}", repr([held])):
        assert "hunter2" not in shown
        assert "code" in shown


def test_it_cannot_be_pickled_or_copied_and_a_dump_of_frames_does_not_show_it() -> None:
    held = Unshown(code="hunter2")
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(held)
    with pytest.raises(LookupError) as caught:
        raise LookupError("none")
    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Unshown(code)" in told
    assert "hunter2" not in told.replace('code="hunter2"', "")
