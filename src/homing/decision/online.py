"""Single decisions as users come: the batch's prices, paced by what was used so far, and a hard stop.

The rule keeps no state: a `Meter` is counters that the caller keeps, so any number of servers that read the
same counters decide alike. With room in every limit and prices as planned, a request decides as its user does
in a batch that draws each for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Pace, Uses
from homing.decision.decide import Score, offer
from homing.decision.decide import chosen as logged
from homing.decision.draws import draw_with_place, uniforms_and_ids
from homing.decision.policies import Softmax
from homing.decision.shared_limits import Prices
from homing.decision.softmax import softmax
from homing.schema import Config, Instants, Reason, Shard
from homing.schema.drawn import Drawn


@dataclass(frozen=True)
class Meter:
    """What was used so far in a period, and by how many."""

    used: NDArray[np.float64]  # [limits]
    arrived: float = 0.0  # users

    @classmethod
    def empty(cls, limits: int) -> Meter:
        """Return the meter at the start of a period."""
        return cls(np.zeros(limits))


def decide_now(
    shard: Shard,
    rows: Instants,
    policy: Softmax,
    config: Config,
    score: Score,
    meter: Meter,
    most: NDArray[np.float64],
    pace: Pace | None = None,
    passed: float = 0.0,
) -> tuple[Drawn, Meter]:
    """Decide for users in the order of the rows, each within what the ones before left.

    A candidate whose use no longer fits is not drawn from: the softmax and its uniform floor are over those
    that fit, so the propensity is exact given what was used before. Hold always fits. A transactional message
    is sent all the same, and counts.

    Args:
        shard: all that is known of the users.
        rows: one user and instant each, sorted by (user, at); most often one.
        policy: with prices.
        config: the hard rules and the salt.
        score: the model's values.
        meter: before these users.
        most: float64 [limits] use that must not be passed; inf where there is none.
        pace: moves prices by what was used so far; None: prices stay as they are.
        passed: share of the period's users who were expected by now, in [0, 1]; for the pace.

    Returns:
        the decisions; the meter after them.

    Raises:
        InputError: `passed` outside [0, 1].
    """
    assert policy.prices is not None
    limits = policy.prices.limits
    if pace is not None:
        moved = pace.at(meter.used, meter.arrived, passed)
        policy = replace(policy, prices=Prices(limits, moved))
    context, _ = offer(shard, rows, config, score)
    candidates = context.candidates
    values, arm = context.values, limits.arms(shard, candidates)
    assert values is not None
    context = replace(context, arm=arm)
    own, worth = limits.own(arm, candidates.offsets, values), policy.worth(context)
    uniform, _ = uniforms_and_ids(shard.users.hash[rows.user], rows.at, config.workspace.salt)
    used, room = meter.used.copy(), np.where(np.isfinite(most), most, np.inf)
    index, propensity, place = np.zeros(len(rows), np.int64), np.ones(len(rows)), np.zeros(len(rows))
    stopped = np.zeros(len(rows), np.bool_)
    for row in range(len(rows)):
        span = np.arange(candidates.offsets[row], candidates.offsets[row + 1])
        use = _dense(limits.uses.take(arm[span].astype(np.int64)), len(used))
        if own is not None:
            use += _dense(own.take(span), len(used))
        if context.forced[row] >= 0:
            index[row] = context.forced[row]
        else:
            fits = ((use == 0) | (used + use <= room)).all(axis=1)
            chance = np.zeros(len(span))
            alone = np.array([0, int(fits.sum())])
            chance[fits] = softmax(worth[span[fits]], alone, policy.temperature, policy.floor)
            drawn, inside = draw_with_place(chance, np.array([0, len(span)]), uniform[row : row + 1])
            index[row], propensity[row], place[row] = span[drawn[0]], chance[drawn[0]], inside[0]
            stopped[row] = len(span) > 1 and fits.sum() == 1
        used += use[index[row] - span[0]]
    found = logged(context, policy, config, index, propensity, place)
    reason = np.where(stopped, np.int8(Reason.budget_stop), found.reason)
    return replace(found, reason=reason), Meter(used, meter.arrived + len(rows))


def _dense(uses: Uses, limits: int) -> NDArray[np.float64]:
    dense = np.zeros((len(uses), limits))
    np.add.at(dense, (np.repeat(np.arange(len(uses)), np.diff(uses.offsets)), uses.limit), uses.amount)
    return dense
