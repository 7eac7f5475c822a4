import json
from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from homing.report import HoldoutFacts, Readout, write_experiment, write_holdout
from homing.report.document import experiment_document
from homing.report.sections.experiment import FINDINGS, VERDICTS
from homing.schema import InputError

from . import examples
from .page_reader import PageReader

pytestmark = pytest.mark.slow


def test_facts_survive_json() -> None:
    facts = examples.experiment()
    told = json.loads(json.dumps(facts.to_dict(), allow_nan=False))
    again = Readout.from_dict(told)
    assert again.to_dict() == facts.to_dict()
    assert isnan(again.scores[4].relative.value)
    with pytest.raises(InputError, match=r"experiment.verdict is not a fact; did you mean 'verdicts'"):
        Readout.from_dict({**told, "verdict": "ship"})


def test_the_page_has_every_finding_and_every_number() -> None:
    facts = examples.experiment()
    reader = PageReader(experiment_document(facts))
    for verdict in facts.verdicts:
        assert VERDICTS[verdict.verdict][0] in reader.texts
        assert any(verdict.sentence[:20] in text for text in reader.texts)
    for score in facts.scores:
        known = [score.level, score.control, score.absolute.value, score.users]
        assert {number for number in known if not isnan(number)} <= set(reader.numbers)
        if score.direction != "none":
            assert FINDINGS[score.finding][0] in reader.texts
    assert {arm.entered for arm in facts.arms} <= set(reader.numbers)


def test_the_page_has_worth_segments_and_crossings() -> None:
    facts = examples.experiment()
    page = experiment_document(facts)
    reader = PageReader(page)
    words = " ".join(reader.texts)
    assert "40.7: better to cannot tell" in words
    assert "no weight" in words
    assert facts.other_verdicts[0].sentence[:30] in words
    assert "sessions of warmer, lifecycle stage dormant: \N{MINUS SIGN}9" in words
    assert "Effects depend on another experiment: sessions of warmer" in words
    known = [segment.effect.value for segment in facts.segments] + [c.together for c in facts.crossings]
    assert {number for number in known if not isnan(number)} <= set(reader.numbers)
    none = experiment_document(replace(facts, worth=(), segments=(), crossings=(), other_verdicts=()))
    assert [name for name in ("worth", "segments", "crossings") if f'id="{name}"' in none] == []


def test_the_page_of_a_holdout(tmp_path: Path) -> None:
    facts = examples.holdout()
    page, data = write_holdout(facts, tmp_path / "holdout.html")
    assert HoldoutFacts.from_dict(json.loads(data.read_text())).to_dict() == facts.to_dict()
    reader = PageReader(page.read_text())
    for metric in facts.metrics:
        for found in (*metric.by_period, metric.cumulative[-1]):
            numbers = (found.level, found.held, found.absolute.value, found.relative.value)
            assert {number for number in numbers if not isnan(number)} <= set(reader.numbers)
    assert {"better", "worse", "not known"} <= set(reader.texts)


def test_a_sum_of_nothing_known_is_a_page() -> None:
    facts = examples.experiment()
    nothing = [s for s in facts.scores if isnan(s.relative.value)]
    page = experiment_document(replace(facts, scores=tuple(nothing), promises=(), checks=(), alerts=()))
    assert PageReader(page).problems == []
    assert 'id="promises"' not in page


def test_page_and_facts_are_written_side_by_side(tmp_path: Path) -> None:
    page, data = write_experiment(examples.experiment(), tmp_path / "deep" / "x.html")
    assert page.read_text().startswith("<!doctype html>") or "<html" in page.read_text()
    assert Readout.from_dict(json.loads(data.read_text())).name == "warmer"
