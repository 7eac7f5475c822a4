"""Compiled minimisation of the dual along one limit's price after another.

Worths, prices and levels are in temperatures here. A limit's entries are the candidates that use it, in the
order of users, so that those of one user stand together.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

#: Weights below exp(-40) of the rest are below the rounding of a sum.
_NEGLIGIBLE: Final = -40.0
#: Up to this share of its user's weight what others weigh is a difference; above it is summed again.
_SAFE: Final = 0.5
_TRIES: Final = 60


@njit(nogil=True, cache=True)
def list_pass(arm, offsets, limit, amount, own_offsets, own_limit, own_amount, start, ends, place, use):  # type: ignore[no-untyped-def]
    """List the entries of each limit, a candidate that names a limit twice once.

    Args:
        arm: int32 [n].
        offsets, limit, amount: sparse rows of arms.
        own_offsets, own_limit, own_amount: sparse rows of candidates, or three times None.
        start: int64 [limits], where each limit's entries begin.
        ends: int64 [limits], as start before; gets where they end.
        place: int32 [entries], gets the candidate.
        use: float32 [entries], gets its use of the limit.
    """
    for a in range(len(arm)):
        for k in range(offsets[arm[a]], offsets[arm[a] + 1]):
            j = limit[k]
            if ends[j] > start[j] and place[ends[j] - 1] == a:
                use[ends[j] - 1] += amount[k]
            else:
                place[ends[j]], use[ends[j]] = a, amount[k]
                ends[j] += 1
        if own_offsets is not None:
            for k in range(own_offsets[a], own_offsets[a + 1]):
                j = own_limit[k]
                if ends[j] > start[j] and place[ends[j] - 1] == a:
                    use[ends[j] - 1] += own_amount[k]
                else:
                    place[ends[j]], use[ends[j]] = a, own_amount[k]
                    ends[j] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def level_pass(offsets, worth, level):  # type: ignore[no-untyped-def]
    """Write each user's log sum exp of worth into level, float64 [users]."""
    for user in range(len(level)):
        level[user] = _log_sum(worth, offsets[user], offsets[user + 1], 0, 0, offsets)


@njit(nogil=True, cache=True, error_model="numpy")
def sweep_pass(  # type: ignore[no-untyped-def]
    chosen,
    limit,
    sign,
    bound,
    lowest,
    highest,
    enough,
    start,
    ends,
    place,
    amount,
    owner,
    offsets,
    worth,
    level,
    x,
):
    """Move one multiplier after another to where the dual is least along it, within its box.

    Args:
        chosen: int64 [chosen] sides, in the order in which they move.
        limit, sign, bound: [sides].
        lowest, highest: float64 [sides] the box.
        enough: float64 [sides] a slack that is as good as none.
        start, ends: int64 [limits] of the entries.
        place, amount, owner: [entries] candidate, use and user.
        offsets: int64 [users + 1].
        worth: float64 [n] at the prices of x; changes with x.
        level: float64 [users] log sum exp of worth; changes with x.
        x: float64 [sides] multipliers.
    """
    longest = 0
    for side in chosen:
        longest = max(longest, ends[limit[side]] - start[limit[side]])
    free, others = np.empty(longest), np.empty(longest)
    for side in chosen:
        first, last = start[limit[side]], ends[limit[side]]
        price = sign[side] * x[side]
        for k in range(first, last):
            free[k - first] = worth[place[k]] + price * amount[k]
        _weigh_others(first, last, place, owner, offsets, worth, level, others)
        n, uses, whose = last - first, amount[first:last], owner[first:last]
        x[side] = _least(
            x[side],
            lowest[side],
            highest[side],
            sign[side],
            bound[side],
            enough[side],
            n,
            uses,
            whose,
            free,
            others,
        )
        moved = sign[side] * x[side]
        if moved == price:
            continue
        for k in range(first, last):
            worth[place[k]] = free[k - first] - moved * amount[k]
        _level_anew(first, last, place, owner, worth, others, level)


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh_others(first, last, place, owner, offsets, worth, level, others):  # type: ignore[no-untyped-def]
    """Write the log of what all candidates weigh that are not among the entries, for each entry's user."""
    k = first
    while k < last:
        user, after, share = owner[k], k, 0.0
        while after < last and owner[after] == user:
            below = worth[place[after]] - level[user]
            share += math.exp(below) if below > _NEGLIGIBLE else 0.0
            after += 1
        if share < _SAFE:
            rest = level[user] + math.log1p(-share)
        else:
            rest = _log_sum(worth, offsets[user], offsets[user + 1], k, after, place)
        for q in range(k, after):
            others[q - first] = rest
        k = after


