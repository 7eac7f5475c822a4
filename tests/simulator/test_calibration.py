import re
from pathlib import Path

import numpy as np
import pytest

from homing.schema.times import DAY
from homing.simulator import Setup, SimulatedWorld
from homing.simulator.calibration import (
    Bootstrap,
    Estimate,
    active_days,
    estimate,
    moments,
    run_trial,
    volume_cut,
    without,
)
from homing.simulator.figures import ALL, FIGURES
from homing.simulator.registry import PRESETS

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"


def stretched(found: Estimate) -> Estimate:
    """A 95 % interval as one of 99.9 %: some hundred figures are looked at together."""
    by = 3.29 / 1.96
    return Estimate(
        found.value,
        found.value - by * (found.value - found.low),
        found.value + by * (found.high - found.value),
    )


@pytest.mark.parametrize("name", ALL)
def test_worlds_keep_to_what_is_published(name: str) -> None:
    found = moments(PRESETS[name], Setup(2500, 21, seed=1))
    found["volume_cut"] = volume_cut(PRESETS[name], Setup(1000, 21, seed=1))
    assert {figure.moment for figure in FIGURES} <= found.keys()
    for figure in FIGURES:
        if name in figure.presets:
            assert figure.kept(stretched(found[figure.moment])), (figure.what, found[figure.moment])


def test_the_page_has_every_figure_and_all_lie_in_their_ranges() -> None:
    text = PAGE.read_text("utf-8")
    scale = {"%": 100.0, "pp": 100.0, "min": 1.0, "x": 1.0, "": 1.0}
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    assert rows[0][2:-1] == list(ALL) == list(PRESETS)
    for figure in FIGURES:
        mine = [row for row in rows if row[0].startswith(figure.what) and len(row) == len(ALL) + 3]
        assert len(mine) == 1, figure.what
        for name, cell in zip(ALL, mine[0][2:-1], strict=True):
            numbers = [float(number) / scale[figure.unit] for number in re.findall(r"-?[\d.]+", cell)]
            assert len(numbers) in (1, 3)
            value, low, high = numbers if len(numbers) == 3 else numbers * 3
            assert low <= value <= high
            if name in figure.presets:
                assert figure.kept(Estimate(value, low, high)), (figure.what, name)
        assert mine[0][1] == figure.published
        assert ("not targeted" in mine[0][-1]) == (figure.presets != ALL)
    assert "**not**" not in text


def test_ranges_can_be_missed() -> None:
    figure = next(figure for figure in FIGURES if figure.moment == "hour_effect")
    assert figure.kept(Estimate(2.8, 2.5, 3.1))
    assert not figure.kept(Estimate(2.0, 1.8, 2.3))
    assert not figure.kept(Estimate(np.nan, np.nan, np.nan))


def test_without_displacement_and_readiness_the_effect_on_the_day_is_large() -> None:
    """The figure that keeps clicks and visits apart does rest on the two mechanisms."""
    spec = PRESETS["learning"]
    off = without(without(spec, "displacement"), "response.opening", "readiness_on")
    base = off.mechanisms.response.opening.base.push
    assert base == spec.mechanisms.response.opening.base.push
    assert not off.mechanisms.displacement.on
    found = (
        moments(spec, Setup(4000, 21))["hour_effect"].value,
        moments(off, Setup(4000, 21))["hour_effect"].value,
    )
    assert found[0] > 2 * (found[1] - 1)


def test_a_trial_sends_to_a_third_and_watches_a_third() -> None:
    trial = run_trial(SimulatedWorld(PRESETS["streaming"], Setup(2000, 10)))
    assert trial.sent.mean() == pytest.approx(0.5, abs=0.02)
    assert (trial.at >= trial.world.start).all() and (trial.at < trial.world.now).all()
    keys = trial.user * 10 + (trial.at - trial.world.start) // DAY
    assert len(np.unique(keys)) == len(keys)  # one instant a user and day


def test_ratios_and_medians_by_hand() -> None:
    bootstrap = Bootstrap(4, replicates=50)
    ratio = bootstrap.ratio(np.array([1.0, 0.0, 2.0, 1.0]), np.array([2.0, 2.0, 2.0, 2.0]))
    assert ratio[0] == 0.5
    assert ratio.shape == (51,)
    assert len(set(ratio[1:].tolist())) > 5
    assert bootstrap.median(np.array([0, 1, 2]), np.array([5.0, 1.0, 3.0]))[0] == 3.0
    assert np.isnan(bootstrap.median(np.empty(0, np.int64), np.empty(0))).all()
    found = estimate(np.concatenate([[1.0], np.linspace(0, 2, 101)]))
    assert (found.value, found.low, found.high) == (1.0, pytest.approx(0.05), pytest.approx(1.95))
    assert np.isnan(estimate(np.array([1.0, np.nan])).low)


def test_intervals_cover_the_truth_of_a_coin() -> None:
    """Users who open 3 of 10 on average, more or less each: the interval by users holds 0.3 nearly always."""
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(100):
        own = rng.beta(3, 7, 300)
        opens = rng.binomial(10, own).astype(float)
        covered.append(estimate(Bootstrap(300, 200).ratio(opens, np.full(300, 10.0))).meets(0.3, 0.3))
    assert 0.87 < np.mean(covered) <= 1


def test_active_days_by_hand() -> None:
    world = run_trial(SimulatedWorld(PRESETS["news"], Setup(40, 3)), share=0.0, control=0.0).world
    sessions = {}
    events = world.tables()["events"]
    for user, at, kind in zip(events["user_id"], events["at"], events["type"], strict=True):
        if kind == "session":
            sessions.setdefault(user, set()).add((at - world.start) // DAY)
    names = world.tables()["users"]["user_id"]
    assert active_days(world).tolist() == [len(sessions.get(name, ())) for name in names]
