from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from homing.models.value import ABSORBED, CUT, Transitions, horizon_of, make_transitions
from homing.models.value.mapped import open_transitions, save_transitions
from homing.models.value.transitions import discounts
from homing.schema import InputError

from .logs import LOGGER, PROCESS, columns, ragged

SMALL = columns(PROCESS.log(LOGGER, 3, 4))


@pytest.mark.parametrize(
    ("name", "place", "value", "says"),
    [
        ("state", (0, 1), np.nan, "state of row 0 is not finite"),
        ("reward", (1, 0), np.inf, "reward of row 1"),
        ("choice", 2, 4, r"choice\[2\] == 4, must be in 0 .. 3"),
        ("following", 1, 1, "following of row 1 is itself"),
        ("following", 0, -3, r"following\[0\] == -3"),
        ("action", 0, 7, r"action\[0\] == 7"),
        ("elapsed", 0, -1.0, "elapsed has a minimum of -1"),
        ("propensity", 0, 0.9, "propensity of row 0 sums to 1.5"),
        ("offsets", 1, 0, "offsets must start at 0"),
    ],
)
def test_what_is_wrong_is_said(name: str, place: object, value: float, says: str) -> None:
    column = np.array(SMALL[name])
    column[place] = value  # type: ignore[index]
    with pytest.raises(InputError, match=says):
        make_transitions(**{**SMALL, name: column})


def test_shapes_that_disagree_are_said() -> None:
    with pytest.raises(InputError, match=r"state has shape \[2, 5\], must be \["):
        make_transitions(**{**SMALL, "state": np.zeros((2, 5))})


def test_a_choice_that_was_impossible_is_an_error() -> None:
    chance = np.array(SMALL["propensity"]).reshape(-1, 4)
    chance[0] = 0
    chance[0, (SMALL["choice"][0] + 1) % 4] = 1
    with pytest.raises(InputError, match="propensity of the choice in row 0 == 0"):
        make_transitions(**{**SMALL, "propensity": chance.ravel()})


def test_a_log_without_a_transition_is_an_error() -> None:
    with pytest.raises(InputError, match="CUT in every row"):
        make_transitions(**{**SMALL, "following": np.full(len(SMALL["choice"]), CUT)})


def test_a_part_has_the_rows_that_follow() -> None:
    log = ragged(60)
    rows = np.array([7, 2, 33, 14])
    part, place = log.part(rows)
    assert (part.state[place] == log.state[rows]).all()
    for own, row in zip(place, rows, strict=True):
        after, wanted = part.following[own], log.following[row]
        if wanted < 0:
            assert after == wanted
            continue
        assert (part.state[after] == log.state[wanted]).all()
        ours = slice(*part.offsets[after : after + 2])
        theirs = slice(*log.offsets[wanted : wanted + 2])
        assert (part.actions[part.action[ours]] == log.actions[log.action[theirs]]).all()
        assert (part.hold[part.action[ours]] == log.hold[log.action[theirs]]).all()
        for name in ("propensity", "charge"):
            assert (getattr(part, name)[ours] == getattr(log, name)[theirs]).all()
    assert set(part.learnable) == set(place[log.following[rows] != CUT])
    assert len(part.actions) < len(log.actions)


def test_files_give_back_what_was_saved(tmp_path: Path) -> None:
    log = ragged()
    save_transitions([log], tmp_path / "log")
    again = open_transitions(tmp_path / "log")
    for field in dataclasses.fields(Transitions):
        saved = getattr(log, field.name)
        if saved is None:
            assert getattr(again, field.name) is None
        else:
            assert (saved == getattr(again, field.name)).all()
            assert isinstance(getattr(again, field.name), np.memmap)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    with pytest.raises(InputError, match="exists, must be new"):
        save_transitions([log], tmp_path / "log")
    (tmp_path / "log" / "reward.npy").unlink()
    with pytest.raises(InputError, match=r"reward.npy is missing"):
        open_transitions(tmp_path / "log")


def test_discounts_by_hand() -> None:
    found = discounts(np.array([1, 2, 2, 0], np.float32), np.array([5, 5, ABSORBED, 5]), np.array([2.0, 0.0]))
    assert found[:, 0] == pytest.approx([np.exp(-0.5), np.exp(-1), 0, 1])
    assert (found[:, 1] == 0).all()
    assert np.exp(-1 / horizon_of(0.9)) == pytest.approx(0.9)
    with pytest.raises(InputError, match="discount == 1"):
        horizon_of(1.0)
