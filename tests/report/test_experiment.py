import json
from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from homing.report import Readout, write_experiment
from homing.report.document import experiment_document
from homing.report.sections.experiment import FINDINGS, VERDICTS
from homing.schema import InputError

from . import examples
from .page_reader import PageReader


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
