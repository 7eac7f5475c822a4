"""Switching a mechanism off moves the leaderboard in the direction that theory says."""

from functools import cache

import pytest

from homing.lifecycle.worlds.compare import compare
from homing.report import Leaderboard
from homing.report.facts import Estimate
from homing.schema import Config
from homing.simulator import Setup, registry
from homing.simulator.calibration import without
from homing.simulator.spec import Spec

pytestmark = pytest.mark.slow


@cache
def board(spec: Spec) -> Leaderboard:
    """Return how sending by chance to everybody does against sending nothing."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(registry.PRESETS, "here", spec)
        return compare("here", Setup(800, 21, seed=1), ["uniform"], Config())


def sending(spec: Spec, measure: str) -> Estimate:
    difference = board(spec).standing("uniform").score(measure).difference
    assert difference is not None
    return difference


def test_annoyance_decides_who_leads() -> None:
    """Where messages are unwelcome, to send nothing leads; where nobody is annoyed, to send does."""
    adverse = registry.PRESETS["adverse"]
    assert sending(adverse, "active days").high < 0
    assert [one.policy for one in board(adverse).standings] == ["hold", "uniform"]
    patient = without(adverse, "annoyance")
    assert sending(patient, "active days").low > 0
    assert [one.policy for one in board(patient).standings] == ["uniform", "hold"]


def test_who_cannot_opt_out_does_not() -> None:
    commerce = registry.PRESETS["commerce"]
    assert sending(commerce, "opt-outs").low > 0 > sending(commerce, "reach email").high
    bound = without(commerce, "opt_out")
    assert sending(bound, "opt-outs").value == sending(bound, "reach email").value == 0


@pytest.mark.parametrize(
    ("preset", "mechanism", "field", "measure", "direction"),
    [
        ("learning", "displacement", "on", "minutes", 1),  # visits come on top of those that would have come
        ("news", "response.opening", "staleness_on", "clicks", 1),  # old news is opened as new ones are
        ("learning", "response.opening", "readiness_on", "opens", -1),  # no moment is a good one
    ],
)
def test_what_sending_brings_without_a_mechanism(
    preset: str, mechanism: str, field: str, measure: str, direction: int
) -> None:
    with_it = sending(registry.PRESETS[preset], measure)
    off = sending(without(registry.PRESETS[preset], mechanism, field), measure)
    low, high = (with_it, off) if direction > 0 else (off, with_it)
    assert low.high < high.low  # intervals apart
