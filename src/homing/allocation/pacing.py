"""Prices within a period: what was used so far moves them, and a hard stop stands behind them.

The rule keeps no state of its own. From what was used, how many users came and what part of the period has
passed it says today's prices, so any number of servers that read the same counters agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand
from homing.allocation.dual import candidate_arrays, own_arrays, probabilities
from homing.allocation.ordered_kernel import ordered_pass
from homing.allocation.rounding import total_deviations
from homing.allocation.solution import Solution
from homing.schema.errors import InputError

#: Arrivals of so large a share of the period count for as much as the forecast.
_PRIOR: Final = 0.05
#: A price moves by at most so many of its responses, up or down.
_FARTHEST: Final = 20.0


@dataclass(frozen=True)
class Pace:
    """What was planned for a period, as far as pacing needs it."""

    prices: NDArray[np.float64]  # [limits] planned
    totals: NDArray[np.float64]  # [limits] use expected over the period at the planned prices
    most: NDArray[np.float64]  # [limits] use that must not be passed
    response: NDArray[np.float64]  # [limits] how much more price divides use by e
    arrivals: float  # users expected over the period

    @classmethod
    def of(cls, demand: Demand, solution: Solution, most: NDArray[np.float64]) -> Pace:
        """Return the pace of a plan for forecast demand.

        The response to a price is use over its slope, and the slope is the variance of the total over the
        temperature.

        Args:
            demand: the forecast that was solved.
            solution: its prices.
            most: float64 [limits], inf where there is none.
        """
        chance = probabilities(demand, solution.prices, solution.temperature)
        slope = total_deviations(demand, chance, len(most)) ** 2 / solution.temperature
        totals = solution.certificate.totals
        response = np.where(slope > 0, totals / np.where(slope > 0, slope, 1.0), solution.temperature)
        return cls(solution.prices, totals, most, response, float(len(demand)))

    def at(self, used: NDArray[np.float64], arrived: float, passed: float) -> NDArray[np.float64]:
        """Return the prices from here on: float64 [limits].

        What is left of a limit is set against what the users to come would use at the planned prices, and
        use is taken to fall by e for each response that the price rises. Users are taken to go on coming as
        they did; if they were fewer than forecast, the missing ones may be late, which is given up as the
        period passes: what is used too early cannot be had back. A minimum's subsidy, a price below 0, stays
        as planned.

        Args:
            used: float64 [limits] so far.
            arrived: users so far.
            passed: share of the period's users who were expected by now, in [0, 1].

        Raises:
            InputError: `passed` outside [0, 1].
        """
        if not 0 <= passed <= 1:
            raise InputError(
                f"passed == {passed}, must be in [0, 1]; it is the share of users expected by now"
            )
        share = arrived / self.arrivals
        going_on = (1 - passed) * (share + _PRIOR) / (passed + _PRIOR)
        late = max(1 - share - going_on, 0.0)
        coming = self.totals * (going_on + (1 - passed) * late)
        left = np.maximum(self.most - used, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            short = np.log(coming / left)
        short = np.where(coming > 0, short, 0.0)
        moved = self.prices + self.response * np.clip(short, -_FARTHEST, _FARTHEST)
        limited = (self.most < np.inf) & (self.prices >= 0)
        return np.where(limited, np.maximum(moved, 0.0), self.prices)


def decide_in_order(
    demand: Demand,
    prices: NDArray[np.float64],
    temperature: float,
    uniform: NDArray[np.float64],
    used: NDArray[np.float64],
    most: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw for users one after the other, and never pass a limit.

    A candidate whose use no longer fits is not drawn from, so the propensity is exact given what was used
    before.

    Args:
        demand: users in the order in which they come; each has a candidate that uses nothing.
        prices: float64 [limits].
        temperature: in utility.
        uniform: float64 [users] in [0, 1).
        used: float64 [limits] so far; gains what these users use.
        most: float64 [limits] that may not be passed.

    Returns:
        int64 [users] places of the chosen candidates; float64 [users] their propensities.

    Raises:
        InputError: a user for whom no candidate fits.
    """
    chosen, propensity = np.full(len(demand), -1, np.int64), np.zeros(len(demand))
    ordered_pass(
        *candidate_arrays(demand),
        *demand.uses.arrays,
        *own_arrays(demand),
        prices,
        temperature,
        uniform,
        used,
        most,
        chosen,
        propensity,
    )
    stopped = np.flatnonzero(chosen < 0)
    if len(stopped):
        raise InputError(
            f"no candidate of user {stopped[0]} fits in what is left; give every user hold, free"
        )
    return chosen, propensity
