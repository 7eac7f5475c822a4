from __future__ import annotations

import re
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.report import numbers
from homing.report.facts import Estimate


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (1, "1.00"),
        (31.44, "31.4"),
        (1234.5, "1,234"),
        (-0.04127, "-0.0413"),
        (999_999_999, "999,999,999"),
        (1.25e9, "1.25 × 10⁹"),
        (3.2e-7, "3.20 × 10⁻⁷"),
        (nan, "–"),
        (inf, "–"),
    ],
)
def test_significant(number: float, text: str) -> None:
    assert plain(numbers.significant(number)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (789, "789"), (21_904, "21,904"), (99_999, "99,999"), (123_456, "123 k"), (999_499, "999 k"),
     (999_600, "1 M"), (1_648_212, "1.65 M"), (2.5e9, "2.5 G"), (-1.2e6, "-1.2 M"), (1e18, "1.00 × 10¹⁸"),
     (nan, "–")],
)  # fmt: skip
def test_compact(number: float, text: str) -> None:
    assert plain(numbers.compact(number)) == text


@pytest.mark.parametrize(
    ("estimate", "unit", "text"),
    [
        (Estimate(0.18312, 0.179, 0.187), "rate", "18.31 % [17.90, 18.70]"),
        (Estimate(0.183, 0.13, 0.24), "rate", "18.3 % [13.0, 24.0]"),
        (Estimate(1.4226, 1.31, 1.54), "number", "1.42 [1.31, 1.54]"),
        (Estimate(1.4226), "number", "1.42"),
        (Estimate(0.4, 0.4, 0.4), "number", "0.400 [0.400, 0.400]"),
        (Estimate(nan), "rate", "–"),
        (Estimate(-0.0001, -0.02, 0.02), "number", "0.000 [-0.020, 0.020]"),
        (Estimate(41_270.4, 40_100, 42_400), "number", "41,270 [40,100, 42,400]"),
    ],
)
def test_interval(estimate: Estimate, unit: numbers.Unit, text: str) -> None:
    assert plain(numbers.interval(estimate, unit)) == text


def test_difference_has_a_sign_and_points() -> None:
    assert plain(numbers.difference(Estimate(0.012, 0.003, 0.021), "rate")) == "+1.20 pp [0.30, 2.10]"
    assert plain(numbers.difference(Estimate(-1.5, -2.0, -1.0), "number")) == "-1.50 [-2.00, -1.00]"
    assert numbers.difference(None, "rate") == "–"


def test_split_gives_back_both_parts() -> None:
    assert numbers.split(numbers.interval(Estimate(2.0, 1.0, 3.0), "number")) == ("2.0", "[1.0, 3.0]")
    assert numbers.split("–") == ("–", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4234, "0.423 s"), (12.4, "12.4 s"), (99.97, "1 min 40 s"), (7_500, "2 h 5 min"), (nan, "–")],
)
def test_duration(seconds: float, text: str) -> None:
    assert plain(numbers.duration(seconds)) == text


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12.0 B"), (2e3, "2.00 kB"), (5.12e8, "512 MB"), (1.34e9, "1.34 GB")]
)
def test_memory(size: float, text: str) -> None:
    assert plain(numbers.memory(size)) == text


def test_times() -> None:
    assert numbers.moment("2026-03-01T06:00:00Z") == "1 Mar 2026, 06:00 UTC"
    assert numbers.moment("yesterday") == "yesterday"
    assert numbers.span("2026-01-18T00:00:00Z", "2026-03-01") == "18 Jan – 1 Mar 2026"
    assert numbers.span("2025-12-18", "2026-03-01") == "18 Dec 2025 – 1 Mar 2026"
    assert numbers.day(None) == ""


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e15, 1e15))
def test_significant_is_near(number: float) -> None:
    text = plain(numbers.significant(number)).replace(",", "")
    if "×" in text:
        mantissa, power = text.split(" × 10")
        read = float(mantissa) * 10.0 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    else:
        read = float(text)
    assert read == pytest.approx(number, rel=0.0051, abs=1e-300)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-1e8, 1e8),
    st.floats(1e-9, 1e8),
    st.sampled_from(["rate", "number"]),
)
def test_an_interval_holds_its_value_as_written(value: float, half: float, unit: numbers.Unit) -> None:
    text = plain(numbers.interval(Estimate(value, value - half, value + half), unit))
    if "×" in text:
        return
    found = [float(part.replace(",", "")) for part in re.findall(r"-?\d[\d,]*\.?\d*(?=$|[\] %]|, )", text)]
    assert len(found) == 3
    assert found[1] <= found[0] <= found[2]
