"""An experiment lived through in a world whose truth is known: designed, started, planned day by day, read.

The truth is what the same people do when all of them are treated as in one arm, under the same luck.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from small_world import SMALL_TOML

from homing.decision import Hold
from homing.lifecycle.evaluate import evaluate
from homing.lifecycle.experiment.analyse import analyse
from homing.lifecycle.experiment.designing import Designed, design
from homing.lifecycle.experiment.running import start
from homing.lifecycle.train import train
from homing.lifecycle.worlds.closed_loop import ClosedLoop
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.entrants import untrained
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.measures import lives
from homing.lifecycle.worlds.rollout import Rollout
from homing.lifecycle.worlds.simulate import simulate
from homing.report.experiment import Readout
from homing.schema import InputError
from homing.schema.times import DAY
from homing.simulator import Setup, world_maker
from homing.store import Workspace, ingest, read_record, write_design

pytestmark = pytest.mark.slow

USERS, LOG_DAYS, DAYS = 800, 21, 14
MESSAGES = f"""\
hypothesis = "Messages bring people back."
days = {DAYS}
scale = "absolute"
exposure = "assigned"

[arms.control]
share = 0.5
policy = "hold"
[arms.messages]
share = 0.5

[metrics.clicks]
role = "success"
event = "clicked"
effect = 0.05
[metrics.opt-outs]
role = "guardrail"
event = "opted_out"
direction = "down"
margin = 0.1
[metrics.minutes]
role = "monitor"
event = "session"
aggregate = "sum"
[metrics.sends]
role = "monitor"
event = "sent"
direction = "none"
[metrics.back]
role = "monitor"
event = "session"
aggregate = "any"
after = "7d"
window = "7d"
"""
SAME = f"""\
days = {DAYS}
looks = "group_sequential"
exposure = "{{}}"
[arms.control]
share = 0.5
[arms.same]
share = 0.5
[metrics.minutes]
role = "success"
event = "session"
aggregate = "sum"
effect = 0.05
[metrics.active]
role = "guardrail"
event = "session"
aggregate = "active_days"
margin = 0.1
"""


@dataclass(frozen=True)
class Lived:
    workspace: Workspace
    designed: Designed
    early: Readout
    late: Readout
    truth: dict[str, float]  # effect of messages on everybody, per person


def truth_of(workspace: Workspace, setup: Setup) -> dict[str, float]:
    ground = Ground.of(workspace)
    contenders = (Contender("learned", ground.release.policy(), ground.score), Contender("hold", Hold()))
    means = []
    for contender in contenders:
        world = world_maker("streaming")(next(iter(setup.parts())))
        run = Rollout(world, ground.config, ground.vocabularies)
        logging = untrained("random", ground.config)(world)
        for day in range(LOG_DAYS + DAYS):
            run.day([logging if day < LOG_DAYS else contender])
        life = lives(run, since=LOG_DAYS)
        names = [measure.name for measure in life.measures]
        means.append(dict(zip(names, life.numbers.mean(axis=0).tolist(), strict=True)))
    return {name: means[0][name] - means[1][name] for name in means[0]}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("experiment")
    workspace = Workspace.create(folder / "workspace", SMALL_TOML)
    setup = Setup(USERS, LOG_DAYS + DAYS, channels=tuple(workspace.config.channels))
    simulate(folder / "log", "streaming", setup, "random", workspace.config, until=LOG_DAYS)
    ingest(workspace, [folder / "log"])
    train(workspace)
    evaluate(workspace, ["hold"])
    write_design(workspace, "messages", MESSAGES)
    write_design(workspace, "same", SAME.format("assigned"))
    write_design(workspace, "never", SAME.format("triggered"))
    designed = design(workspace, "messages")
    loop = ClosedLoop(workspace, "streaming", setup, LOG_DAYS)
    for name in ("messages", "same", "never"):
        assert start(workspace, name).started_at == loop.now
    early = None
    for day in range(DAYS):
        loop.day()
        if day == 6:
            early = analyse(workspace, "messages").readout
            analyse(workspace, "same")
    assert early is not None
    late = analyse(workspace, "messages").readout
    return Lived(workspace, designed, early, late, truth_of(workspace, setup))


def test_the_design_knows_the_past(lived: Lived) -> None:
    needs = {need.metric: need for need in lived.designed.needs}
    assert "clicks" in needs
    assert all(need.users > 0 and 0 <= need.power <= 1 for need in needs.values())
    holding, messages = lived.designed.costs
    assert (holding.arm, holding.sends) == ("control", 0.0)
    assert messages.sends > messages.users > 300
    assert 0 < lived.designed.available <= USERS
    assert lived.designed.needed > lived.designed.available  # so the power is not what was asked for
    assert 0 < lived.designed.power < 0.8
    assert any("users are needed" in warning for warning in lived.designed.warnings)


def test_effects_are_those_of_the_world(lived: Lived) -> None:
    scores = {score.metric: score for score in lived.late.scores}
    for metric, measure in (
        ("clicks", "clicks"),
        ("opt-outs", "opt-outs"),
        ("minutes", "minutes"),
        ("sends", "sends"),
    ):
        found = scores[metric].absolute
        assert found.low < lived.truth[measure] < found.high, (metric, found, lived.truth[measure])
    assert scores["clicks"].absolute.low > 0
    assert scores["sends"].control == 0
    assert scores["minutes"].noise_taken > 0.3


def test_retention_is_of_users_who_are_old_enough(lived: Lived) -> None:
    back = {
        readout: next(s for s in readout.scores if s.metric == "back")
        for readout in (lived.early, lived.late)
    }
    assert back[lived.early].users == 0
    assert np.isnan(back[lived.early].absolute.value)
    assert 0.8 * USERS < back[lived.late].users < USERS  # not the newcomers of the last weeks
    assert 0.3 < back[lived.late].level < 0.9


def test_the_rule_ships_messages_at_the_end(lived: Lived) -> None:
    (verdict,) = lived.late.verdicts
    assert verdict.verdict == "ship", verdict.sentence
    assert "clicks is better" in verdict.sentence
    assert all(check.passed for check in lived.late.checks if check.blocking)
    assert lived.late.share == 1
    assert lived.early.share == pytest.approx(1 / 2, abs=0.01)
    early = {score.metric: score.absolute for score in lived.early.scores}["clicks"]
    late = {score.metric: score.absolute for score in lived.late.scores}["clicks"]
    assert early.high - early.low > 0
    assert late.low > 0


def test_segments_and_other_experiments_stand_beside_it(lived: Lived) -> None:
    users = sum(arm.entered for arm in lived.late.arms)
    for column in ("lifecycle stage", "reachable by"):
        mine = [s for s in lived.late.segments if (s.column, s.metric) == (column, "clicks")]
        assert len(mine) > 1
        assert 0.9 * users < sum(segment.users for segment in mine) <= users
    same = [crossing for crossing in lived.late.crossings if crossing.other == "same"]
    assert {crossing.metric for crossing in same} == {"clicks", "opt-outs"}
    assert not any(crossing.differs for crossing in same)  # its arms are the same
    (worth,) = lived.late.worth
    assert [part.metric for part in worth.parts] == ["minutes"]  # as the objective counts
    assert len(lived.late.other_verdicts) == 1


def test_what_the_log_promised_stands_beside_it(lived: Lived) -> None:
    objectives = {each.promise.objective for each in lived.late.promises if each.arm == "messages"}
    assert objectives == {"conversion", "engagement", "annoyance"}
    engagement = next(e.promise for e in lived.late.promises if e.promise.objective == "engagement")
    assert engagement.realised.low < engagement.realised.value < engagement.realised.high
    assert engagement.promised.value == pytest.approx(engagement.realised.value, rel=0.5)


def test_arms_that_are_the_same_give_no_decision(lived: Lived) -> None:
    readout = analyse(lived.workspace, "same").readout
    (verdict,) = readout.verdicts
    assert verdict.verdict == "do_not_ship"
    assert "no success metric is significantly better" in verdict.sentence
    assert all(check.passed for check in readout.checks if check.blocking)
    assert {score.finding for score in readout.scores} <= {"cannot_tell", "non_inferior"}
    record = read_record(lived.workspace, "same")
    assert record is not None
    assert [(at - record.started_at) / DAY for at in record.looks] == pytest.approx([7, DAYS])
    assert "this is look 2" in readout.looks


def test_where_arms_never_differ_nobody_is_triggered(lived: Lived) -> None:
    with pytest.raises(InputError, match="no user has entered"):
        analyse(lived.workspace, "never")


def test_an_earlier_look_reads_what_was_known_then(lived: Lived, tmp_path: Path) -> None:
    record = read_record(lived.workspace, "messages")
    assert record is not None
    again = analyse(lived.workspace, "messages", record.started_at + 7 * DAY).readout
    for one, two in zip(again.scores, lived.early.scores, strict=True):
        assert one.absolute.value == pytest.approx(two.absolute.value, nan_ok=True)
