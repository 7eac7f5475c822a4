from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.report.canvas import axes, figure, fit, spread, text_width, to_svg
from homing.report.plots.ticks import tick_texts, ticks


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
