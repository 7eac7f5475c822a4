"""Objectives with a horizon, through the whole job: training, evaluation, explanations and a plan."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.decision.replay import replay
from homing.lifecycle.evaluate import Evaluated, evaluate
from homing.lifecycle.explain import explain_user
from homing.lifecycle.plan import plan
from homing.lifecycle.release import load_release
from homing.lifecycle.report import gather_facts
from homing.lifecycle.train import Trained, train
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.simulate import simulate
from homing.lifecycle.worlds.trial import hold_trial
from homing.models import LongTermModel
from homing.models.advantage import LEARNERS
from homing.schema import InputError
from homing.schema.times import DAY, format_time
from homing.simulator import Setup
from homing.store import Workspace, ingest, load_shard

pytestmark = pytest.mark.slow

USERS, DAYS = 600, 35
TOML = """\
[workspace]
partitions = 2

[channels.push]
caps = [{ max = 1, per = "1d" }]

[channels.email]
caps = [{ max = 2, per = "7d" }]

[objectives.conversion]
event = "converted"
window = "3d"
horizon = "14d"

[objectives.retention]
event = "session"
window = "7d"
aggregate = "active_days"
weight = 0.1
horizon = "14d"

[objectives.engagement]
event = "session"
window = "1d"
aggregate = "sum"
weight = 0.002

[training]
epochs = 2
members = 1
hidden = [16]
embedding = 2

[evaluation]
bootstrap = 50

[engine]
threads = 1
"""


@dataclass(frozen=True)
class Lived:
    workspace: Workspace
    log: Path  # the files that were ingested
    end: int  # us
    trained: Trained
    evaluated: Evaluated


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("long-term")
    workspace = Workspace.create(folder / "workspace", TOML)
    log = simulate(folder / "log", "streaming", Setup(USERS, DAYS), "random", workspace.config)
    ingest(workspace, [folder / "log"])
    trained = train(workspace)
    return Lived(workspace, folder / "log", log.end, trained, evaluate(workspace, ["candidate", "hold"]))


def long_term(lived: Lived) -> LongTermModel:
    model = lived.trained.release.model
    assert isinstance(model, LongTermModel)
    return model


def test_what_has_a_horizon_is_learned_over_it(lived: Lived) -> None:
    advantage = long_term(lived).advantage
    assert (advantage.objectives, advantage.horizons) == (("conversion", "retention"), (14, 14))
    assert lived.trained.release.split.kind == "user"
    for curve in advantage.curves:
        assert 1 <= curve.half_life <= 8  # days, a fourteenth to four sevenths of the horizon
        assert np.isfinite(curve.total).all()
        assert np.linalg.eigvalsh(curve.covariance).min() > -1e-9


def test_learners_are_compared_before_one_decides(lived: Lived) -> None:
    found = lived.trained.record.facts.selection
    assert found is not None
    assert [learner.learner for learner in found.learners] == list(LEARNERS)
    assert sum(learner.decides for learner in found.learners) == 1
    # three of five weeks have seen a fortnight after them; a quarter of the users is held out for evaluation
    assert 0.6 * 21 < found.decisions / (0.75 * USERS) < 21
    for learner in found.learners:
        gap = learner.versus_logging
        assert gap.low < gap.value < gap.high
    told = gather_facts(lived.workspace)
    assert told.selection == found
    advised = [alert.sentence for alert in told.alerts if alert.subject == "Long-term values"]
    assert advised == [found.advice] * bool(found.advice)


def test_a_saved_release_predicts_the_same(lived: Lived) -> None:
    made, workspace = lived.trained.release, lived.workspace
    read = load_release(workspace, workspace.ledger.vocabularies())
    shard = load_shard(workspace, 0).shard
    candidates = replay(shard, np.arange(500), made.config).candidates
    features = made.view.features(shard, candidates)
    values = made.model.predict(features)
    assert np.array_equal(read.model.predict(features), values)
    # what the baseline says of fourteen days: between none and all of them, and near the log's mean
    retention = values[:, 1]
    assert 0 < retention.mean() < 14
    assert np.isfinite(values).all()


def test_evaluation_counts_over_the_horizon(lived: Lived) -> None:
    tables = {table.objective: table for table in lived.evaluated.values.objectives}
    retention = {policy.policy: policy.value.value for policy in tables["retention"].policies}
    assert {"learned", "hold"} <= set(retention)
    # the demo's people are active on about three days of seven; of fourteen that is more than of seven can be
    assert all(3.5 < value < 14 for value in retention.values())
    conversion = {policy.policy: policy.value for policy in tables["conversion"].policies}
    assert all(value.low < value.value < value.high for value in conversion.values())


def test_explain_says_what_a_send_does_now_and_later(lived: Lived, homing: Callable[..., str]) -> None:
    at = lived.end - 5 * DAY
    users = (f"user-{number:06d}" for number in range(USERS))
    name = next(user for user in users if len(explain_user(lived.workspace, user, at).options) > 1)
    asked = ("explain", "--user", name, "--at", format_time(at), "-w", lived.workspace.path)
    told = json.loads(homing(*asked, "--json"))
    weights = dict(zip(lived.trained.release.objectives, lived.trained.release.weights, strict=True))
    (hold,) = [option for option in told["options"] if option["message"] is None]
    assert all(effect == {"now": 0.0, "later": 0.0} for effect in hold["effects"].values())
    for option in told["options"]:
        effects = option["effects"]
        assert set(effects) == {"utility", *weights}
        assert effects["engagement"]["later"] == 0  # it has no horizon
        for part in ("now", "later"):
            worth = sum(weight * effects[objective][part] for objective, weight in weights.items())
            assert effects["utility"][part] == pytest.approx(worth, abs=1e-9)
        for objective in weights:
            whole = effects[objective]["now"] + effects[objective]["later"]
            apart = option["values"][objective] - hold["values"][objective]
            assert whole == pytest.approx(apart, abs=1e-4)
    shown = homing(*asked)
    assert "now / later" in shown
    assert "The best send" in shown


def test_a_plan_is_drawn_from_long_term_values(lived: Lived) -> None:
    planned = plan(lived.workspace, lived.end)
    assert planned.release == lived.trained.release.id
    assert planned.added == USERS
    assert planned.record.facts.alerts == lived.trained.record.facts.alerts
    units = {expected.objective: expected.unit for expected in planned.schedule.expected}
    assert units == {"conversion": "number", "retention": "number", "engagement": "number"}


def test_a_trial_lasts_as_long_as_a_horizon(lived: Lived) -> None:
    ground = Ground.of(lived.workspace)
    with pytest.raises(InputError, match="trial == 13 days, must be at least as long as"):
        hold_trial("streaming", Setup(USERS, DAYS + 13), DAYS, ground, lived.evaluated.values)


def test_a_log_without_chance_is_an_error(lived: Lived, tmp_path: Path) -> None:
    shutil.copytree(lived.log, tmp_path / "log")
    for file in (tmp_path / "log").rglob("decisions*.parquet"):
        pl.read_parquet(file).with_columns(propensity=pl.lit(1.0)).write_parquet(file)
    workspace = Workspace.create(tmp_path / "workspace", TOML)
    ingest(workspace, [tmp_path / "log"])
    with pytest.raises(InputError, match="a horizon needs a log with propensities below 1"):
        train(workspace)
