import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from small_world import SmallWorld

from homing.evaluation import LogFaults
from homing.lifecycle.alerts import evaluation_alerts, soundness
from homing.lifecycle.evaluate import evaluate
from homing.lifecycle.plan import plan
from homing.lifecycle.segments import gate_of
from homing.lifecycle.train import train
from homing.lifecycle.valuation import Agreement
from homing.report.facts import (
    Alert,
    Estimate,
    ObjectiveValues,
    PolicyValue,
    Population,
    Shifted,
    Truth,
    Values,
)
from homing.schema import Config, parse_config
from homing.store import Workspace

FINE = Agreement(faults=LogFaults(100))


def values(
    low: float = 1.0, high: float = 1.0, guardrail: float | None = None, direction: str = "up"
) -> Values:
    learned = PolicyValue("learned", Estimate((low + high) / 2, low, high), "better", learned=True)
    table = ObjectiveValues("sales", "number", (learned,), direction, 1.0, guardrail)  # type: ignore[arg-type]
    return Values((table,), 100)


def alerts(
    found: Values | None = None,
    agreement: Agreement = FINE,
    faults: tuple[str, ...] = (),
    truth: tuple[Truth, ...] = (),
) -> tuple[Alert, ...]:
    return evaluation_alerts(found or values(), truth, agreement, faults)


def test_nothing_wrong_is_no_alert() -> None:
    assert alerts() == ()


def test_wrong_propensities_are_critical() -> None:
    (alert,) = alerts(faults=("hold was drawn in 30 % of decisions, and 50 % were promised",))
    assert alert.level == "critical"
    assert alert.sentence.startswith("Hold was drawn in 30 %")
    assert alert.next_step


def test_a_replay_that_differs_is_told_with_numbers() -> None:
    agreement = Agreement(1_234, LogFaults(20_000, outside=56), LogFaults(300, contradicted=7))
    lost, other, late = alerts(agreement=agreement)
    assert "56 of 20,000 decisions chose something" in lost.sentence
    assert "1,234 of 20,000 decisions had another candidate set" in other.sentence
    assert "7 of 300 decisions by releases of this workspace" in late.sentence
    assert {alert.level for alert in (lost, other, late)} == {"warning"}
    assert soundness(agreement, (), None) == ()


def test_what_is_left_out_by_its_choice_is_critical_when_it_is_much() -> None:
    agreement = Agreement(faults=LogFaults(2_000, outside=56))
    (alert,) = alerts(agreement=agreement)
    assert alert.level == "critical"
    assert "over 1% of them bias every estimate" in alert.sentence
    assert len(soundness(agreement, (), None)) == 1


def test_a_log_that_contradicts_itself_is_critical_and_goes_to_no_test() -> None:
    agreement = Agreement(faults=LogFaults(500, unnormalised=3, certain=400))
    sums, sure = alerts(agreement=agreement)
    assert (sums.level, sure.level) == ("critical", "warning")
    assert sums.sentence == "3 of 500 decisions have probabilities that do not sum to 1."
    assert "drew nothing" in sure.sentence
    assert soundness(agreement, (), None) == (sums.sentence[:-1],)


MOVED = Population(
    900,
    (Shifted("age", "mean", 40.0, 46.0, 0.6),),
    "today's users differ from the log's by more than 0.1 standard deviations in age",
    Estimate(0.1, 0.05, 0.15),
    Estimate(0.08, 0.01, 0.15),
    700.0,
    "better",
    "better",
)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "note", "brings +0.08 [+0.01, +0.15] per decision instead of +0.1 [+0.05, +0.15]: the same"),
        ({"carried_judgement": "cannot_tell"}, "warning", "another verdict: one that cannot be told"),
        ({"carried_judgement": "worse"}, "critical", "another verdict: worse than the log, not better"),
        ({"carried": None}, "critical", "Too few of its decisions are of users like today's"),
        ({"carried": None, "difference": None}, "critical", "No outcome is known"),
    ],
)
def test_users_that_moved_are_as_bad_as_what_it_does_to_the_verdict(
    changes: dict[str, Any], level: str, words: str
) -> None:
    population = dataclasses.replace(MOVED, **changes)
    (alert,) = alerts(dataclasses.replace(values(), population=population))
    assert (alert.level, alert.subject) == (level, "Population")
    assert alert.sentence.startswith("Today's users differ from the log's by more than 0.1")
    assert words in alert.sentence
    assert bool(alert.next_step) == (level != "note")
    assert bool(soundness(FINE, (), population)) == (level == "critical")


