"""Small logs to learn values from."""

from __future__ import annotations

from typing import Any

import numpy as np

from homing.models.value import Transitions, make_transitions
from homing.simulator.solvable import CHOICES, FATIGUE, MessagingProcess, SolvableLog

GAMMA = 0.8
PROCESS = MessagingProcess(tires=(0.0, 0.08, 0.2, 0.45), churn_step=0.004, recovery=0.5)
LOGGER = np.tile([0.4, 0.2, 0.2, 0.2], (FATIGUE, 1))
STATES = np.eye(FATIGUE, dtype=np.float32)
ACTIONS = np.eye(len(CHOICES), dtype=np.float32)
HOLD = np.arange(len(CHOICES)) == 0
#: Every candidate in every state, as `ValueModel.values` takes them.
EVERY = {
    "state": STATES,
    "offsets": np.arange(FATIGUE + 1) * len(CHOICES),
    "action": np.tile(np.arange(len(CHOICES), dtype=np.int32), FATIGUE),
    "actions": ACTIONS,
    "hold": HOLD,
}


def columns(log: SolvableLog) -> dict[str, Any]:
    n, A = log.propensity.shape
    return {
        "user": log.user,
        "state": STATES[log.fatigue],
        "offsets": np.arange(n + 1) * A,
        "action": np.tile(np.arange(A), n),
        "actions": ACTIONS,
        "hold": HOLD,
        "choice": log.choice,
        "reward": log.reward,
        "elapsed": np.ones(n),
        "following": log.following,
        "propensity": log.propensity.ravel(),
    }


def messaging(users: int = 1500, days: int = 40, seed: int = 0) -> Transitions:
    return make_transitions(**columns(PROCESS.log(LOGGER, users, days, seed)))


def ragged(rows: int = 40, seed: int = 0, own: bool = True, **changes: Any) -> Transitions:
    """Users with five decisions of one to four candidates, hold first; blocks of their own or shared."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 5, rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    n = int(offsets[-1])
    if own:
        actions, action, hold = draw.normal(size=(n, 3)), np.arange(n), place == 0
    else:
        actions, action, hold = draw.normal(size=(4, 3)), place, np.arange(4) == 0
    propensity = draw.random(n) + 0.1
    propensity /= np.repeat(np.add.reduceat(propensity, offsets[:-1]), counts)
    following = np.arange(1, rows + 1)
    following[4::5] = draw.choice([-1, -2], rows // 5)
    following[4] = -1
    found: dict[str, Any] = {
        "user": np.arange(rows) // 5,
        "state": draw.normal(size=(rows, 2)),
        "offsets": offsets,
        "action": action,
        "actions": actions,
        "hold": hold,
        "choice": (draw.random(rows) * counts).astype(int),
        "reward": draw.normal(size=(rows, 2)),
        "elapsed": draw.random(rows) + 0.5,
        "following": following,
        "propensity": propensity,
        "charge": draw.random(n),
    }
    return make_transitions(**{**found, **changes})
