"""Compiled rounding: variances of totals, and dependent rounding in a bipartite graph."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

#: Shares nearer to 0 or 1 than sums of doubles are exact.
_ROUNDED: Final = 1e-13


@njit(nogil=True, cache=True, error_model="numpy")
def deviation_pass(  # type: ignore[no-untyped-def]
    offsets,
    probability,
    arm,
    use_offsets,
    use_limit,
    use_amount,
    own_offsets,
    own_limit,
    own_amount,
    variance,
):
    """Add each user's variance of its use of each limit to variance, float64 [limits]."""
    use, mean = np.zeros(len(variance)), np.zeros(len(variance))
    for user in range(len(offsets) - 1):
        for a in range(offsets[user], offsets[user + 1]):
            if probability[a] > 0.0:
                first, last = use_offsets[arm[a]], use_offsets[arm[a] + 1]
                for k in range(first, last):
                    use[use_limit[k]] += use_amount[k]
                if own_offsets is not None:
                    for k in range(own_offsets[a], own_offsets[a + 1]):
                        use[own_limit[k]] += own_amount[k]
                    _moments(
                        probability[a], own_offsets[a], own_offsets[a + 1], own_limit, use, mean, variance
                    )
                _moments(probability[a], first, last, use_limit, use, mean, variance)
        for a in range(offsets[user], offsets[user + 1]):
            if probability[a] > 0.0:
                _take_squares(use_offsets[arm[a]], use_offsets[arm[a] + 1], use_limit, mean, variance)
                if own_offsets is not None:
                    _take_squares(own_offsets[a], own_offsets[a + 1], own_limit, mean, variance)


@njit(nogil=True, cache=True)
def _moments(chance, first, last, limit, use, mean, variance):  # type: ignore[no-untyped-def]
    """Move a candidate's use, each limit once, into the mean and the sum of squares."""
    for k in range(first, last):
        mean[limit[k]] += chance * use[limit[k]]
        variance[limit[k]] += chance * use[limit[k]] ** 2
        use[limit[k]] = 0.0


@njit(nogil=True, cache=True)
def _take_squares(first, last, limit, mean, variance):  # type: ignore[no-untyped-def]
    """Take a user's squared means off, each limit once."""
    for k in range(first, last):
        variance[limit[k]] -= mean[limit[k]] ** 2
        mean[limit[k]] = 0.0


@njit(nogil=True, cache=True)
def dependent_pass(offsets, share, kind, kinds, uniform, whole):  # type: ignore[no-untyped-def]
    """Round share, float64 [n], in place to 0 and 1 along cycles and paths of users and kinds.

    A walk alternates between a user and a kind of candidates, over candidates whose share is neither 0 nor 1,
    until it meets itself or ends at a kind with no other such candidate. Shares along it are raised and
    lowered in turn, so that a user's sum stays, and so does a kind's unless the walk ends there; one share
    becomes 0 or 1.

    Args:
        offsets: int64 [users + 1].
        share: float64 [n], summing to 1 for each user.
        kind: int32 [n] of each candidate.
        kinds: how many there are.
        uniform: float64 [n] in [0, 1), one for each walk.
        whole: whether these are all users. If not, only cycles are walked, which keep every kind's sum, and
            fewer users than there are kinds are left with shares between 0 and 1, to be rounded with others.
    """
    n = len(share)
    aside = np.zeros(n, np.bool_)  # on no cycle
    owner = np.empty(n, np.int32)
    for user in range(len(offsets) - 1):
        owner[offsets[user] : offsets[user + 1]] = user
    # each kind's candidates are a list, from which those that are rounded drop out when they are met
    top, below = np.full(kinds, -1, np.int64), np.full(n, -1, np.int64)
    for a in range(n - 1, -1, -1):
        if 0.0 < share[a] < 1.0:
            below[a] = top[kind[a]]
            top[kind[a]] = a
    path = np.empty(2 * kinds + 3, np.int64)
    seen = np.full(kinds, -1, np.int64)  # place in the path at which the walk left the kind
    met = np.full(
        len(offsets) - 1, -1, np.int64
    )  # place in the path of the candidate by which it left the user
    used = 0
    for first_kind in range(kinds):
        while True:
            start = _another(first_kind, -1, share, aside, top, below)
            if start < 0:
                break
            length, begin, end_kind = _walk(
                first_kind, offsets, owner, kind, share, aside, top, below, path, seen, met
            )
            if begin < 0 and not whole:
                if length > 0:  # the last candidate is the only one of its kind
                    aside[path[length - 1]] = True
                continue
            if begin < 0 and _another(first_kind, path[0], share, aside, top, below) >= 0:
                # it ended at a kind with nothing else, and did not begin at one: walk from there
                length, begin, end_kind = _walk(
                    end_kind, offsets, owner, kind, share, aside, top, below, path, seen, met
                )
            _shift(path[max(begin, 0) : length], share, uniform[used])
            used += 1


@njit(nogil=True, cache=True)
def _walk(  # type: ignore[no-untyped-def]
    first_kind, offsets, owner, kind, share, aside, top, below, path, seen, met
):
    """Fill the path; return its length, where its cycle begins or -1, and the kind where it ends."""
    length, at, came = 0, first_kind, -1
    begin = -1
    seen[at] = 0
    while begin < 0:
        a = _another(at, came, share, aside, top, below)
        if a < 0:
            break
        user = owner[a]
        if met[user] >= 0:
            begin = met[user]
            path[length] = a
            length += 1
            break
        b, left = offsets[user], False
        while b < offsets[user + 1] and (b == a or aside[b] or share[b] <= 0.0 or share[b] >= 1.0):
            left |= aside[b]
            b += 1
        if b == offsets[user + 1]:  # alone it is 0 or 1 but for the rounding of sums
            if left:
                aside[a] = True
            else:
                share[a] = np.rint(share[a])
            continue
        path[length], path[length + 1] = a, b
        met[user] = length + 1
        length += 2
        at, came = kind[b], b
        begin = seen[at]
        seen[at] = length
    seen[first_kind] = -1
    for step in range(length):
        seen[kind[path[step]]] = -1
        met[owner[path[step]]] = -1
    return length, begin, at


@njit(nogil=True, cache=True)
def _another(at, came, share, aside, top, below):  # type: ignore[no-untyped-def]
    """Return a candidate of a kind that is not rounded, other than the one come by; -1 if there is none."""
    while top[at] >= 0 and _settled(top[at], share, aside):
        top[at] = below[top[at]]
    a = top[at]
    if a < 0 or a != came:
        return a
    while below[a] >= 0 and _settled(below[a], share, aside):
        below[a] = below[below[a]]
    return below[a]


@njit(nogil=True, cache=True)
def _settled(a, share, aside):  # type: ignore[no-untyped-def]
    return aside[a] or share[a] <= 0.0 or share[a] >= 1.0


@njit(nogil=True, cache=True)
def _shift(path, share, uniform):  # type: ignore[no-untyped-def]
    """Raise and lower shares in turn until one is 0 or 1, in a direction that keeps expectations."""
    up, down = np.inf, np.inf
    for step in range(len(path)):
        room, rest = 1.0 - share[path[step]], share[path[step]]
        if step % 2:
            room, rest = rest, room
        up, down = min(up, room), min(down, rest)
    move = up if uniform * (up + down) < down else -down
    for step in range(len(path)):
        a = path[step]
        share[a] += -move if step % 2 else move
        if share[a] < _ROUNDED:
            share[a] = 0.0
        elif share[a] > 1.0 - _ROUNDED:
            share[a] = 1.0
