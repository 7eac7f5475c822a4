"""What changes while nobody decided it: tastes turn slowly, and a channel works less from one day on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homing.simulator.channels import ByChannel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """Slow and sudden changes. None by default; all assumed."""

    taste: float = 0.0  # share of the way to another taste that 30 days go
    slow: ByChannel = field(default=ByChannel(push=0.0, email=0.0, in_app=0.0))  # logit of an open a 30 days
    sudden_day: int = 30  # from the start of the world
    sudden: ByChannel = field(default=ByChannel(push=0.0, email=0.0, in_app=0.0))  # logit from that day on
    on: bool = True


def taste_share(p: Drift, day: int) -> float:
    """Return how much of a user's taste is the later one, in [0, 1]."""
    return min(max(p.taste * day / 30.0, 0.0), 1.0) if p.on else 0.0


def drift_logit(p: Drift, day: int, slow: Floats, sudden: Floats) -> Floats:
    """Return what drift adds to the logit of an open on a day.

    Args:
        p: parameters.
        day: from the start of the world.
        slow: [n] of each send's channel.
        sudden: [n] of each send's channel.
    """
    if not p.on:
        return np.zeros_like(slow)
    return np.asarray(slow * (day / 30.0) + sudden * (day >= p.sudden_day))
