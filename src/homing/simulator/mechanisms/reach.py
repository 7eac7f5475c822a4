"""How people become reachable again, and how they are lost without a word. Hazards a day; all assumed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homing.simulator.channels import ByChannel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TokenLoss:
    """A push token that dies: a new phone, an app that was removed. E-mail addresses die more slowly."""

    hazard: ByChannel = field(default=ByChannel(push=0.0004, email=0.00005, in_app=0.0))
    dormant: float = 4.0  # factor for people who have left
    on: bool = True


@dataclass(frozen=True)
class OptIn:
    """People who visit are asked now and then; a token that was lost comes back with a visit."""

    hazard: ByChannel = field(
        default=ByChannel(push=0.0010, email=0.0008, in_app=0.0010)
    )  # a day with a visit
    regained: float = 0.3  # probability a day with a visit that a lost token is registered anew
    on: bool = True


def loss_hazard(p: TokenLoss, hazard: Floats, dormant: Bools) -> Floats:
    """Return the probability of losing an address today, [users, channels].

    Args:
        p: parameters.
        hazard: [channels].
        dormant: [users].
    """
    if not p.on:
        return np.zeros((len(dormant), len(hazard)))
    return np.asarray(hazard * np.where(dormant, p.dormant, 1.0)[:, None])


def opt_in_hazard(p: OptIn, hazard: Floats, visited: Bools, lost: Bools) -> Floats:
    """Return the probability that people who are not reachable opt in today, [users, channels].

    Args:
        p: parameters.
        hazard: [channels].
        visited: [users] whether there was a visit today.
        lost: [users, channels] whether the address was lost, not given up.
    """
    if not p.on:
        return np.zeros(lost.shape)
    return np.asarray(visited[:, None] * np.where(lost, p.regained, hazard))
