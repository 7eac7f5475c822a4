"""A log of young and old users, half of them each; the policy is good for the young and bad for the old."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from homing.lifecycle.population import Portrait, Today
from homing.lifecycle.release import Release
from homing.lifecycle.shift import population_shift
from homing.lifecycle.valuation import Valued
from homing.report.facts import Population
from homing.schema import Config, Vocabularies, Vocabulary

ROWS = 4000
RELEASE = cast(Release, SimpleNamespace(weights=np.array([1.0])))
PORTRAIT = Portrait(("age",), (), (0,), 0)
WORDS = Vocabularies(categorical={"users": {"x_plan": Vocabulary(("free", "paid"))}})


def log() -> Valued:
    rng = np.random.default_rng(0)
    old = np.tile([0.0, 1.0], ROWS // 2)
    outcome = np.zeros((ROWS, 1), np.float32)
    gain = np.where(old == 1, -1.0, 1.5) + rng.normal(size=ROWS)
    nothing: dict[str, NDArray[np.float32]] = {
        name: np.zeros((ROWS, 1), np.float32) for name in Valued.__dataclass_fields__
    }
    return Valued(
        **nothing  # type: ignore[arg-type]
        | {
            "user": np.arange(ROWS),
            "outcome": outcome,
            "weight": np.ones((ROWS, 1), np.float32),
            "direct": gain.astype(np.float32)[:, None, None],
            "people": (old[:, None] * 30 + 25).astype(np.float32),
            "traits": np.zeros((ROWS, 1), np.int32),
        }
    )


def shifted(old: float, *, paid: float = 0.0, gaps: float = 0.0, users: int = 3000) -> Population:
    """Return the shift to users of whom this share is old, has another plan, and has no age."""
    share = np.arange(users) / users
    age = np.where(share < old, 55.0, 25.0)
    age[np.random.default_rng(1).random(users) < gaps] = np.nan
    plan = (np.arange(users) % 100 < 100 * paid).astype(np.int32)
    today = Today(age[:, None].astype(np.float32), plan[:, None])
    return population_shift(Config(), RELEASE, WORDS, log(), 0, PORTRAIT, today)


def test_the_same_users_have_not_moved() -> None:
    assert shifted(0.5) == Population(3000)


def test_a_shift_that_keeps_the_verdict() -> None:
    found = shifted(0.4)
    assert found.difference is not None
    assert found.carried is not None
    # by hand: 0.5 x 1.5 - 0.5 x 1 = 0.25, and 0.6 x 1.5 - 0.4 x 1 = 0.5
    assert found.difference.value == pytest.approx(0.25, abs=0.06)
    assert found.carried.value == pytest.approx(0.5, abs=0.06)
    assert (found.judgement, found.carried_judgement) == ("better", "better")
    assert 0 < found.effective_size < ROWS


def test_a_shift_that_turns_the_verdict() -> None:
    found = shifted(0.9)
    assert found.carried is not None
    assert found.carried.value == pytest.approx(0.1 * 1.5 - 0.9, abs=0.08)
    assert (found.judgement, found.carried_judgement) == ("better", "worse")
    assert found.moved[0].feature == "age"
    assert "age (mean 40 in the log, 52 today)" in found.sentence


def test_users_of_a_kind_that_the_log_does_not_have() -> None:
    found = shifted(0.5, paid=0.3)
    assert found.carried is None
    assert {one.feature for one in found.moved} == {"x_plan = free", "x_plan = paid"}


def test_gaps_that_the_log_does_not_have() -> None:
    assert shifted(0.5, gaps=0.2).carried is None
