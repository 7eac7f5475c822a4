"""Small random instances."""

import numpy as np

from homing.allocation import Demand, Uses


def make_demand(seed: int, users: int = 60, arms: int = 12, limits: int = 5, own: bool = False) -> Demand:
    """Up to 6 candidates a user; arm 0 is hold, worth 0 and free."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 7, users)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n = int(offsets[-1])
    costs = rng.random((arms, limits)) * (rng.random((arms, limits)) < 0.5)
    costs[0] = 0
    arm = rng.integers(1, arms, n).astype(np.int32)
    values = rng.normal(0.5, 1, n).astype(np.float32)
    arm[offsets[:-1]], values[offsets[:-1]] = 0, 0
    extra = None
    if own:
        rates = rng.random((n, limits)) * (rng.random((n, limits)) < 0.2)
        rates[offsets[:-1]] = 0
        extra = Uses.from_dense(rates)
    return Demand(offsets, values, arm, Uses.from_dense(costs), extra)


def dense_costs(demand: Demand, limits: int) -> np.ndarray:
    """[n, limits] use of every candidate."""
    identity = np.eye(limits)
    costs = np.stack([demand.uses.prices(row) for row in identity], axis=1)[demand.arm]
    if demand.own is not None:
        costs = costs + np.stack([demand.own.prices(row) for row in identity], axis=1)
    return costs
