"""From probabilities to decisions: how far totals stray from what was expected, and how to keep them near.

Drawn independently, the total use of limit j has the expectation s_j of the certificate and the variance
sum_u Var(c_j), and it is near normal, since no user adds more than its largest use. Drawn dependently each
user keeps its own distribution, and so its propensity; only how users vary together changes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Demand, Uses
from homing.allocation.rounding_kernel import dependent_pass, deviation_pass
from homing.schema.errors import InputError

_TOLERANCE: Final = 1e-9
_RARE: Final = 1e-6


def total_deviations(demand: Demand, probability: NDArray[np.float64], limits: int) -> NDArray[np.float64]:
    """Return the standard deviation of each limit's total under independent draws: float64 [limits].

    Args:
        demand: users with their candidates.
        probability: float64 [n] of each candidate.
        limits: how many there are.
    """
    variance = np.zeros(limits)
    own = Uses.none(0) if demand.own is None else demand.own
    own_offsets = None if demand.own is None else own.offsets
    uses = demand.uses
    deviation_pass(
        demand.offsets,
        probability,
        demand.arm,
        uses.offsets,
        uses.limit,
        uses.amount,
        own_offsets,
        own.limit,
        own.amount,
        variance,
    )
    return np.sqrt(np.maximum(variance, 0))  # rounding may leave less than 0


def dependent_draw(
    demand: Demand,
    probability: NDArray[np.float64],
    totals: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return one candidate for each user, with totals near what is expected: int64 [users] places.

    Each user draws from its own distribution. A candidate's kind is the scarcest limit that it uses, and
    the number of users who get a kind is its expectation, rounded up or down; so a limit that is the
    scarcest wherever it is used, by amounts of 1, strays by less than 1. Candidates of a probability below
    1e-6, of which hardly any is drawn, are drawn for each user alone, and may add to that. Other limits,
    whose totals are larger, stray about as under independent draws. (Gandhi, Khuller, Parthasarathy and
    Srinivasan, Dependent rounding and its applications to approximation algorithms, JACM 2006, section 2.)

    A user's draw depends on who else is there, so this is for batches only.

    Args:
        demand: users with their candidates.
        probability: float64 [n] of each candidate.
        totals: float64 [limits] expected use, of a certificate.
        rng: from a seed that derives from the batch.

    Raises:
        InputError: probabilities of a user that do not sum to 1.
    """
    sums = np.add.reduceat(probability, demand.offsets[:-1]) if len(demand) else np.zeros(0)
    wrong = np.flatnonzero(~(np.abs(sums - 1) < _TOLERANCE))
    if len(wrong):
        raise InputError(f"probabilities of user {wrong[0]} sum to {sums[wrong[0]]}, must sum to 1")
    place = np.flatnonzero(probability >= _RARE)
    counts = np.diff(np.searchsorted(place, demand.offsets))
    share = probability[place]
    user = np.repeat(np.arange(len(demand)), counts)
    common = np.bincount(user, share, len(demand))
    share /= common[user]
    several = np.flatnonzero((counts > 1)[user])
    rounded = share[several]
    kind = _kinds(demand.uses, totals)[demand.arm[place[several]]]
    offsets = np.concatenate([[0], np.cumsum(counts[counts > 1])])
    dependent_pass(offsets, rounded, kind, len(totals) + 1, rng.random(len(rounded)), True)
    share[several] = rounded
    chosen = place[share > 0.5]
    for each in np.flatnonzero(rng.random(len(demand)) >= common / sums):
        span = np.arange(demand.offsets[each], demand.offsets[each + 1])
        rare = span[probability[span] < _RARE]
        if len(rare):
            chosen[each] = rng.choice(rare, p=probability[rare] / probability[rare].sum())
    return chosen


def _kinds(uses: Uses, totals: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the scarcest limit that each arm uses, counted from 1; 0 where it uses none: int32 [arms]."""
    row = np.repeat(np.arange(len(uses)), np.diff(uses.offsets))
    order = np.lexsort((totals[uses.limit], row))
    rows, first = np.unique(row[order], return_index=True)
    kinds = np.zeros(len(uses), np.int32)
    kinds[rows] = uses.limit[order][first] + 1
    return kinds
