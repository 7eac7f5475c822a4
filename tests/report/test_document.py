"""The page is well-formed, self-contained, the same for the same facts, and shows what the JSON says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html import unescape
from math import isfinite
from typing import Any

import pytest

from homing.report import Facts, HoldoutFacts, Leaderboard, Readout, render
from homing.report.canvas import text_width
from homing.report.document import experiment_document, holdout_document, leaderboard_document

from . import examples
from .page_reader import PageReader

pytestmark = pytest.mark.slow

PAGES = ("example", "bare", "unknown", "crowded", "leaderboard", "experiment", "holdout")


@cache
def page(name: str) -> str:
    facts = getattr(examples, name)()
    if isinstance(facts, Readout):
        return experiment_document(facts)
    if isinstance(facts, HoldoutFacts):
        return holdout_document(facts)
    return leaderboard_document(facts) if isinstance(facts, Leaderboard) else render(facts)


@cache
def read(name: str) -> PageReader:
    return PageReader(page(name))


@pytest.mark.parametrize("name", PAGES)
def test_well_formed(name: str) -> None:
    assert read(name).problems == []


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_references_lead_somewhere(name: str) -> None:
    ids = read(name).ids
    assert sorted(ids) == sorted(set(ids))
    assert set(read(name).references) <= set(ids)


@pytest.mark.parametrize("name", PAGES)
def test_loads_nothing_from_outside(name: str) -> None:
    assert read(name).addresses == []
    assert not {"link", "img", "iframe", "object", "embed", "image"} & set(read(name).tags)
    assert "@import" not in page(name)


@pytest.mark.parametrize("name", PAGES)
def test_small(name: str) -> None:
    assert len(page(name).encode()) < 1_000_000


def test_same_facts_same_bytes() -> None:
    assert render(examples.example()) == page("example")


@pytest.mark.parametrize("name", PAGES)
def test_colours_follow_the_theme(name: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page(name), re.S)
    tags = [tag for drawing in drawings for tag in re.findall(r"<[^>]+>", drawing)]
    assert not [tag for tag in tags if re.search(r"#[0-9a-f]{6}\b", tag)]
    used = set(re.findall(r"var\(--([\w-]+)\)", page(name)))
    light, dark = page(name).split("prefers-color-scheme: dark", 1)
    assert used <= set(re.findall(r"--([\w-]+):", light))
    assert used - {"font", "mono"} <= set(re.findall(r"--([\w-]+):", dark))


@pytest.mark.parametrize("name", PAGES)
def test_every_drawing_has_a_title_and_a_description(name: str) -> None:
    for drawing in re.findall(r"<svg.*?</svg>", page(name), re.S):
        assert 'role="img"' in drawing
        assert re.search(r"<title id=\"[^\"]+\">[^<]+</title>", drawing)
        assert re.search(r"<desc id=\"[^\"]+\">", drawing)


@pytest.mark.parametrize("name", ["example", "crowded"])
def test_every_number_of_the_policies_is_on_the_page(name: str) -> None:
    facts: dict[str, Any] = getattr(examples, name)().to_dict()
    shown = set(read(name).numbers)
    for objective in facts["values"]["objectives"]:
        for row in objective["policies"]:
            estimates = [row["value"], row["versus_logging"], row["versus_constant"]]
            estimates += [estimator["estimate"] for estimator in row["estimators"]]
            wanted = [estimate["value"] for estimate in estimates if estimate]
            wanted += [row["effective_size"], row["effective_share"], row["max_weight"]]
            assert set(wanted) <= shown, (objective["objective"], row["policy"])


def test_names_are_escaped() -> None:
    hostile = '<script>alert("x")</script>'
    assert hostile not in page("crowded")
    assert read("crowded").tags.count("script") == 1
    assert any(hostile in text for text in read("crowded").texts)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", page("crowded"))


def test_a_dollar_is_no_formula() -> None:
    drawn = [text for text in read("crowded").texts if "$\\alpha_{1}$" in text]
    assert drawn


def test_a_name_that_looks_like_the_drawing_stays_as_it_is() -> None:
    facts = examples.example()
    assert facts.funnel is not None
    name = "#010101 0.123456 url(#x)"
    funnel = replace(facts.funnel, removed=(replace(facts.funnel.removed[0], name=name),))
    assert page_texts(replace(examples.bare(), funnel=funnel)).count(name) >= 2


def page_texts(facts: Facts) -> list[str]:
    return [text.strip() for text in PageReader(render(facts)).texts]


def test_warnings_come_before_everything_but_the_verdict() -> None:
    text = page("example")
    places = [text.index(f'id="{name}"') for name in ("verdict", "alerts", "values", "plan", "reading")]
    assert places == sorted(places)
    levels = re.findall(r'<li class="(\w+)">', text)
    assert levels == ["critical", "warning", "note"]


def test_no_warnings_no_list() -> None:
    assert 'id="alerts"' not in page("bare")


def test_a_missing_section_names_its_command() -> None:
    commands = set(re.findall(r"<code>(homing [^<]+)</code> produces", page("bare")))
    assert commands == {
        "homing evaluate",
        "homing plan --at TIME",
        "homing train",
        "homing ingest FILES",
        "homing run",
    }
    assert " produces this part" not in page("example")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_unknown_is_printed_as_a_number(name: str) -> None:
    shown = [text for text in read(name).texts if re.search(r"\b(nan|inf|None)\b", text)]
    assert [text for text in shown if "None is in quarantine" not in text and "{" not in text] == []


def test_numbers_on_the_page_are_finite() -> None:
    assert all(isfinite(number) for name in PAGES for number in read(name).numbers)


def _labels(drawing: str) -> Iterator[tuple[float, float, str, float]]:
    """Return x, y, anchor and width of every text of a drawing; widths are a little generous."""
    for style, place, text in re.findall(r'<text style="([^"]*)" ([^>]*)>([^<]*)<', drawing):
        size = re.search(r"([\d.]+)px", style)
        anchored = re.search(r"text-anchor: (\w+)", style)
        moved = re.search(r"translate\(([\d.-]+) ([\d.-]+)\)", place)
        at = re.search(r'x="([\d.-]+)" y="([\d.-]+)"', place) or moved
        assert size is not None and at is not None, (style, place)
        width = text_width(unescape(text), float(size[1]))
        yield float(at[1]), float(at[2]), anchored[1] if anchored else "start", width


@pytest.mark.parametrize("name", ["example", "crowded", "leaderboard"])
def test_labels_do_not_overlap(name: str) -> None:
    for drawing in re.findall(r"<svg.*?</svg>", page(name), re.S):
        boxes = []
        for x, y, anchor, width in _labels(drawing):
            start = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
            boxes.append((start, start + width, y))
        assert boxes
        for place, (start, end, y) in enumerate(boxes):
            for other_start, other_end, other_y in boxes[place + 1 :]:
                if abs(y - other_y) < 9:
                    shared = min(end, other_end) - max(start, other_start)
                    assert shared < 6, (drawing[:200], (start, end, y), (other_start, other_end, other_y))


def test_what_is_not_known_is_not_claimed() -> None:
    words = " ".join(read("unknown").texts)
    assert "Too little is known to check the logged propensities" in words
    assert "agree with what was drawn" not in words
    assert "No better than predicting" not in words


def test_a_model_without_skill_is_named() -> None:
    facts = examples.example()
    assert facts.quality is not None
    weak = replace(facts.quality.objectives[0], loss=0.2, constant_loss=0.19)
    words = page_texts(replace(examples.bare(), quality=replace(facts.quality, objectives=(weak,))))
    assert any("No better than predicting the mean for everybody: conversion." in text for text in words)


def test_learners_stand_beside_their_gains() -> None:
    facts = examples.example()
    assert facts.selection is not None
    words = " ".join(page_texts(replace(examples.bare(), selection=facts.selection)))
    assert "142,310 training decisions whose horizon is over" in words
    assert words.index("long-term") < words.index("decides") < words.index("half horizon")


def test_propensities_that_disagree_are_counted() -> None:
    assert "disagree with what was drawn in 1 of 4 groups" in page("example")


def test_a_plan_without_messages_draws_nothing() -> None:
    words = read("unknown").texts
    assert any("no message for any of 0 users" in text for text in words)
    assert any("gave no candidate" in text for text in words)
    assert 'id="hours-title"' not in page("unknown")
    assert 'id="hours-title"' in page("example")


def test_sentences_are_set_as_people_write_them() -> None:
    facts = examples.bare()
    said = "Worth -0.1 [-0.2, 0.3] on 2026-03-01, 5% less; run `homing plan --at -1`; a lone x-1."
    header = replace(facts.header, verdict=said)
    text = render(replace(facts, header=header))
    assert "Worth \u22120.1\u00a0[\u22120.2,\u00a00.3] on 2026-03-01, 5\u202f% less" in text
    assert "<code>homing plan --at -1</code>; a lone x-1." in text


def test_every_number_of_a_trial_is_on_the_page() -> None:
    trial = examples.example().trial
    assert trial is not None
    shown = set(read("example").numbers)
    for measure in trial.measures:
        assert {measure.treatment.value, measure.control.value, measure.difference.value} <= shown
    for promise in trial.promises:
        each = (promise.log, promise.promised, promise.realised, promise.control)
        assert {estimate.value for estimate in each} <= shown


def test_every_number_of_a_budget_is_on_the_page() -> None:
    facts, shown = examples.example(), set(read("example").numbers)
    assert facts.budgets is not None and facts.curves is not None
    for use in facts.budgets.uses:
        assert {use.expected, use.drawn, use.wanted, use.before} <= shown
        if use.price:
            assert {use.price, use.lost, *(worth.amount for worth in use.worth)} <= shown
    for part in facts.budgets.by_account:
        assert {part.users, part.before, part.expected, part.drawn} <= shown
        assert part.account == "holdout" or {part.most, part.price} <= shown
    for point in facts.curves[0].points:
        assert {point.size, point.objective, point.first_order, point.value, point.price} <= shown
    text = " ".join(" ".join(read("example").texts).split())
    assert "3 of 4 budgets bind. One more in push (sends) would be worth 0.00410 conversion" in text
    assert "sms-money of calmer:control was widened by 1.50" in text


def test_every_number_of_a_leaderboard_is_on_the_page() -> None:
    facts, shown = examples.leaderboard(), set(read("leaderboard").numbers)
    for standing in facts.standings:
        for score in standing.scores:
            assert score.mean.value in shown
            assert score.difference is None or score.difference.value in shown
        assert set(standing.by_seed) <= shown
    texts = [" ".join(text.split()) for text in read("leaderboard").texts]
    assert any("Trained on others." in text for text in texts)
