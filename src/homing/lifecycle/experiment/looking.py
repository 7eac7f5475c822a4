"""How an experiment may be read before its end: the alpha of this look, for an alpha of all looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from homing.experiments import always_valid, crossing_probability, group_sequential, plan_looks
from homing.schema.experiment import Design
from homing.schema.experiment_record import Record
from homing.schema.times import DAY, format_time

_WEEK: Final = 7
_LEAST: Final = 1e-15  # alpha of a look; so that one less it is less than 1


@dataclass(frozen=True)
class Look:
    """One look at an experiment."""

    design: Design
    shares: tuple[float, ...]  # of the planned days at all looks so far, rising; this is the last

    @property
    def share(self) -> float:
        """Share of the planned days that have passed, in (0, 1]."""
        return self.shares[-1]

    @property
    def final(self) -> bool:
        """Whether it is at the planned end."""
        return self.share >= 1

    def nominal(self, alpha: float) -> float:
        """Return the one-sided alpha of this look alone, where all looks together have `alpha`.

        Looks are at shares of the planned days. Always-valid bounds hold however information grows. Group
        sequential ones hold where it grows with days or more slowly, and pass alpha by up to a tenth where it
        begins late, as in metrics over users who are old enough (benchmarks/RESULTS.md).
        """
        if self.design.looks == "group_sequential":
            bounds = group_sequential(self.shares, alpha, self.design.spending, alternative="greater")
            return _below(float(bounds.critical[-1]))
        if self.design.looks == "none" and self.final:
            return alpha
        # where the end is all that is planned, only harm is looked for before it, at any time
        return _below(float(always_valid(np.array(1 / sqrt(self.share)), 1.0, alpha, "greater")))


@dataclass(frozen=True)
class PlannedLook:
    """One look of an experiment that is planned."""

    at: str  # ISO 8601
    share: float  # of the planned days
    alpha: float  # one-sided, of this look alone
    stops: float  # chance to see the effect here for the first time, if it is as planned


@dataclass(frozen=True)
class PlannedLooks:
    """Weekly looks, for a success metric in an experiment that has the size that looks take."""

    looks: tuple[PlannedLook, ...]
    inflation: float  # its users in multiples of an experiment with one look at the end
    expected_days: float  # until it is seen, if the effect is as planned
    expected_days_without_effect: float


def planned_looks(design: Design, starts_at: int, alpha: float, power: float) -> PlannedLooks:
    """Return the weekly looks of an experiment that would start at an instant.

    Always-valid bounds may be looked at any time; weekly looks stand for those, too.

    Args:
        design: how it may be read early.
        starts_at: us.
        alpha: one-sided, of all looks at one success metric.
        power: for each success metric.
    """
    shares = weekly_shares(design)
    nominal = [Look(design, shares[: place + 1]).nominal(alpha) for place in range(len(shares))]
    critical = [-NormalDist().inv_cdf(each) for each in nominal]
    found = plan_looks(critical, shares, alpha, power, "greater")
    stops = crossing_probability(critical, shares, found.drift, two_sided=False)
    return PlannedLooks(
        looks=tuple(
            PlannedLook(format_time(starts_at + round(share * design.days * DAY)), share, each, float(chance))
            for share, each, chance in zip(shares, nominal, stops, strict=True)
        ),
        inflation=found.inflation,
        expected_days=design.days * found.expected / found.inflation,
        expected_days_without_effect=design.days * found.expected_without_effect / found.inflation,
    )


def weekly_shares(design: Design) -> tuple[float, ...]:
    """Return the shares of the planned days at which an experiment is looked at if that is every week."""
    weeks = 1 if design.looks == "none" else max(design.days // _WEEK, 1)
    return tuple((week + 1) / weeks for week in range(weeks))


def holm(look: Look, p_values: Sequence[float], alpha: float) -> tuple[bool, ...]:
    """Return which of several two-sided tests are significant at a look, all looks and tests together.

    Step down (Holm 1979), each step with the alpha that this look has of its share, which holds over looks,
    too (Ye, Li, Liu & Yao 2013, section 2).

    Args:
        look: at which they are made.
        p_values: of each test alone; NaN, a test that cannot be made, counts as one and is not significant.
        alpha: of any false one, two-sided.
    """
    found = [False] * len(p_values)
    for rank, place in enumerate(np.argsort(np.asarray(p_values, np.float64), kind="stable")):  # NaN last
        if not p_values[place] <= 2 * look.nominal(alpha / 2 / (len(p_values) - rank)):
            break
        found[place] = True
    return tuple(found)


def look_at(record: Record, until: int) -> Look:
    """Return the look at what was known before an instant (us), after those that the record has."""
    planned = record.design.days * DAY
    earlier = [at for at in record.looks if record.started_at < at < until]
    shares = [min((at - record.started_at) / planned, 1.0) for at in (*earlier, until)]
    return Look(record.design, tuple(sorted(set(shares))))


def _below(critical: float) -> float:
    return max(NormalDist().cdf(-critical), _LEAST)
