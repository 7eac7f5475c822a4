"""Segments and interactions, on users whose effects are known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homing.experiments import Moments, from_arrays
from homing.lifecycle.experiment.looking import Look
from homing.lifecycle.experiment.measuring import Layout
from homing.lifecycle.experiment.segments import FEWEST, crossings_of, gathered, segments_of
from homing.report.words import crossings_in_words, segments_in_words
from homing.schema.experiment import Design, parse_design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY
from homing.store import Cohort

TOML = """\
days = 28
looks = "none"
scale = "absolute"
pre_period = "0s"
segments = ["lifecycle stage"]
[arms.control]
share = 0.5
[arms.new]
share = 0.5
[metrics.visits]
role = "success"
event = "session"
effect = 0.05
[metrics.sends]
role = "monitor"
event = "sent"
direction = "none"
"""
FINAL = (1.0,)


def design(**more: Any) -> Design:
    return parse_design(TOML, "x").model_copy(update=more)


def layout(made: Design) -> Layout:
    return Layout(made, Cohort(("control", "new"), 0, 28 * DAY, "x"))


def users(effect: float, many: int = 400, level: float = 5.0, seed: int = 0) -> Moments:
    """Users of whom half are in each arm: exact means, so that differences are exact."""
    noise = np.random.default_rng(seed).normal(0, 1, (2, many // 2))
    noise -= noise.mean(axis=1, keepdims=True)
    visits = np.concatenate([level + noise[0], level + effect + noise[1]])
    arm = np.repeat(["control", "new"], many // 2)
    return from_arrays(arm, {"visits": visits, "sends": np.zeros(many)})


def measured(made: Design, **splits: dict[str, Moments]) -> Any:
    named = {name.replace("_", " "): parts for name, parts in splits.items()}
    return SimpleNamespace(metrics=layout(made).metrics, splits=named)


def test_a_segment_is_compared_with_all_others() -> None:
    """Effects 1, 0 and 0.5 in groups of equal size: 1 against 0.25, 0 against 0.75, 0.5 against 0.5."""
    made = design()
    parts = {"new": users(1.0, seed=1), "steady": users(0.0, seed=2), "dormant": users(0.5, seed=3)}
    found = segments_of(made, measured(made, lifecycle_stage=parts), layout(made), Look(made, FINAL))
    by_name = {segment.name: segment for segment in found}
    assert {name: (s.effect.value, s.rest, s.users) for name, s in by_name.items()} == {
        "new": (pytest.approx(1.0), pytest.approx(0.25), 400),
        "steady": (pytest.approx(0.0, abs=1e-12), pytest.approx(0.75), 400),
        "dormant": (pytest.approx(0.5), pytest.approx(0.5), 400),
    }
    assert {name: s.differs for name, s in by_name.items()} == {
        "new": True, "steady": True, "dormant": False,
    }  # fmt: skip
    error = 0.1 * np.sqrt(1.5)  # of a segment 1 / 200 + 1 / 200, of the others half of it
    width = by_name["new"].difference.high - by_name["new"].difference.low
    assert width == pytest.approx(2 * 2.394 * error, rel=0.05)  # 5 % over three comparisons
    assert {s.metric for s in found} == {"visits"}  # no monitor


def test_relative_effects_are_compared_as_ratios() -> None:
    """+10 % of 5 and +10 % of 20 are the same effect; absolute ones are not."""
    parts = {"new": users(0.5), "steady": users(2.0, level=20.0, seed=1)}
    for scale, want in (("relative", 0.0), ("absolute", 1.5)):
        made = design(scale=scale)
        found = segments_of(made, measured(made, lifecycle_stage=parts), layout(made), Look(made, FINAL))
        steady = next(segment for segment in found if segment.name == "steady")
        assert steady.difference.value == pytest.approx(want, abs=1e-9)
        assert steady.effect.value == pytest.approx(0.1 if scale == "relative" else 2.0)
        assert steady.differs == (scale == "absolute")


def test_small_segments_are_put_together_or_left_out() -> None:
    parts = {name: users(0.0, many) for name, many in (("a", 200), ("b", 40), ("c", 30), ("d", 2))}
    found = gathered(parts)
    assert {name: part.count.sum() for name, part in found.items()} == {"a": 200, "(other)": 72}
    assert FEWEST == 60
    assert list(gathered({"a": parts["a"], "c": parts["c"]})) == ["a"]
    many = {f"n{place}": users(0.0, 60 + 2 * place) for place in range(15)}
    assert len(gathered(many)) == 13
    made = design()
    alone = measured(made, lifecycle_stage={"a": parts["a"]})
    assert segments_of(made, alone, layout(made), Look(made, FINAL)) == ()


def test_without_differences_few_are_found() -> None:
    """3 segments, none differs: in about 5 % of experiments one is found."""
    made = design()
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        parts = {}
        for name in ("new", "steady", "dormant"):
            arm = rng.choice(["control", "new"], 200)
            parts[name] = from_arrays(arm, {"visits": rng.poisson(3, 200), "sends": np.zeros(200)})
        found += any(
            segment.differs
            for segment in segments_of(
                made, measured(made, lifecycle_stage=parts), layout(made), Look(made, FINAL)
            )
        )
    assert found <= 7  # of 40 with a chance of 0.05: more in one of 1,000


def record(name: str) -> Record:
    return Record(name, design(), (Change("start", 0, "", 1.0),))


def test_an_effect_that_depends_on_another_experiment() -> None:
    made = design()
    seen = measured(made, **{
        "arm_of_loud": {"control": users(1.0, seed=4), "new": users(0.2, seed=5)},
        "arm_of_quiet": {"control": users(0.5, seed=6), "new": users(0.5, seed=7)},
    })  # fmt: skip
    others = (record("loud"), record("quiet"), record("elsewhere"))
    found = crossings_of(made, seen, layout(made), Look(made, FINAL), others)
    loud, quiet = found
    assert (loud.other, loud.alone, loud.together) == ("loud", pytest.approx(1.0), pytest.approx(0.2))
    assert loud.difference.value == pytest.approx(-0.8)
    assert loud.users == 800
    assert (loud.differs, quiet.differs) == (True, False)
    facts = SimpleNamespace(crossings=found, scale="absolute")
    assert crossings_in_words(facts) == (  # type: ignore[arg-type]
        "Effects depend on another experiment: visits of new: +0.2 under new of loud, +1 under its control. "
        "They will be others when it has ended."
    )
    assert "cannot be told" in crossings_in_words(SimpleNamespace(crossings=(quiet,), scale="absolute"))  # type: ignore[arg-type]
    assert crossings_in_words(SimpleNamespace(crossings=())) == ""  # type: ignore[arg-type]


def test_segments_in_words() -> None:
    made = design()
    parts = {"new": users(1.0, seed=1), "steady": users(0.0, seed=2)}
    found = segments_of(made, measured(made, lifecycle_stage=parts), layout(made), Look(made, FINAL))
    words = segments_in_words(SimpleNamespace(segments=found, scale="absolute"))  # type: ignore[arg-type]
    assert "visits of new, lifecycle stage new: +1, all others " in words
    same = segments_in_words(SimpleNamespace(segments=[s for s in found if not s.differs] or found[:0]))  # type: ignore[arg-type]
    assert same == ""
