from collections.abc import Callable
from math import nan

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_world import SmallWorld

from homing.lifecycle.tradeoff import choose, tradeoff, value_of
from homing.report.encoding import encode
from homing.report.facts import (
    Estimate,
    Judgement,
    ObjectiveValues,
    PointValue,
    TradeOffs,
    WeightPoint,
    WeightSweep,
)
from homing.schema import InputError, WorkspaceError
from homing.store import Workspace

OBJECTIVES = (
    ObjectiveValues("utility", "number", ()),
    ObjectiveValues("clicks", "rate", ()),
    ObjectiveValues("opt_outs", "rate", (), "down"),
)


def point(
    factor: float, change: tuple[float, float], opt_outs: tuple[float, float], doubt: str = ""
) -> WeightPoint:
    """A point by the intervals of the utility's change and of opt-outs."""
    (low, high), (few, many) = change, opt_outs
    told: Judgement = "better" if low > 0 else "worse" if high < 0 else "cannot_tell"
    values = (
        PointValue(
            "utility",
            Estimate(1 + (low + high) / 2, 1 + low, 1 + high),
            Estimate((low + high) / 2, low, high),
            told,
        ),  # type: ignore[arg-type]
        PointValue("clicks", Estimate(0.1, 0.08, 0.12), Estimate(0.0, -0.01, 0.01), "cannot_tell"),
        PointValue("opt_outs", Estimate((few + many) / 2, few, many), Estimate(0.0, -1, 1), "cannot_tell"),
    )
    return WeightPoint(factor, 3 * factor, 0.5, 0.5, values, doubt)


def traded(*points: WeightPoint, rare: tuple[str, ...] = ()) -> TradeOffs:
    return TradeOffs((WeightSweep("opt_outs", points),), 0.95, rare)


NOW = point(1.0, (0.0, 0.0), (0.001, 0.005))
DOUBLE = point(2.0, (-0.02, 0.01), (0.001, 0.003))
FOURFOLD = point(4.0, (-0.09, 0.05), (0.0005, 0.002))


def test_the_surest_of_those_that_keep_the_guardrail() -> None:
    found = choose(traded(NOW, DOUBLE, FOURFOLD), OBJECTIVES, {"opt_outs": 0.003})
    assert (found.objective, found.factor, found.weight) == ("opt_outs", 2.0, 6.0)
    assert (found.kept, found.points) == (2, 3)
    assert found.sentence == (
        "2 of 3 points keep opt_outs 0.003 with confidence; of these, opt_outs x 2 has the surest utility, "
        "which cannot be told from today's: -0.005 [-0.02, +0.01] per decision."
    )


def test_today_stays_unless_another_is_better_with_confidence() -> None:
    keeps = point(1.0, (0.0, 0.0), (0.001, 0.002))
    maybe, better = point(0.5, (-0.001, 0.9), (0.001, 0.002)), point(0.25, (0.01, 0.02), (0.001, 0.002))
    found = choose(traded(maybe, keeps), OBJECTIVES, {"opt_outs": 0.003})
    assert (found.objective, found.factor) == (None, 1.0)
    assert "today's weights do" in found.sentence
    found = choose(traded(better, maybe, keeps), OBJECTIVES, {"opt_outs": 0.003})
    assert found.factor == 0.25
    assert "is better than today's" in found.sentence


def test_none_is_said_plainly_with_the_nearest_miss() -> None:
    found = choose(traded(NOW, DOUBLE, FOURFOLD), OBJECTIVES, {"opt_outs": 0.001})
    assert found.kept == 0
    assert found.objective is None
    assert found.sentence == (
        "None of 3 points keeps opt_outs 0.001 with confidence: intervals of opt_outs reach to 0.002 at best."
    )


def test_a_point_that_the_log_does_not_carry_is_never_picked() -> None:
    thin = point(4.0, (nan, nan), (nan, nan), "thin overlap")
    assert choose(traded(NOW, thin), OBJECTIVES, {"opt_outs": 0.01}).factor == 1.0
    found = choose(traded(point(1.0, (0, 0), (nan, nan), "thin"), thin), OBJECTIVES, {"opt_outs": 0.01})
    assert "the log carries no estimate of opt_outs" in found.sentence


def test_of_what_happened_to_hardly_anybody_nothing_is_promised() -> None:
    found = choose(traded(NOW, FOURFOLD, rare=("opt_outs",)), OBJECTIVES, {"opt_outs": 0.5})
    assert found.kept == 0
    assert "opt_outs happened to too few users" in found.sentence


def test_two_guardrails_widen_the_intervals() -> None:
    # z(1 - 0.025 / 2) / z(1 - 0.025) = 1.1436: half of 0.001 becomes 0.00114
    rails = {"opt_outs": 0.0031, "clicks": 0.0}
    assert choose(traded(DOUBLE), OBJECTIVES, {"opt_outs": 0.0031}).kept == 1
    assert choose(traded(DOUBLE), OBJECTIVES, rails).kept == 0
    assert choose(traded(DOUBLE), OBJECTIVES, rails | {"opt_outs": 0.00315}).kept == 1


hundredths = st.integers(0, 99)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(hundredths, hundredths, hundredths), min_size=1, max_size=8), hundredths)
def test_whatever_is_picked_keeps_the_guardrail(rows: list[tuple[int, int, int]], limit: int) -> None:
    bound = (limit + 0.5) / 100
    points = [
        point(2.0**k, (c / 100 - 0.6, c / 100 - 0.4) if k else (0.0, 0.0), (min(a, b) / 100, max(a, b) / 100))
        for k, (c, a, b) in enumerate(rows)
    ]
    found = choose(traded(*points), OBJECTIVES, {"opt_outs": bound})
    kept = [one for one in points if value_of(one, "opt_outs").value.high < bound]
    assert found.kept == len(kept)
    if kept:
        surest = max(value_of(one, "utility").change.low for one in kept)
        (picked,) = (one for one in kept if one.factor == found.factor)
        assert value_of(picked, "utility").change.low == surest


def test_wrong_guardrails() -> None:
    with pytest.raises(InputError, match="'opt_out' is of no objective; did you mean 'opt_outs'"):
        choose(traded(NOW), OBJECTIVES, {"opt_out": 0.1})
    with pytest.raises(InputError, match="must be a finite number"):
        choose(traded(NOW), OBJECTIVES, {"opt_outs": nan})


def test_it_is_read_off_the_newest_evaluation(
    small_world: SmallWorld, copied: Callable[[], Workspace]
) -> None:
    found = tradeoff(small_world.workspace)
    assert found.choice is None  # homing.toml has no guardrail
    assert encode(found.found) == encode(small_world.evaluated.record.facts.tradeoffs)
    asked = tradeoff(small_world.workspace, {"annoyance": 1.0})
    assert asked.choice is not None
    assert [rail.name for rail in asked.choice.guardrails] == ["annoyance"]
    other = copied()
    (other.releases_path / "current").write_text("r-other")
    with pytest.raises(WorkspaceError, match="r-other has not been evaluated; run 'homing evaluate'"):
        tradeoff(other)
