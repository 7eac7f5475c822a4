import dataclasses
from collections.abc import Callable

import pytest
from small_world import SmallWorld

from homing.lifecycle.alerts import evaluation_alerts
from homing.lifecycle.evaluate import evaluate
from homing.lifecycle.plan import plan
from homing.lifecycle.train import train
from homing.lifecycle.valuation import Agreement
from homing.report.facts import Alert, Estimate, ObjectiveValues, PolicyValue, Truth, Values
from homing.schema import Config, parse_config
from homing.store import Workspace

FINE = Agreement(rows=100, other_set=0, lost=0)


def values(value: float = 1.0, guardrail: float | None = None, direction: str = "up") -> Values:
    learned = PolicyValue("learned", Estimate(value), "better", learned=True)
    table = ObjectiveValues("sales", "number", (learned,), direction, 1.0, guardrail)  # type: ignore[arg-type]
    return Values((table,), 100)


def alerts(
    found: Values | None = None,
    agreement: Agreement = FINE,
    faults: tuple[str, ...] = (),
    truth: tuple[Truth, ...] = (),
) -> tuple[Alert, ...]:
    return evaluation_alerts(Config(), found or values(), truth, agreement, faults)


def test_nothing_wrong_is_no_alert() -> None:
    assert alerts() == ()


def test_wrong_propensities_are_critical() -> None:
    (alert,) = alerts(faults=("hold was drawn in 30 % of decisions, and 50 % were promised",))
    assert alert.level == "critical"
    assert alert.sentence.startswith("Hold was drawn in 30 %")
    assert alert.next_step


def test_a_replay_that_differs_is_told_with_numbers() -> None:
    lost, other = alerts(agreement=Agreement(rows=2_000, other_set=1_234, lost=56))
    assert "56 of 2,000 decisions chose something" in lost.sentence
    assert "1,234 of 2,000 decisions had another candidate set" in other.sentence
    assert {lost.level, other.level} == {"warning"}


def test_an_objective_that_never_varied_is_a_warning_with_a_next_step() -> None:
    (alert,) = evaluation_alerts(Config(), values(), (), FINE, (), ("opt_out",))
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
    ("value", "direction", "passes"),
    [(0.9, "up", True), (1.1, "up", False), (1.1, "down", True), (0.9, "down", False)],
)
def test_a_guardrail_is_passed_on_its_bad_side(value: float, direction: str, passes: bool) -> None:
    found = alerts(values(value, guardrail=1.0, direction=direction))
    assert [alert.level for alert in found] == ["critical"] * passes


def test_no_guardrail_cannot_be_passed() -> None:
    assert alerts(values(-1e9)) == ()
    assert alerts(values(float("nan"), guardrail=1.0)) == ()


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


@pytest.mark.e2e
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