def test_users_that_have_not_moved_are_no_alert() -> None:
    assert alerts(dataclasses.replace(values(), population=Population(900))) == ()
    assert soundness(FINE, (), Population(900)) == ()


def test_an_objective_that_never_varied_is_a_warning_with_a_next_step() -> None:
    (alert,) = evaluation_alerts(values(), (), FINE, (), ("opt_out",))
    assert (alert.level, alert.subject) == ("warning", "Objective opt_out")
    assert "never varied" in alert.sentence
    assert "objectives.opt_out" in alert.next_step


def test_thin_overlap_is_a_warning_with_its_reason() -> None:
    thin = PolicyValue("greedy", Estimate(1.0), "do_not_trust", "thin overlap: 3 of 100")
    (alert,) = alerts(Values((ObjectiveValues("sales", "number", (thin,)),), 100))
    assert "greedy" in alert.subject
    assert "thin overlap: 3 of 100" in alert.sentence


def test_thin_overlap_of_another_log_is_a_warning() -> None:
    fact = Truth("release:a", "b", "clicks", "rate", Estimate(0.1), (), 12.3, 5_000, "do_not_trust", "thin")
    (alert,) = alerts(truth=(fact,))
    assert "12 out of 5,000 decisions" in alert.sentence
    assert alerts(truth=(dataclasses.replace(fact, judgement="reference"),)) == ()


@pytest.mark.parametrize(
    ("low", "high", "direction", "level"),
    [
        (0.8, 0.9, "up", "critical"),
        (0.8, 1.3, "up", "warning"),
        (1.1, 1.2, "up", None),
        (1.1, 1.2, "down", "critical"),
        (0.7, 1.2, "down", "warning"),
        (0.8, 0.9, "down", None),
        (math.nan, math.nan, "up", "warning"),
    ],
)
def test_alert_and_gate_judge_a_guardrail_alike(
    low: float, high: float, direction: str, level: str | None
) -> None:
    found = values(low, high, 1.0, direction)
    told = alerts(found)
    assert [alert.level for alert in told] == ([level] if level else [])
    gate = gate_of(found.objectives, ())
    assert gate is not None
    assert gate.allowed == (level is None)
    for alert in told:
        assert any(alert.sentence.endswith(reason) for reason in gate.reasons)


def test_no_guardrail_cannot_be_passed() -> None:
    assert alerts(values(-1e9, -1e9)) == ()


def test_the_small_world_passes_its_own_checks(small_world: SmallWorld) -> None:
    facts = small_world.evaluated.record.facts
    assert not [alert for alert in facts.alerts if alert.level == "critical"]
    assert not [alert for alert in facts.alerts if alert.subject == "Replay"]
    assert facts.health is not None
    for group in facts.health.propensity:
        assert group.logged == 1.0
        assert group.observed.low < 1.05
        assert group.observed.high > 0.95


def test_a_guardrail_of_the_file_reaches_the_alert() -> None:
    config = parse_config({"objectives": {"sales": {"event": "converted", "guardrail": 0.5}}})
    assert config.objectives["sales"].guardrail == 0.5


@pytest.mark.slow
def test_an_event_that_has_not_happened_yet_does_not_stop_a_run(
    small_world: SmallWorld, copied: Callable[[], Workspace]
) -> None:
    path = copied().path
    toml = (path / "homing.toml").read_text()
    never = '[objectives.refund]\nevent = "refunded"\nwindow = "1d"\ndirection = "down"\n\n[training]'
    declared = f"[events]\ntypes = {[*Config().events.types, 'refunded']}\n\n{never}"
    (path / "homing.toml").write_text(toml.replace("[training]", declared))
    workspace = Workspace.open(path)
    release = train(workspace).release
    assert release.model.summary.constant == ("refund",)
    found = evaluate(workspace).record.facts
    assert [alert.subject for alert in found.alerts if "refund" in alert.subject] == ["Objective refund"]
    assert found.quality is not None
    assert [one.objective for one in found.quality.objectives][-1] == "refund"
    assert plan(workspace, small_world.end + 86_400_000_000).funnel.users > 0
