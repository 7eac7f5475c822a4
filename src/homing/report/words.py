"""What experiments and holdouts say in sentences, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

from homing.report.experiment import Answer, Readout
from homing.report.holdout import HoldoutDifference, HoldoutMetric

ANSWERS: Final[dict[Answer, str]] = {
    "better": "better",
    "worse": "worse",
    "cannot_tell": "cannot tell",
    "unknown": "not known",
}

#: Age of a holdout under which its differences are those of first days.
YOUNG_DAYS: Final = 28
TONES: Final[dict[Answer, str]] = {
    "better": "good",
    "worse": "bad",
    "cannot_tell": "neutral",
    "unknown": "doubt",
}


def segments_in_words(facts: Readout) -> str:
    """Return for whom the effect is another one; empty where there are no segments to compare."""
    if not facts.segments:
        return ""
    many = len(facts.segments)
    different = [segment for segment in facts.segments if segment.differs]
    if not different:
        columns = ", ".join(dict.fromkeys(segment.column for segment in facts.segments))
        return (
            f"Segments ({columns}): none differs from the others that can be told, of {_counted(many)}; that "
            "does not make effects equal."
        )
    told = "; ".join(
        f"{s.metric} of {s.arm}, {s.column} {s.name}: {_told(facts, s.effect.value)}, all others "
        f"{_told(facts, s.rest)}"
        for s in different
    )
    return f"Segments in which the effect is another one than in all others, of {_counted(many)}: {told}."


def crossings_in_words(facts: Readout) -> str:
    """Return whether effects depend on experiments that ran at the same time; empty where there were none."""
    if not facts.crossings:
        return ""
    others = ", ".join(dict.fromkeys(crossing.other for crossing in facts.crossings))
    different = [crossing for crossing in facts.crossings if crossing.differs]
    if not any(isfinite(crossing.p_value) for crossing in facts.crossings):
        return f"Whether effects depend on the arm of {others} is not known: too few users are in both."
    if not different:
        return (
            f"That an effect depends on the arm of {others} cannot be told, of "
            f"{_counted(len(facts.crossings))}; only large interactions would be seen."
        )
    told = "; ".join(
        f"{c.metric} of {c.arm}: {_told(facts, c.together)} under {c.other_arm} of {c.other}, "
        f"{_told(facts, c.alone)} under its {c.other_control}"
        for c in different
    )
    return f"Effects depend on another experiment: {told}. They will be others when it has ended."


def holdout_in_words(metrics: Sequence[HoldoutMetric], since: str, days: int) -> str:
    """Return what all messages together changed since a date, in sentences."""
    changed = [
        f"{each.metric} {_change(each.cumulative[-1])} ({each.answer})"
        for each in metrics
        if each.answer in ("better", "worse")
    ]
    unsure = [each.metric for each in metrics if each.direction != "none" and each.answer == "cannot_tell"]
    unknown = [each.metric for each in metrics if each.direction != "none" and each.answer == "unknown"]
    parts = []
    if changed:
        parts.append(f"Since {since} all messages together changed {'; '.join(changed)}.")
    if unsure:
        lead = "Of" if changed else f"Since {since}, of"
        parts.append(f"{lead} {', '.join(unsure)} no change can be seen.")
    if unknown:
        parts.append(f"Of {', '.join(unknown)} nothing is known.")
    if days < YOUNG_DAYS:
        parts.append(
            f"The holdout is {days} {'day' if days == 1 else 'days'} old: these are effects of first days."
        )
    return " ".join(parts)


def _change(found: HoldoutDifference) -> str:
    if isfinite(found.relative.low):
        value, low, high = (100 * x for x in (found.relative.value, found.relative.low, found.relative.high))
        return f"by {value:+.3g} % [{low:.3g}, {high:.3g}]"
    apart = found.absolute
    return f"by {apart.value:+.3g} [{apart.low:.3g}, {apart.high:.3g}] per user"


def _told(facts: Readout, value: float) -> str:
    return f"{value * 100:+.3g} %" if facts.scale == "relative" else f"{value:+.3g}"


def _counted(many: int) -> str:
    return "one comparison" if many == 1 else f"{many} comparisons"
