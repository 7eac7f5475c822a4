"""Compiled passes over a range of users. Each adds to accumulators that the caller owns.

The passes read a candidate once: its value and its arm. What an arm costs is summed before, once a pass;
what a candidate uses of its own is a sparse row, given as offsets, limits and amounts, or three times None,
which compiles to a function without that part.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

#: Weights below exp(-40) of the best are below the rounding of the sum.
_NEGLIGIBLE: Final = -40.0


@njit(nogil=True, cache=True)
def price_rows(offsets, limit, amount, prices, priced):  # type: ignore[no-untyped-def]
    """Write what each sparse row costs into priced, float64 [rows], at prices float64 [limits]."""
    for row in range(len(priced)):
        price = 0.0
        for k in range(offsets[row], offsets[row + 1]):
            price += amount[k] * prices[limit[k]]
        priced[row] = price


@njit(nogil=True, cache=True)
def total_rows(offsets, limit, amount, mass, totals):  # type: ignore[no-untyped-def]
    """Add the use of sparse rows, each so many times as mass, float64 [rows], to totals, float64 [limits]."""
    for row in range(len(mass)):
        if mass[row] != 0.0:
            for k in range(offsets[row], offsets[row + 1]):
                totals[limit[k]] += amount[k] * mass[row]


@njit(nogil=True, cache=True, error_model="numpy")
def softmax_pass(  # type: ignore[no-untyped-def]
    first,
    last,
    offsets,
    values,
    arm,
    arm_price,
    own_offsets,
    own_limit,
    own_amount,
    prices,
    temperature,
    mass,
    own_totals,
    sums,
):
    """Add up the softmax of users first..last.

    Args:
        mass: float64 [arms], gains the probability of each arm.
        own_totals: float64 [limits], gains the candidates' own expected uses.
        sums: float64 [3], gains t log sum exp(worth / t), expected value, and the largest worth.
    """
    width = _widest(offsets, first, last)
    worth, weight, place = np.empty(width), np.empty(width), np.empty(width, np.int64)
    inverse = 1.0 / temperature
    smooth, expected, largest = 0.0, 0.0, 0.0
    for user in range(first, last):
        start, count = offsets[user], offsets[user + 1] - offsets[user]
        value, arms = values[start : start + count], arm[start : start + count]
        best = -np.inf
        for a in range(count):
            worth[a] = value[a] - arm_price[arms[a]]
            if own_offsets is not None:
                worth[a] -= _own_use(start + a, own_offsets, own_limit, own_amount, prices)
            best = max(best, worth[a])
        # which candidates weigh anything cannot be predicted, so they are listed without a branch
        lowest, near = best + _NEGLIGIBLE * temperature, 0
        for a in range(count):
            place[near] = a
            near += worth[a] > lowest
        total = 0.0
        for k in range(near):
            weight[k] = math.exp((worth[place[k]] - best) * inverse)
            total += weight[k]
        share, gained = 1.0 / total, 0.0
        for k in range(near):
            a = place[k]
            probability = weight[k] * share
            gained += probability * value[a]
            mass[arms[a]] += probability
            if own_offsets is not None:
                _spread(start + a, probability, own_offsets, own_limit, own_amount, own_totals)
        smooth += best + temperature * math.log(total)
        expected += gained
        largest += best
    sums[0] += smooth
    sums[1] += expected
    sums[2] += largest


@njit(nogil=True, cache=True, error_model="numpy")
def probability_pass(  # type: ignore[no-untyped-def]
    first,
    last,
    offsets,
    values,
    arm,
    arm_price,
    own_offsets,
    own_limit,
    own_amount,
    prices,
    temperature,
    out,
):
    """Write the softmax of users first..last into out, float64 [n]."""
    for user in range(first, last):
        start, count = offsets[user], offsets[user + 1] - offsets[user]
        worth = out[start : start + count]
        best = -np.inf
        for a in range(count):
            worth[a] = values[start + a] - arm_price[arm[start + a]]
            if own_offsets is not None:
                worth[a] -= _own_use(start + a, own_offsets, own_limit, own_amount, prices)
            best = max(best, worth[a])
        total = _weights(worth, count, best, temperature)
        for a in range(count):
            worth[a] /= total


@njit(nogil=True, cache=True, error_model="numpy")
def curvature_pass(  # type: ignore[no-untyped-def]
    first,
    last,
    offsets,
    probability,
    arm,
    arm_step,
    own_offsets,
    own_limit,
    own_amount,
    step,
    mass,
    own_totals,
):
    """Add the covariance of uses times a step over limits: sum_u Cov_u(c) step.

    Args:
        probability: float64 [n] of each candidate.
        arm_step: float64 [arms] use of each arm times the step.
        step: float64 [limits].
        mass: float64 [arms], gains what is to be multiplied with the arms' uses.
        own_totals: float64 [limits], gains the candidates' own part.
    """
    change = np.empty(_widest(offsets, first, last))
    for user in range(first, last):
        start, count = offsets[user], offsets[user + 1] - offsets[user]
        chance, arms = probability[start : start + count], arm[start : start + count]
        mean = 0.0
        for a in range(count):
            if chance[a] > 0.0:
                change[a] = arm_step[arms[a]]
                if own_offsets is not None:
                    change[a] += _own_use(start + a, own_offsets, own_limit, own_amount, step)
                mean += chance[a] * change[a]
        for a in range(count):
            if chance[a] > 0.0:
                share = chance[a] * (change[a] - mean)
                mass[arms[a]] += share
                if own_offsets is not None:
                    _spread(start + a, share, own_offsets, own_limit, own_amount, own_totals)


@njit(nogil=True, cache=True, error_model="numpy")
def _weights(worth, count, best, temperature):  # type: ignore[no-untyped-def]
    """Replace worth by exp((worth - best) / t), and return the sum."""
    total, inverse = 0.0, 1.0 / temperature
    for a in range(count):
        below = (worth[a] - best) * inverse
        if below > _NEGLIGIBLE:
            worth[a] = math.exp(below)
            total += worth[a]
        else:
            worth[a] = 0.0
    return total


@njit(nogil=True, cache=True)
def _own_use(a, own_offsets, own_limit, own_amount, per_limit):  # type: ignore[no-untyped-def]
    use = 0.0
    for k in range(own_offsets[a], own_offsets[a + 1]):
        use += own_amount[k] * per_limit[own_limit[k]]
    return use


@njit(nogil=True, cache=True)
def _spread(a, share, own_offsets, own_limit, own_amount, own_totals):  # type: ignore[no-untyped-def]
    for k in range(own_offsets[a], own_offsets[a + 1]):
        own_totals[own_limit[k]] += share * own_amount[k]


@njit(nogil=True, cache=True)
def _widest(offsets, first, last):  # type: ignore[no-untyped-def]
    width = 0
    for user in range(first, last):
        width = max(width, offsets[user + 1] - offsets[user])
    return width


@njit(nogil=True, cache=True, error_model="numpy")
def screen_pass(  # type: ignore[no-untyped-def]
    first,
    last,
    offsets,
    values,
    arm,
    arm_price,
    own_offsets,
    own_limit,
    own_amount,
    prices,
    arm_rise,
    arm_fall,
    rise,
    fall,
    kept,
    counts,
    mass,
    own_totals,
):
    """Mark candidates that may be their user's best when prices move; a single one goes to the totals.

    Args:
        arm_rise, arm_fall: float64 [arms] how far the price of an arm's candidates may rise and fall.
        rise, fall: float64 [limits] how far the price of a candidate's own uses may.
        kept: bool [n], false before.
        counts: int64 [users], 0 before; gets the number kept, but 0 for one.
        mass: float64 [arms], gains 1 for a candidate that is the only one.
        own_totals: float64 [limits], gains such candidates' own uses.
    """
    highest = np.empty(_widest(offsets, first, last))
    for user in range(first, last):
        start, count = offsets[user], offsets[user + 1] - offsets[user]
        surest = -np.inf
        for a in range(count):
            r = arm[start + a]
            worth, up, down = values[start + a] - arm_price[r], arm_rise[r], arm_fall[r]
            if own_offsets is not None:
                worth -= _own_use(start + a, own_offsets, own_limit, own_amount, prices)
                up += _own_use(start + a, own_offsets, own_limit, own_amount, rise)
                down += _own_use(start + a, own_offsets, own_limit, own_amount, fall)
            highest[a] = worth + down
            surest = max(surest, worth - up)
        near, which = 0, 0
        for a in range(count):
            if highest[a] >= surest:
                near, which = near + 1, start + a
        if near == 1:
            mass[arm[which]] += 1.0
            if own_offsets is not None:
                _spread(which, 1.0, own_offsets, own_limit, own_amount, own_totals)
            continue
        counts[user] = near
        for a in range(count):
            kept[start + a] = highest[a] >= surest
