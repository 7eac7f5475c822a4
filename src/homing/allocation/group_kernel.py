"""Compiled grouping of candidates by kind, and the draw within a group."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def group_pass(offsets, probability, kind, group_offsets, group_kind, group_share, group):  # type: ignore[no-untyped-def]
    """Sum each user's probabilities by kind.

    Args:
        offsets: int64 [users + 1].
        probability: float64 [n].
        kind: int32 [n].
        group_offsets: int64 [users + 1], gets the groups' offsets; the first is 0 before.
        group_kind: int32 [n], gets the kind of each group; its first places are used.
        group_share: float64 [n], gets the probability of each group.
        group: int64 [n], gets the group of each candidate.
    """
    used = 0
    for user in range(len(offsets) - 1):
        first = used
        for a in range(offsets[user], offsets[user + 1]):
            g = first
            while g < used and group_kind[g] != kind[a]:
                g += 1
            if g == used:
                group_kind[g], group_share[g] = kind[a], 0.0
                used += 1
            group_share[g] += probability[a]
            group[a] = g
        total = 0.0
        for g in range(first, used):
            total += group_share[g]
        for g in range(first, used):
            group_share[g] /= total
        group_offsets[user + 1] = used


@njit(nogil=True, cache=True)
def pick_pass(offsets, probability, group, chosen_group, uniform, chosen):  # type: ignore[no-untyped-def]
    """Draw a candidate of each user's chosen group, in proportion to the probabilities.

    Args:
        offsets: int64 [users + 1].
        probability: float64 [n].
        group: int64 [n].
        chosen_group: int64 [users]; a negative one is passed over.
        uniform: float64 [users] in [0, 1).
        chosen: int64 [users], gets the place of the candidate.
    """
    for user in range(len(offsets) - 1):
        wanted = chosen_group[user]
        if wanted < 0:
            continue
        total = 0.0
        for a in range(offsets[user], offsets[user + 1]):
            if group[a] == wanted:
                total += probability[a]
        target, running = uniform[user] * total, 0.0
        for a in range(offsets[user], offsets[user + 1]):
            if group[a] == wanted and probability[a] > 0.0:
                chosen[user] = a
                running += probability[a]
                if running > target:
                    break
