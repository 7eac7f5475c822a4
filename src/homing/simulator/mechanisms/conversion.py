"""Conversions: what each domain is for (a save, a follow, a ticket, a subscription), and when it comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.simulator.mechanisms.log_normal import share_within
from homing.simulator.mechanisms.response import MEAN_RELEVANCE

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Goal:
    """What a domain is for. Rates and delays are assumed."""

    rate: float  # probability of a conversion after a click, for an average user and message
    money: float  # value of a conversion
    delay: float  # median minutes from click to conversion
    priced: bool = False  # whether price sensitivity lowers it


@dataclass(frozen=True)
class Conversion:
    """Conversions after clicks and during organic visits."""

    organic: float = 0.010  # probability that a day with an organic visit converts unasked; assumed
    organic_money: float = 1.0
    relevance: float = 1.5  # log rate by centred cosine; assumed
    price: float = 1.2  # log rate by price sensitivity, a standard normal; assumed
    spread: float = 1.2  # sigma of the log of the delay; assumed
    longest: float = 4320.0  # minutes; later conversions do not come
    delayed_on: bool = True


def conversion_probability(
    p: Conversion, rate: Floats, priced: NDArray[np.bool_], relevance: Floats, price_sensitivity: Floats
) -> Floats:
    """Return the probability [n] of a conversion after a click, at most 0.9.

    `rate * exp(relevance * (cosine - 0.4) - price * sensitivity * priced)`
    """
    factor = np.exp(
        p.relevance * (relevance - MEAN_RELEVANCE) - p.price * np.where(priced, price_sensitivity, 0.0)
    )
    return np.minimum(rate * factor, 0.9)


def conversion_delay(p: Conversion, median: Floats, normal: Floats) -> Floats:
    """Return minutes [n] from click to conversion: log-normal, or one minute when delays are off."""
    if not p.delayed_on:
        return np.ones_like(median)
    return np.asarray(median * np.exp(p.spread * normal))


def converted_within(p: Conversion, median: Floats, minutes: Floats) -> Floats:
    """Return the probability that `conversion_delay` is at most so many minutes, of the arguments' shape."""
    if not p.delayed_on:
        return np.asarray(
            np.broadcast_to(minutes, np.broadcast_shapes(minutes.shape, median.shape)) >= 1.0, np.float64
        )
    return share_within(minutes, median, p.spread)
