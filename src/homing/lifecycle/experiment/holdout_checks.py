"""Whether a global holdout may be read: is it who the hash says, always, and were these like the others?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.experiments import Check, Moments, before_start, mean, sample_ratio
from homing.store import Held

_ALPHA: Final = 0.001


@dataclass(frozen=True)
class Counts:
    """Users who could count, by side, as the ledger has them."""

    held: int = 0  # with a decision as held out
    rest: int = 0  # with another decision
    astray: int = 0  # with decisions of the side that their hash does not give

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.held + other.held, self.rest + other.rest, self.astray + other.astray)

    @classmethod
    def of(cls, held: NDArray[np.bool_], when: Held, start: int) -> Counts:
        """Return the counts of some users, given who is held out by the hash, from an instant (us) on."""
        inside, outside = when.last_in >= start, when.last_out >= start
        astray = np.where(held, outside, inside)
        return cls(int((held & inside).sum()), int((~held & outside).sum()), int(astray.sum()))


def holdout_checks(share: float, counts: Counts, before: Moments, control: str) -> tuple[Check, ...]:
    """Return the checks of which one that fails stops the reading.

    Args:
        share: of users who are to be held out.
        counts: of users with decisions.
        before: of what users did before anybody was held out, by side.
        control: the side that is held out.
    """
    sides = Moments(
        ("held", "rest"),
        (),
        np.array([counts.held, counts.rest], np.float64),
        np.zeros((2, 0)),
        np.zeros((2, 0, 0)),
    )
    ratio = sample_ratio(sides, {"held": share, "rest": 1 - share}, alpha=_ALPHA)
    detail = f"{counts.astray:,} users have decisions of the side that their hash does not give"
    if counts.astray:
        detail += "; was the share or the salt changed? Read it from then on with --since"
    checks = (
        Check("share of users with decisions", ratio.p_value, ratio.alpha, ratio.detail),
        Check("always on one side", 0.0 if counts.astray else 1.0, _ALPHA, detail),
    )
    varied = [mean(name) for name in before.columns if before.select([name]).scatter.sum() > 0]
    return (*checks, before_start(before, varied, control, alpha=_ALPHA)) if varied else checks
