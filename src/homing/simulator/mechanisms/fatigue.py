"""What sends wear out: attention by channel, novelty by category, patience, and consent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms.response import MEAN_RELEVANCE

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fatigue:
    """Recent deliveries of a channel lower its opens, and recover by half-lives. Assumed."""

    penalty: ByChannel = field(
        default=ByChannel(push=0.16, email=0.14, in_app=0.12)
    )  # logit a recent delivery
    half_life: ByChannel = field(default=ByChannel(push=4.0, email=8.0, in_app=2.0))  # days
    on: bool = True


@dataclass(frozen=True)
class Repetition:
    """A category seen before works less: 1.6 % after a day, 1.2 % after 7, 0.85 % after 15, 0.4 % after 30.

    Source: Yancey and Settles (KDD 2020), recovering arms: `0.017 * 0.5^(days / 15)`.
    """

    penalty: float = 0.017
    half_life: float = 15.0  # days
    on: bool = True


@dataclass(frozen=True)
class Annoyance:
    """What an unwanted message costs in habit. Assumed."""

    cost: ByChannel = field(
        default=ByChannel(push=0.028, email=0.012, in_app=0.016)
    )  # share of habit a delivery
    by_fatigue: float = 0.35  # each recent delivery makes the next one worse by this share
    by_relevance: float = 0.9  # a message that fits perfectly spares this much of the cost
    by_appeal: float = 0.8  # a loud message costs more
    on: bool = True


@dataclass(frozen=True)
class OptOut:
    """Hazard of leaving a channel, a delivery.

    E-mail unsubscribes are published at 0.1 to 0.3 % a send; push and in-app are assumed lower.
    """

    base: ByChannel = field(default=ByChannel(push=0.0009, email=0.0015, in_app=0.0002))
    by_fatigue: float = 0.28  # log hazard a recent delivery of the channel; assumed
    by_relevance: float = -1.5  # log hazard by centred cosine; assumed
    by_appeal: float = 1.0  # log hazard by centred appeal; assumed
    welcome: float = 0.3  # factor when the message led to a visit that was worth it; assumed
    delay: float = 12.0  # median minutes from delivery or open to the opt-out; assumed
    on: bool = True


def recover(level: Floats, half_life: Floats | float) -> Floats:
    """Return a level after one day: `level * 0.5^(1 / half_life)`; half-life in days."""
    return np.asarray(level * 0.5 ** (1.0 / np.asarray(half_life)))


def fatigue_logit(p: Fatigue, penalty: Floats, level: Floats) -> Floats:
    """Return what fatigue adds to the logit of an open, [n], at most 0; `level` [n] counts deliveries."""
    return -penalty * level if p.on else np.zeros_like(level)


def repetition_factor(p: Repetition, memory: Floats) -> Floats:
    """Return the factor [n] on the probability of an open; `memory` [n] counts the category's deliveries."""
    return np.asarray(np.exp(-p.penalty * memory)) if p.on else np.ones_like(memory)


def annoyance(
    p: Annoyance, cost: Floats, level: Floats, relevance: Floats, appeal: Floats, welcome: NDArray[np.bool_]
) -> Floats:
    """Return the share of habit [n] that each delivery costs: nothing where it was welcome.

    `cost * (1 + by_fatigue * level) * (1 - by_relevance * relevance) * (1 + by_appeal * (appeal - 0.5))`
    """
    if not p.on:
        return np.zeros_like(level)
    misfit = 1.0 - p.by_relevance * np.clip(relevance, 0.0, 1.0)
    share = cost * (1.0 + p.by_fatigue * level) * misfit * (1.0 + p.by_appeal * (appeal - 0.5))
    return np.where(welcome, 0.0, share)


def opt_out_hazard(
    p: OptOut, base: Floats, level: Floats, relevance: Floats, appeal: Floats, welcome: NDArray[np.bool_]
) -> Floats:
    """Return the probability [n] that a delivery makes the user leave the channel, at most 0.2.

    `base * exp(by_fatigue * level + by_relevance * (relevance - 0.4) + by_appeal * (appeal - 0.5))`
    """
    if not p.on:
        return np.zeros_like(level)
    log_factor = (
        p.by_fatigue * level + p.by_relevance * (relevance - MEAN_RELEVANCE) + p.by_appeal * (appeal - 0.5)
    )
    return np.minimum(base * np.exp(log_factor) * np.where(welcome, p.welcome, 1.0), 0.2)
