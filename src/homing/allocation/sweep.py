"""Limits of few units, each moved to where its own use meets its bound.

Such a limit's use is a staircase of single users, flat between them, so a quadratic model does not say how
far its price has to go. The log odds of its candidates do: with the other prices as they are, they give
its use at every price. Minimising along one coordinate after another cannot raise the dual (Bertsekas,
Nonlinear Programming, 1999, section 2.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand, Uses
from homing.allocation.sides import Sides
from homing.allocation.sweep_kernel import level_pass, list_pass, sweep_pass
from homing.schema.read_only import read_only


@dataclass(frozen=True)
class ByLimit:
    """The candidates that use some limits, one limit after the other."""

    demand: Demand
    start: NDArray[np.int64]  # [limits] of the entries
    ends: NDArray[np.int64]  # [limits]
    place: NDArray[np.int32]  # [entries] candidate, rising within a limit
    amount: NDArray[np.float32]  # [entries] its use of the limit
    owner: NDArray[np.int32]  # [entries] its user

    @classmethod
    def of(cls, demand: Demand, some: NDArray[np.bool_]) -> Self:
        """Return the candidates of some limits, bool [limits]."""
        rows = _only(demand.uses, some)
        own: tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None] = (None, None, None)
        per_arm = np.bincount(demand.arm, minlength=len(demand.uses)).astype(np.float64)
        each = Uses(rows[0], rows[1], np.ones(len(rows[1]), np.float32))
        counts = each.totals(per_arm, len(some)).astype(np.int64)
        if demand.own is not None:
            own = own_rows = _only(demand.own, some)
            counts += np.bincount(own_rows[1], minlength=len(some))
        start = np.cumsum(counts) - counts
        ends, place, amount = (
            start.copy(),
            np.zeros(counts.sum(), np.int32),
            np.zeros(counts.sum(), np.float32),
        )
        list_pass(read_only(demand.arm), *rows, *own, start, ends, place, amount)
        user = np.repeat(np.arange(len(demand), dtype=np.int32), demand.counts)
        return cls(demand, start, ends, place, amount, user[place])

    def swept(
        self,
        sides: Sides,
        x: NDArray[np.float64],
        temperature: float,
        chosen: NDArray[np.int64],
        box: tuple[NDArray[np.float64], NDArray[np.float64]],
        enough: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return multipliers of which some moved, one after the other, to where the dual is least.

        Args:
            sides: the bounds.
            x: float64 [sides] multipliers before.
            temperature: in utility.
            chosen: int64 [chosen] sides that move, of limits that are listed.
            box: float64 [sides] least and largest multipliers.
            enough: float64 [sides] a slack that is as good as none, in the limit's unit.
        """
        prices, demand = sides.prices(x), self.demand
        worth = demand.values - demand.uses.prices(prices)[demand.arm]
        if demand.own is not None:
            worth -= demand.own.prices(prices)
        worth /= temperature
        level, moved = np.empty(len(demand)), x / temperature
        level_pass(demand.offsets, worth, level)
        sweep_pass(
            chosen,
            sides.limit,
            sides.sign,
            sides.bound,
            box[0] / temperature,
            box[1] / temperature,
            enough,
            self.start,
            self.ends,
            self.place,
            self.amount,
            self.owner,
            demand.offsets,
            worth,
            level,
            moved,
        )
        ahead = x.copy()
        ahead[chosen] = np.clip(moved[chosen] * temperature, box[0][chosen], box[1][chosen])
        return ahead


def _only(
    uses: Uses, some: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Return offsets, limits and amounts of the entries of some limits."""
    keep = some[uses.limit]
    return np.concatenate([[0], np.cumsum(keep)])[uses.offsets], uses.limit[keep], uses.amount[keep]
