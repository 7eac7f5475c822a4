from __future__ import annotations

import json
from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest

from homing.report import Facts
from homing.report.encoding import encode
from homing.report.facts import Count, Estimate, ObjectiveQuality, Stage
from homing.schema import InputError

from . import examples


@pytest.mark.parametrize("name", ["example", "bare", "unknown", "crowded"])
def test_json_round_trip(name: str) -> None:
    facts = getattr(examples, name)()
    written = facts.to_dict()
    text = json.dumps(written, allow_nan=False)
    assert json.loads(text) == written
    assert Facts.from_dict(json.loads(text)).to_dict() == written


def test_what_is_known_comes_back_equal() -> None:
    facts = replace(examples.example(), quality=None)  # it has an AUC that is not known
    assert Facts.from_dict(facts.to_dict()) == replace(
        facts, values=facts.values and Facts.from_dict(facts.to_dict()).values
    )
    assert Facts.from_dict(facts.to_dict()).schedule == facts.schedule


def test_not_finite_is_null_and_null_is_not_a_number() -> None:
    facts = replace(examples.bare(), stages=(Stage("plan", float("inf")), Stage("fold", nan)))
    written = facts.to_dict()["stages"]
    assert [row["seconds"] for row in written] == [None, None]
    stages = Facts.from_dict(facts.to_dict()).stages
    assert stages is not None
    assert all(isnan(stage.seconds) for stage in stages)


def test_numpy_scalars_and_arrays_are_plain() -> None:
    assert encode((np.float64(0.5), np.int64(3), np.bool_(True), np.array([1.5, np.nan]))) == [
        0.5,
        3,
        True,
        [1.5, None],
    ]


def test_what_is_no_fact_is_an_error() -> None:
    with pytest.raises(TypeError, match="no place"):
        encode({"a": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"healht": None}, "facts.healht is not a fact; did you mean 'health'"),
        (
            {"alerts": [{"level": "loud", "subject": "", "sentence": ""}]},
            r"facts.alerts\[0\].level == 'loud'",
        ),
        ({"header": {"workspace": "w"}}, "facts.header.run_id is missing"),
        ({"format": "1"}, "facts.format == '1'"),
        ({"funnel": 3}, "facts.funnel == 3, must be an object"),
        ({"format": True}, "facts.format == True"),
    ],
)
def test_broken_json_names_the_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Facts.from_dict(examples.bare().to_dict() | change)


def test_skill_by_hand() -> None:
    one = ObjectiveQuality("c", "rate", 10, 0.1, 0.1, loss=0.3, constant_loss=0.4)
    assert one.skill == pytest.approx(0.25)
    assert isnan(replace(one, constant_loss=0.0).skill)


def test_facts_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Count("a", 1).count = 2  # type: ignore[misc]
    assert hash(Estimate(1.0, 0.5, 1.5)) == hash(Estimate(1.0, 0.5, 1.5))