@njit(nogil=True, cache=True, error_model="numpy")
def _level_anew(first, last, place, owner, worth, others, level):  # type: ignore[no-untyped-def]
    """Write the levels of the entries' users."""
    k = first
    while k < last:
        user, rest, after = owner[k], others[k - first], k
        best = rest
        while after < last and owner[after] == user:
            best = max(best, worth[place[after]])
            after += 1
        if best > rest + _NEGLIGIBLE:
            total = math.exp(rest - best)
            for q in range(k, after):
                total += math.exp(worth[place[q]] - best)
            level[user] = best + math.log(total)
        k = after


@njit(nogil=True, cache=True, error_model="numpy")
def _log_sum(worth, start, end, first, last, place):  # type: ignore[no-untyped-def]
    """Return the log sum exp of worth[start:end] but for the candidates place[first:last], which rise."""
    best, k = -np.inf, first
    for a in range(start, end):
        if k < last and place[k] == a:
            k += 1
        else:
            best = max(best, worth[a])
    if best == -np.inf:
        return best
    total, k = 0.0, first
    for a in range(start, end):
        if k < last and place[k] == a:
            k += 1
        elif worth[a] - best > _NEGLIGIBLE:
            total += math.exp(worth[a] - best)
    return best + math.log(total)


@njit(nogil=True, cache=True, error_model="numpy")
def _least(x, lowest, highest, sign, bound, enough, n, amount, owner, free, others):  # type: ignore[no-untyped-def]
    """Return where in the box the dual is least along a multiplier.

    Its slope is what is left of the bound, which rises. Newton's steps, in strides that double until the
    root is between two points, and by halves where a step leads out of those: between users the use is flat.
    """
    below, above = lowest, highest
    passed_below, passed_above = False, False
    largest = 0.0
    for k in range(n):
        largest = max(largest, amount[k])
    stride = 1.0 / largest if largest > 0.0 else np.inf
    for _ in range(_TRIES):
        use, bend = _use(sign * x, n, amount, owner, free, others)
        slope = sign * (bound - use)
        if abs(slope) <= enough:
            break
        if slope > 0:
            above, passed_above = x, True
        else:
            below, passed_below = x, True
        if below >= above:
            break
        ahead = x - slope / bend if bend > 0.0 else -slope * np.inf
        if not (passed_below and passed_above):
            ahead = min(max(ahead, x - stride, below), x + stride, above)
            stride *= 2.0
        elif not below < ahead < above:
            ahead = 0.5 * (below + above)
        if ahead == x:
            break
        x = ahead
    return x


@njit(nogil=True, cache=True, error_model="numpy")
def _use(price, n, amount, owner, free, others):  # type: ignore[no-untyped-def]
    """Return the use of a limit at a price, and how it falls as the price rises."""
    use, bend, k = 0.0, 0.0, 0
    while k < n:
        best, after = others[k], k
        while after < n and owner[after] == owner[k]:
            best = max(best, free[after] - price * amount[after])
            after += 1
        rest = others[k] - best
        total = math.exp(rest) if rest > _NEGLIGIBLE else 0.0
        mean, square = 0.0, 0.0
        for q in range(k, after):
            below = free[q] - price * amount[q] - best
            if below > _NEGLIGIBLE:
                weight = math.exp(below)
                total += weight
                mean += weight * amount[q]
                square += weight * amount[q] * amount[q]
        mean /= total
        use += mean
        bend += square / total - mean * mean
        k = after
    return use, bend
