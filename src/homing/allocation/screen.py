"""Candidates that cannot matter at prices near some prices are left out, and users without a choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand
from homing.allocation.dual import candidate_arrays, over_blocks, own_arrays
from homing.allocation.kernel import screen_pass


def screened(
    demand: Demand,
    prices: NDArray[np.float64],
    margin: float,
    rise: NDArray[np.float64],
    fall: NDArray[np.float64],
    threads: int = 0,
) -> tuple[Demand, NDArray[np.float64]]:
    """Return the candidates that may be their user's best when prices move, and the use of single ones.

    Args:
        demand: users with their candidates.
        prices: float64 [limits] at which candidates are compared.
        margin: how far each candidate's worth may move, in utility.
        rise, fall: float64 [limits] how far each price may rise and fall besides.
        threads: as `homing.allocation.softmaxes`.

    Returns:
        users with two or more such candidates; float64 [limits] use of the others' only one.
    """
    arm_price = demand.uses.prices(prices)
    arm_rise, arm_fall = margin + demand.uses.prices(rise), margin + demand.uses.prices(fall)
    candidates, own = candidate_arrays(demand), own_arrays(demand)
    kept = np.zeros(len(demand.values), np.bool_)
    counts = np.zeros(len(demand), np.int64)

    def block(first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mass, own_totals = np.zeros(len(arm_price)), np.zeros(len(prices))
        screen_pass(
            first,
            last,
            *candidates,
            arm_price,
            *own,
            prices,
            arm_rise,
            arm_fall,
            rise,
            fall,
            kept,
            counts,
            mass,
            own_totals,
        )
        return mass, own_totals

    blocks = over_blocks(block, demand, threads)
    totals = sum(
        (demand.uses.totals(mass, len(prices)) + rest for mass, rest in blocks), np.zeros(len(prices))
    )
    place = np.flatnonzero(kept)
    own_rows = None if demand.own is None else demand.own.take(place)
    offsets = np.concatenate([[0], np.cumsum(counts[counts > 0])])
    return Demand(offsets, demand.values[place], demand.arm[place], demand.uses, own_rows), totals
