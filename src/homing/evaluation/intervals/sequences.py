"""Off-policy intervals that hold at every look, for weights of any size and without asymptotics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.inputs import Floats, finite, one_dimensional, weights
from homing.schema.errors import InputError

_BETS: Final = 64  # points of the mixture
_LARGEST_BET: Final = 0.98  # its supremum is 1, where the logarithm has its pole
_HALVINGS: Final = 60


@dataclass(frozen=True)
class WeightSequence:
    """Running intervals of the mean value over the decisions so far, in units of the outcome."""

    decisions: NDArray[np.int64]  # [looks] rising
    value: Floats  # [looks] mean of w r so far
    low: Floats  # [looks]
    high: Floats  # [looks]


def weight_sequence(
    reward: ArrayLike,
    weight: ArrayLike,
    looks: ArrayLike,
    *,
    outcomes: tuple[float, float] = (0.0, 1.0),
    tightest_at: int = 10_000,
    spread: float = 1.0,
    confidence: float = 0.95,
) -> WeightSequence:
    """Return intervals for `mean_i E[w_i r_i | all before i]` that all hold at once, exactly.

    Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro (2022), Anytime-valid off-policy inference for
    contextual bandits, section 4. With outcomes in [0, 1], `phi = w r` is at least 0 and has a mean of at
    most 1, so for every bet l in (0, 1) and predictable guess g <= 1,
    `exp(l sum(phi - nu) + (l + log(1 - l)) sum (phi - g)^2)` is a supermartingale (Fan, Grama & Liu 2015),
    however heavy the upper tail of w. Bets are mixed over a half-normal law; Ville's inequality gives the
    lower bound. `w (1 - r)`, whose mean is 1 - nu, gives the upper one.

    Each draw is new given all before it, so decisions of one user may depend on each other. What is covered
    is the target's value in the states that this log came through, not that of the population.

    Args:
        reward: float [n], in the order in which decisions were made.
        weight: float [n], >= 0, with a conditional mean of 1: the log can do all that the target does.
        looks: integer [looks], rising, in 1 .. n: after how many decisions to look.
        outcomes: the lowest and the highest outcome there can be.
        tightest_at: decisions at which the bounds should be tightest, chosen before looking.
        spread: a guess, made before looking, of the standard deviation of `w r` with outcomes in [0, 1].
        confidence: of all intervals together.

    Raises:
        InputError: lengths differ, values out of range, or looks that do not rise within 1 .. n.
    """
    real = finite("reward", reward)
    checked = weights("weight", weight, len(real))
    at = one_dimensional("looks", looks).astype(np.int64)
    floor, top = outcomes
    if not floor < top or real.min() < floor or real.max() > top:
        raise InputError(
            f"reward ranges from {real.min():g} to {real.max():g}, must lie within outcomes == {outcomes}"
        )
    if at[0] < 1 or at[-1] > len(real) or (np.diff(at) <= 0).any():
        raise InputError(f"looks run from {at[0]} to {at[-1]}, must rise within 1 .. {len(real):,}")
    if not 0 < confidence < 1 or tightest_at < 1 or spread <= 0:
        raise InputError(
            f"confidence == {confidence}, tightest_at == {tightest_at}, spread == {spread}: must be in "
            "(0, 1), >= 1 and > 0"
        )
    alpha = (1 - confidence) / 2
    share = (real - floor) / (top - floor)
    bets = _bets(tightest_at * spread * spread, alpha)
    value = np.cumsum(checked * share)[at - 1] / at
    low = _lower(checked * share, at, bets, alpha)
    high = 1 - _lower(checked * (1 - share), at, bets, alpha)
    return WeightSequence(
        decisions=at,
        value=floor + value * (top - floor),
        low=floor + np.clip(low, 0, 1) * (top - floor),
        high=floor + np.clip(high, 0, 1) * (top - floor),
    )


def _bets(variance: float, alpha: float) -> Floats:
    """Return quantiles of a half-normal law, wide enough for the best bet at this variance: [bets]."""
    scale = math.sqrt(-2 * math.log(alpha) / variance)
    quantiles = (np.arange(_BETS) + 0.5) / _BETS
    return np.minimum([scale * NormalDist().inv_cdf((1 + q) / 2) for q in quantiles], _LARGEST_BET)


def _lower(phi: Floats, at: NDArray[np.int64], bets: Floats, alpha: float) -> Floats:
    """Return the lower bound of the running mean of E[phi | past] at each look: [looks]."""
    total = np.cumsum(phi)
    count = np.arange(1, len(phi) + 1)
    guess = np.concatenate([[0.5], np.minimum((0.5 + total[:-1]) / (1 + count[:-1]), 1.0)])
    variance = np.cumsum((phi - guess) ** 2)[at - 1]
    cost = (bets + np.log1p(-bets))[:, None] * variance  # [bets, looks], negative

    # the deficit s at which the mixture's wealth is 1 / alpha; wealth rises in s
    goal = math.log(len(bets) / alpha)
    smallest = np.zeros(len(at))
    largest = ((goal - cost) / bets[:, None]).min(axis=0)  # where one bet alone has it
    for _ in range(_HALVINGS):
        middle = (smallest + largest) / 2
        exponent = bets[:, None] * middle + cost
        peak = exponent.max(axis=0)
        reached = peak + np.log(np.exp(exponent - peak).sum(axis=0)) >= goal
        largest = np.where(reached, middle, largest)
        smallest = np.where(reached, smallest, middle)
    bound: Floats = (total[at - 1] - largest) / at
    return bound
