"""Compiled decisions one after the other, each within what the ones before left."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def ordered_pass(  # type: ignore[no-untyped-def]
    offsets,
    values,
    arm,
    use_offsets,
    use_limit,
    use_amount,
    own_offsets,
    own_limit,
    own_amount,
    prices,
    temperature,
    uniform,
    used,
    most,
    chosen,
    propensity,
):
    """Write each user's choice and its propensity; used, float64 [limits], gains what is chosen."""
    width = 0
    for user in range(len(offsets) - 1):
        width = max(width, offsets[user + 1] - offsets[user])
    weight, use = np.empty(width), np.zeros(len(used))
    for user in range(len(offsets) - 1):
        start, count = offsets[user], offsets[user + 1] - offsets[user]
        best = -np.inf
        for a in range(count):
            first, last = use_offsets[arm[start + a]], use_offsets[arm[start + a] + 1]
            _gather(first, last, use_limit, use_amount, use)
            if own_offsets is not None:
                _gather(own_offsets[start + a], own_offsets[start + a + 1], own_limit, own_amount, use)
            cost = _priced(first, last, use_limit, prices, used, most, use)
            if own_offsets is not None:
                cost += _priced(
                    own_offsets[start + a], own_offsets[start + a + 1], own_limit, prices, used, most, use
                )
            weight[a] = values[start + a] - cost
            best = max(best, weight[a])
        total = 0.0
        for a in range(count):
            weight[a] = math.exp((weight[a] - best) / temperature) if weight[a] > -np.inf else 0.0
            total += weight[a]
        if not total > 0.0:
            continue
        target, running, choice = uniform[user] * total, 0.0, -1
        for a in range(count):
            if weight[a] > 0.0 and (choice < 0 or running <= target):
                choice = a
            running += weight[a]
        chosen[user], propensity[user] = start + choice, weight[choice] / total
        place = start + choice
        _gather(use_offsets[arm[place]], use_offsets[arm[place] + 1], use_limit, use_amount, used)
        if own_offsets is not None:
            _gather(own_offsets[place], own_offsets[place + 1], own_limit, own_amount, used)


@njit(nogil=True, cache=True)
def _gather(first, last, limit, amount, into):  # type: ignore[no-untyped-def]
    for k in range(first, last):
        into[limit[k]] += amount[k]


@njit(nogil=True, cache=True)
def _priced(first, last, limit, prices, used, most, use):  # type: ignore[no-untyped-def]
    """Return the cost of what was gathered, infinite where it does not fit, and clear it."""
    cost = 0.0
    for k in range(first, last):
        j = limit[k]
        if use[j] > 0.0:
            cost += use[j] * prices[j] if used[j] + use[j] <= most[j] else np.inf
            use[j] = 0.0
    return cost
