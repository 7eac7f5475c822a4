from __future__ import annotations

import re
from itertools import pairwise
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.report.canvas import INK, axes, figure, fit, spread, text_width, to_svg
from homing.report.facts import Estimate
from homing.report.plots.curves import Panel, Path, curves, paths
from homing.report.plots.matrix import matrix
from homing.report.plots.ticks import tick_texts, ticks


def test_curves_mark_today_and_what_is_not_to_be_trusted() -> None:
    estimates = [Estimate(1.0, 0.9, 1.1), Estimate(2.0, 2.0, 2.0), Estimate(90.0, nan, nan)]
    panel = Panel("clicks", estimates, "number", [True, True, False], guardrail=2.5)
    svg = to_svg(curves([panel] * 5, ["×0", "×1", "×8"], 1, 800), "id", "title", "text")
    assert svg.count(">clicks<") == 5
    assert svg.count(">×8<") == 5
    assert 'height="128"' in svg  # five panels in one row
    assert 'height="392"' in to_svg(curves([panel] * 5, ["×0", "×1", "×8"], 1, 348), "id", "title", "text")
    assert "stroke-dasharray: 1,2" in svg or "stroke-dasharray: 1.4,2.8" in svg  # the guardrail
    ends = drawn_ticks(svg)
    assert max(ends) < 10  # what is not to be trusted is not part of the scale


def drawn_ticks(svg: str) -> list[float]:
    return [float(text) for text in re.findall(r">(\d+\.?\d*)</text>", svg)]


def test_paths_name_their_ends_on_the_side_where_there_is_room() -> None:
    points = [(Estimate(k, k - 0.1, k + 0.1), Estimate(-k, -k, -k)) for k in (1.0, 2.0, 3.0)]
    drawn = paths(
        [Path(["×1", "opt-outs ×4", "×8"], INK, points, [True, True, False])],
        384,
        ("rate", "number"),
        ("opt-outs", "clicks"),
        here=(1.0, -1.0),
    )
    svg = to_svg(drawn, "id", "title", "text")
    assert re.search(r"text-anchor: end[^>]*>opt-outs ×4<", svg)


def test_a_matrix_shows_what_fits() -> None:
    rows = [("steady", "43 %"), ("new", "")]
    texts = [[("78 %", "+0.4 pp"), ("22 %", "")], [("1 %", ""), ("", "")]]
    svg = to_svg(matrix(rows, ["steady", "gone"], [[0.78, 0.22], [0.01, nan]], texts, 348), "id", "t", "d")
    assert [word for word in ("78 %", "+0.4 pp", "22 %", "43 %", "gone") if f">{word}<" not in svg] == []
    assert svg.count("fill: var(--accent)") == 3  # none for what is not known
    narrow = to_svg(matrix(rows, ["steady", "gone"], [[0.78, 0.22], [0.01, nan]], texts, 80), "id", "t", "d")
    assert "+0.4 pp" not in narrow


def test_spread_by_hand() -> None:
    assert spread([0.0, 1.0, 10.0], 4.0) == [-1.5, 2.5, 10.0]
    assert spread([], 4.0) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-100, 100), max_size=12), st.floats(0.1, 20))
def test_spread_keeps_the_order_and_the_gap(positions: list[float], gap: float) -> None:
    moved = spread(positions, gap)
    order = sorted(range(len(positions)), key=lambda place: positions[place])
    for first, second in pairwise(order):
        assert moved[second] - moved[first] >= gap - 1e-6
    assert sum(moved) == pytest.approx(sum(positions), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.floats(20, 400))
def test_fit_is_never_wider(text: str, width: float) -> None:
    assert text_width(fit(text, width)) <= width


def test_fit_keeps_what_fits() -> None:
    assert fit("push", 100) == "push"
    assert fit("a very long name", 60).endswith("…")


@pytest.mark.parametrize(
    ("places", "kind", "texts"),
    [
        ([0.0, 0.05, 0.1], "rate", ["0 %", "5 %", "10 %"]),
        ([0.0, 0.025, 0.05], "rate", ["0 %", "2.5 %", "5.0 %"]),
        ([-0.1, 0.0, 0.1], "change", ["−10 %", "0 %", "+10 %"]),
        ([0.39, 0.4, 0.41], "number", ["0.39", "0.40", "0.41"]),
        ([0.0, 500_000.0, 1_000_000.0], "number", ["0", "500 k", "1 M"]),
        ([], "number", []),
    ],
)
def test_tick_texts(places: list[float], kind: str, texts: list[str]) -> None:
    assert [text.replace("\u202f", " ") for text in tick_texts(places, kind)] == texts  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_lie_inside_and_differ(low: float, span: float) -> None:
    places, texts = ticks(low, low + span, 5, "number")
    assert all(low - span * 1e-6 <= place <= low + span * (1 + 1e-6) for place in places)
    if span > 1e-4 * max(abs(low), 1.0):
        assert len(set(texts)) == len(texts) >= 1


def test_a_drawing_names_its_ids_and_escapes() -> None:
    drawn = figure(200, 100)
    axes(drawn, 10, 10, 10, 10).text(0.5, 0.5, "<b> & $x$")
    text = to_svg(drawn, "one", "A < B", "C & D")
    assert text.startswith(
        '<svg role="img" aria-labelledby="one-title one-description" width="200" height="100"'
    )
    assert "A &lt; B" in text
    assert "&lt;b&gt; &amp; $x$" in text
    assert 'id="p' not in text
