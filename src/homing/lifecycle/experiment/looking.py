"""How an experiment may be read before its end: the alpha of this look, for an alpha of all looks."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from homing.experiments import always_valid, group_sequential
from homing.schema.experiment import Design
from homing.schema.experiment_record import Record
from homing.schema.times import DAY

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


def look_at(record: Record, until: int) -> Look:
    """Return the look at what was known before an instant (us), after those that the record has."""
    planned = record.design.days * DAY
    earlier = [at for at in record.looks if record.started_at < at < until]
    shares = [min((at - record.started_at) / planned, 1.0) for at in (*earlier, until)]
    return Look(record.design, tuple(sorted(set(shares))))


def _below(critical: float) -> float:
    return max(NormalDist().cdf(-critical), _LEAST)
