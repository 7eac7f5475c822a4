from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.evaluation import difference as gap_of
from homing.evaluation import dr, importance_weights, judge, on_policy, snips
from homing.lifecycle.log_values import value_log
from homing.schema import InputError
from homing.store import LogColumns

ROWS = 3000
OFFSETS = np.arange(ROWS + 1) * 3


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three candidates drawn alike; the last is worth 0.2 more than the first; a row in 50 has weight 30."""
    rng = np.random.default_rng(4)
    choice = rng.integers(0, 3, ROWS)
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    pl.DataFrame(
        {
            "user_id": rng.integers(0, 500, ROWS),
            "reward": (rng.random(ROWS) < 0.3 + 0.1 * choice).astype(float),
            "propensity": np.full(ROWS, 1 / 3),
            "choice": choice,
            "last": np.tile([0.0, 0.0, 1.0], (ROWS, 1)),
            "same": np.full((ROWS, 3), 1 / 3),
            "predicted": np.tile([0.3, 0.4, 0.5], (ROWS, 1)),
        }
    ).write_parquet(path)
    return path


def test_it_is_what_the_functions_say(log: Path) -> None:
    frame = pl.read_parquet(log)
    reward, user, choice = (frame[name].to_numpy() for name in ("reward", "user_id", "choice"))
    target, prediction = np.tile([0.0, 0.0, 1.0], ROWS), np.tile([0.3, 0.4, 0.5], ROWS)
    place = OFFSETS[:-1] + choice
    weight = importance_weights(target[place], np.full(ROWS, 1 / 3))
    expected = dr(reward, weight, target, prediction, prediction[place], OFFSETS, user)
    columns = LogColumns({"last": "last", "same": "same"}, prediction="predicted")
    found = value_log([log], columns, resamples=20)
    logging, last, same = found.policies
    assert logging.value.value == pytest.approx(reward.mean())
    assert (last.value.value, last.value.low) == pytest.approx((expected.value, expected.low))
    gap = gap_of(expected, on_policy(reward, user))
    assert last.judgement == judge(gap, expected.warnings, "up").judgement == "better"
    assert [e.name for e in last.estimators] == ["IPS", "SNIPS", "DM", "DR", "SNDR", "DR (bootstrap)"]
    assert same.judgement == "cannot_tell"
    assert same.effective_size == ROWS


def test_without_predictions_the_headline_is_snips_and_less_may_be_better(log: Path) -> None:
    frame = pl.read_parquet(log)
    weight = 3.0 * (frame["choice"].to_numpy() == 2)
    expected = snips(frame["reward"].to_numpy(), weight, frame["user_id"].to_numpy())
    found = value_log([log], LogColumns({"last": "last"}), direction="down")
    assert found.policies[1].value.value == pytest.approx(expected.value)
    assert found.policies[1].judgement == "worse"
    assert found.meaning.startswith("per decision by SNIPS; 3,000 decisions of ")


def test_a_log_that_two_decisions_speak_for_is_refused(tmp_path: Path) -> None:
    rare = np.full(5000, 1.0)
    rare[[7, 90]] = 1 / 20_000
    target = np.where(rare < 1, 1.0, 1e-3)
    pl.DataFrame(
        {
            "user_id": np.arange(5000),
            "reward": np.ones(5000),
            "propensity": rare,
            "choice": np.zeros(5000, int),
            "new": np.column_stack([target, 1 - target]),
        }
    ).write_parquet(tmp_path / "log.parquet")
    policy = value_log([tmp_path / "log.parquet"], LogColumns({"new": "new"})).policies[1]
    assert policy.judgement == "do_not_trust"
    assert policy.reason.startswith("thin overlap: 5,000 decisions count for 2.0 (at least 200")
    assert "20,000" in policy.reason


def test_a_column_that_is_not_there_is_named(log: Path) -> None:
    with pytest.raises(InputError, match="has no column nobody"):
        value_log([log], LogColumns({"new": "nobody"}))
