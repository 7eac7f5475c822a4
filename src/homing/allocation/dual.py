"""The dual of the entropy-regularised allocation: one smooth convex function of the prices.

    maximise sum_u [sum_a pi_a v_a + t H(pi)]  subject to  least <= sum pi c <= most

has the dual: minimise over prices p, one signed number per limit,

    sum_u t log sum_a exp((v_a - p . c_a) / t) + sum_j (most_j p_j if p_j > 0 else least_j p_j),

and at its minimum the optimum is pi_a = softmax_a((v - p . c) / t), which is what decisions are drawn from.
The gradient of the first sum is minus the expected use of each limit, its Hessian the covariance of uses
over t (Boyd and Vandenberghe, Convex Optimization, 2004, section 5.1.6 with the entropy's conjugate).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand
from homing.allocation.kernel import curvature_pass, probability_pass, softmax_pass
from homing.schema.read_only import read_only

#: Users are cut into the same ranges whatever the number of threads, so that sums have the same bits.
_BLOCKS: Final = 32
_LEAST: Final = 512

T = TypeVar("T")


@dataclass(frozen=True)
class Softmaxes:
    """Sums over all users of their softmax at some prices and temperature."""

    smooth: float  # sum of t log sum exp(worth / t)
    value: float  # expected value
    best: float  # sum of each user's largest worth: the smooth sum as t goes to 0
    totals: NDArray[np.float64]  # [limits] expected use
    mass: NDArray[np.float64]  # [arms] expected number of users with each arm


def softmaxes(demand: Demand, prices: NDArray[np.float64], temperature: float, threads: int = 0) -> Softmaxes:
    """Return the sums over all users, in one pass over the candidates.

    Args:
        demand: users with their candidates.
        prices: float64 [limits] utility per unit of each limit.
        temperature: in utility, > 0.
        threads: at most so many at a time; 0: as many as this process has cores. The result has the same
            bits whatever the number.
    """
    arm_price = demand.uses.prices(prices)
    candidates, own = candidate_arrays(demand), own_arrays(demand)

    def block(first: int, last: int) -> tuple[NDArray[np.float64], ...]:
        mass, own_totals, sums = np.zeros(len(arm_price)), np.zeros(len(prices)), np.zeros(3)
        softmax_pass(
            first,
            last,
            *candidates,
            arm_price,
            *own,
            prices,
            temperature,
            mass,
            own_totals,
            sums,
        )
        return mass, own_totals, sums

    mass, own_totals, sums = _summed(block, demand, threads)
    totals = demand.uses.totals(mass, len(prices)) + own_totals
    return Softmaxes(float(sums[0]), float(sums[1]), float(sums[2]), totals, mass)


def probabilities(
    demand: Demand, prices: NDArray[np.float64], temperature: float, threads: int = 0
) -> NDArray[np.float64]:
    """Return the softmax of every user over its candidates: float64 [n]; arguments as `softmaxes`."""
    out = np.empty(len(demand.values))
    arm_price = demand.uses.prices(prices)
    candidates, own = candidate_arrays(demand), own_arrays(demand)

    def block(first: int, last: int) -> None:
        probability_pass(
            first,
            last,
            *candidates,
            arm_price,
            *own,
            prices,
            temperature,
            out,
        )

    over_blocks(block, demand, threads)
    return out


def curvature(
    demand: Demand, probability: NDArray[np.float64], step: NDArray[np.float64], threads: int = 0
) -> NDArray[np.float64]:
    """Return sum over users of Cov(c) step: float64 [limits]; over t it is the Hessian times the step.

    Args:
        demand: users with their candidates.
        probability: float64 [n] the softmax at which the Hessian is taken.
        step: float64 [limits].
        threads: as `softmaxes`.
    """
    arm_step = demand.uses.prices(step)
    (offsets, _, arm), own = candidate_arrays(demand), own_arrays(demand)

    def block(first: int, last: int) -> tuple[NDArray[np.float64], ...]:
        mass, own_totals = np.zeros(len(arm_step)), np.zeros(len(step))
        curvature_pass(first, last, offsets, probability, arm, arm_step, *own, step, mass, own_totals)
        return mass, own_totals

    mass, own_totals = _summed(block, demand, threads)
    return demand.uses.totals(mass, len(step)) + own_totals


def candidate_arrays(demand: Demand) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Return users' offsets, and candidates' values and arms, for compiled code."""
    return read_only(demand.offsets), read_only(demand.values), read_only(demand.arm)


def own_arrays(demand: Demand) -> tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None]:
    """Return the candidates' own uses for compiled code."""
    own = demand.own
    return (None, None, None) if own is None else own.arrays


def _summed(
    function: Callable[[int, int], tuple[NDArray[np.float64], ...]], demand: Demand, threads: int
) -> list[NDArray[np.float64]]:
    """Return the sums over blocks, in the order of the blocks, of each array that the function gives."""
    blocks = over_blocks(function, demand, threads) or [function(0, 0)]
    return [sum(parts[1:], parts[0]) for parts in zip(*blocks, strict=True)]


def over_blocks(function: Callable[[int, int], T], demand: Demand, threads: int) -> list[T]:
    """Return what the function gives for ranges of users, in order.

    There are at most so many ranges that their accumulators, one number an arm, are no larger than the
    candidates themselves.
    """
    users = len(demand)
    blocks = min(_BLOCKS, -(-users // _LEAST), max(1, len(demand.values) // max(len(demand.uses), 1)))
    edges = [users * block // blocks for block in range(blocks + 1)] if users else []
    threads = min(threads or len(os.sched_getaffinity(0)), blocks)
    if threads <= 1:
        return [function(first, last) for first, last in pairwise(edges)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, edges[:-1], edges[1:]))
