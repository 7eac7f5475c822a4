"""Numbers as people read them: few digits, percent for rates, a real minus, a dash for what is not known."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import floor, isfinite, log10
from typing import Final

from homing.report.facts import Estimate, Unit

UNKNOWN: Final = "–"
#: Narrow no-break space, between a number and its unit.
THIN: Final = "\u202f"
MINUS: Final = "\u2212"
_MOST_DECIMALS: Final = 6
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def count(number: float) -> str:
    """Return a whole number with separators: `1,234,567`."""
    return f"{round(number):,}".replace("-", MINUS) if isfinite(number) else UNKNOWN


def compact(number: float, full: int = 99_999) -> str:
    """Return whole numbers up to `full` in full, greater ones in three digits: `1.23 M`, `456 k`."""
    if not isfinite(number) or abs(number) >= 1e15:
        return significant(number)
    if abs(number) <= full and number == round(number):
        return count(number)
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999,500 rounds to 1,000 k, which is 1 M
        if abs(number) >= size * (1 if size == 1e3 else 0.9995):
            return f"{_trim(_minus(_fixed(number / size, 3)))}{THIN}{letter}"
    return significant(number)


def significant(number: float, digits: int = 3) -> str:
    """Return `number` in `digits` significant digits, whole numbers in full, extremes as 1.2 × 10^9."""
    if not isfinite(number):
        return UNKNOWN
    if number == 0:
        return "0"
    if abs(number) >= 1e9 or abs(number) < 1e-5:
        mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
        return f"{_minus(mantissa)}{THIN}×{THIN}10{_superscript(int(exponent))}"
    return _minus(_fixed(number, digits))


def percent(share: float, digits: int = 3) -> str:
    """Return a share as percent in significant digits: `18.3 %`."""
    return f"{significant(share * 100, digits)}{THIN}%" if isfinite(share) else UNKNOWN


def plain(number: float, unit: Unit) -> str:
    """Return a rate as percent and anything else in significant digits."""
    return percent(number) if unit == "rate" else significant(number)


def interval(estimate: Estimate, unit: Unit) -> str:
    """Return `18.3 % [17.9, 18.7]`, with as many decimals as the interval's width carries."""
    scale, suffix = (100.0, f"{THIN}%") if unit == "rate" else (1.0, "")
    return _interval(estimate, scale, suffix, sign=False)


def difference(estimate: Estimate | None, unit: Unit) -> str:
    """Return `+1.2 pp [0.3, 2.1]`; rates in percentage points."""
    if estimate is None:
        return UNKNOWN
    scale, suffix = (100.0, f"{THIN}pp") if unit == "rate" else (1.0, "")
    return _interval(estimate, scale, suffix, sign=True)


def change(relative: Estimate) -> str:
    """Return a relative change as `+1.2 % [0.3, 2.1]`."""
    return _interval(relative, 100.0, f"{THIN}%", sign=True)


def duration(seconds: float) -> str:
    """Return `0.42 s`, `12.3 s`, `3 min 20 s` or `2 h 5 min`."""
    if not isfinite(seconds):
        return UNKNOWN
    if seconds < 99.95:
        return f"{significant(seconds)}{THIN}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{THIN}min {rest}{THIN}s"
    return f"{minutes // 60}{THIN}h {minutes % 60}{THIN}min"


def memory(size: float) -> str:
    """Return bytes as `512 MB` or `1.34 GB`."""
    if not isfinite(size):
        return UNKNOWN
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{significant(size / unit)}{THIN}{name}"
    return f"{significant(size)}{THIN}B"


def split(text: str) -> tuple[str, str]:
    """Return the number and the bracket of what `interval` or `difference` wrote."""
    number, _, bracket = text.partition(" [")
    return number, f"[{bracket}" if bracket else ""


def confidence(level: float) -> str:
    """Return the confidence of an interval: `95 %`."""
    return f"{level * 100:g}{THIN}%"


def moment(text: str) -> str:
    """Return an ISO 8601 time as `1 Mar 2026, 06:00 UTC`; other text stays as it is."""
    at = _parsed(text)
    if at is None:
        return text
    return f"{_date(at)} {at.year}, {at:%H:%M}{' UTC' if at.utcoffset() == timedelta(0) else ''}"


def day(text: str | None) -> str:
    """Return the date of an ISO 8601 time as `1 Mar 2026`; empty where there is none."""
    at = _parsed(text or "")
    return text or "" if at is None else f"{_date(at)} {at.year}"


def span(first: str, last: str) -> str:
    """Return two ISO 8601 times as `18 Jan – 1 Mar 2026`."""
    start, end = _parsed(first), _parsed(last)
    if start is None or end is None or start.year != end.year:
        return f"{day(first)} – {day(last)}"
    return f"{_date(start)} – {_date(end)} {end.year}"


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _date(at: datetime) -> str:
    # not strftime: its month names follow the machine's locale
    return f"{at.day} {_MONTHS[at.month - 1]}"


def _interval(estimate: Estimate, scale: float, suffix: str, *, sign: bool) -> str:
    if not isfinite(estimate.value):
        return UNKNOWN
    value, low, high = (number * scale for number in (estimate.value, estimate.low, estimate.high))
    half = (high - low) / 2
    extreme = max(abs(number) for number in (value, low, high) if isfinite(number))
    if not isfinite(half) or half <= 0 or extreme >= 1e9 or extreme < 1e-5:
        bounds = f" [{significant(low)}, {significant(high)}]" if isfinite(half) else ""
        text = significant(value)
    else:
        decimals = min(max(1 - floor(log10(half)), 0), _MOST_DECIMALS)
        # the first digit of a wide interval is all that it carries
        decimals = min(decimals, max(3 - floor(log10(extreme)), 0))
        bounds = f" [{_minus(f'{low:,.{decimals}f}')}, {_minus(f'{high:,.{decimals}f}')}]"
        text = _minus(f"{value:,.{decimals}f}")
    plus = "+" if sign and value > 0 and not text.startswith("+") else ""
    return f"{plus}{text}{suffix}{bounds}"


def _fixed(number: float, digits: int) -> str:
    decimals = digits - 1 - floor(log10(abs(number)))
    return f"{number:,.{max(decimals, 0)}f}"


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _minus(text: str) -> str:
    if text.lstrip("-").strip("0.,") == "":
        return text.lstrip("-")
    return text.replace("-", MINUS)


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
