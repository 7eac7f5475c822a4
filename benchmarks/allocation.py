"""Prices for shared limits, beside linear-programming solvers on the same instances.

Instances: 5 to 40 candidates a user, heavy-tailed values of which a quarter is negative, and five families
of limits (channel volume, sends of a channel in a slot, category, message, money), most of them maxima, some
messages with a minimum, some with 1 % of what they would take. `--scales other` has values a thousand times
larger with heavier tails and money in other units.

python benchmarks/allocation.py --users 1000000 --limits 143
python benchmarks/allocation.py --users 10000 --limits 143 --peer highs   (in an environment with highspy)
python benchmarks/allocation.py --users 10000 --limits 143 --peer pdlp    (in an environment with ortools)
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from homing.allocation import Bounds, Demand, Uses, softmaxes, solve

SIZES = {  # limits: channels, slots, categories, messages, money limits
    10: (2, 1, 2, 3, 1),
    143: (3, 24, 8, 57, 3),
    2500: (3, 24, 26, 2396, 3),
}
CHUNK = 100_000


def make_arms(limits: int, other: bool, rng: np.random.Generator) -> tuple[Uses, np.ndarray]:
    channels, slots, categories, messages, money = SIZES[limits]
    message, channel, slot = (
        part.ravel() for part in np.indices((messages, channels, slots)).astype(np.int32)
    )
    category = rng.integers(categories, size=messages).astype(np.int32)[message]
    cost = np.exp(rng.normal(size=(messages, channels)))[message, channel] * (250 if other else 0.01)
    starts = np.cumsum([0, channels, channels * slots, categories, messages])
    limit = np.stack(
        [
            channel,
            starts[1] + channel * slots + slot,
            starts[2] + category,
            starts[3] + message,
            starts[4] + channel % money,
        ],
        axis=1,
    )
    amount = np.ones(limit.shape, np.float32)
    amount[:, 4] = cost
    counts = np.full(len(message), 5)
    offsets = np.concatenate([[0], np.cumsum([0, *counts])]).astype(np.int64)  # arm 0 is hold
    worth = np.exp(0.7 * rng.normal(size=messages))[message] * np.exp(0.3 * rng.normal(size=slots))[slot]
    uses = Uses(offsets, limit.ravel().astype(np.int32), amount.ravel())
    return uses, np.concatenate([[0.0], worth]).astype(np.float32)


def make_demand(users: int, limits: int, other: bool, seed: int = 0) -> Demand:
    rng = np.random.default_rng(seed)
    uses, worth = make_arms(limits, other, rng)
    most = 15 if other else 40
    counts = rng.integers(5, most + 1, users)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    values, arm = np.empty(offsets[-1], np.float32), np.empty(offsets[-1], np.int32)
    for first in range(0, users, CHUNK):
        last = min(first + CHUNK, users)
        here = slice(offsets[first], offsets[last])
        n = here.stop - here.start
        arm[here] = rng.integers(1, len(uses), n, dtype=np.int32)
        user = np.exp((1.5 if other else 1.0) * rng.standard_normal(last - first, np.float32))
        value = worth[arm[here]] * np.exp(0.8 * rng.standard_normal(n, np.float32))
        value *= np.repeat(user, counts[first:last]) * (10 if other else 0.01)
        value[rng.random(n, np.float32) < 0.25] *= -0.5
        values[here] = value
    arm[offsets[:-1]] = 0
    values[offsets[:-1]] = 0.0
    return Demand(offsets, values, arm, uses)


def make_bounds(demand: Demand, limits: int, seed: int = 1) -> Bounds:
    """Most is 30 to 130 % of what would be taken, 1 % for some messages; others have a minimum instead."""
    rng = np.random.default_rng(seed)
    scale = float(np.abs(demand.values[:10_000]).mean())
    wish = softmaxes(demand, np.zeros(limits), 1e-6 * scale).totals
    least, most = np.full(limits, -np.inf), wish * rng.uniform(0.3, 1.3, limits)
    messages = SIZES[limits][3]
    kind = rng.random(messages)
    first = limits - SIZES[limits][4] - messages
    message = slice(first, first + messages)
    most[message] = np.where(kind < 0.05, 0.01 * wish[message], most[message])
    most[message] = np.where(kind > 0.9, np.inf, most[message])
    least[message] = np.where(kind > 0.9, wish[message] * rng.uniform(0.5, 1.2, messages), -np.inf)
    return Bounds(least, most)
