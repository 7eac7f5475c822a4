"""Utility of a week by how active a user is, how many messages came before, and whether one more is sent."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.regression import logistic

Floats = NDArray[np.float64]
#: Activity: on how many of the last 14 days the user came.
LEVELS: Final = 15
#: Sends in 7 days from which on volumes are alike, and the most that a user can get.
MOST: Final = 14


def marginal_utility(weight: Floats, active: Floats, left: Floats, opt_out_days: float) -> Floats:
    """Return what one send more adds to a user's next week, in active days: float64 [LEVELS, MOST].

    Two logistic regressions over the cells: the probability of being active on a day, and of opting out
    within the week, both on activity, volume and their product, and on all of these again for the send.

    Args:
        weight: float64 [LEVELS, MOST + 1, 2] of decisions by activity, sends before, and hold or send.
        active: float64 of the same shape, weighted share of active days.
        left: float64 of the same shape, weighted share of those who opted out.
        opt_out_days: active days that an opt-out costs.
    """
    x = design()
    flat = x.reshape(-1, x.shape[-1])
    days, out = (x @ logistic(flat, share.ravel(), weight.ravel()) for share in (active, left))
    utility: Floats = 7 / (1 + np.exp(-days)) - opt_out_days / (1 + np.exp(-out))
    return utility[:, :MOST, 1] - utility[:, :MOST, 0]


def design() -> Floats:
    """Return the columns of every cell: float64 [LEVELS, MOST + 1, 2, columns]."""
    axes = (np.arange(LEVELS) / 14, np.arange(MOST + 1) / 7, np.array([0.0, 1.0]))
    level, sent, send = np.meshgrid(*axes, indexing="ij")
    base = [np.ones_like(level), level, level**2, sent, sent * level]
    return np.stack([*base, send, send * level, send * sent, send * sent * level], axis=-1)
