"""Small logs with known truth, for the tests of the models."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.models import Head
from homing.schema import Features, FeatureSpec
from homing.schema.config import Training

HEADS = (Head("visit", "binary"), Head("minutes", "mean"))
QUICK = Training(members=1, epochs=4, hidden=(32, 16), embedding=4, learning_rate=5e-3)
SPEC = FeatureSpec(
    user=("activity", "age"),
    candidate=("value",),
    message=("length",),
    user_codes=(("plan", 3),),
    candidate_codes=(("channel", 3),),
    message_codes=(("message", 4),),
)


@dataclass(frozen=True)
class Log:
    features: Features
    outcomes: NDArray[np.float32]
    truth: NDArray[np.float64]  # the mean of every outcome

    def __len__(self) -> int:
        return len(self.truth)


def make_log(rows: int, seed: int = 0) -> Log:
    """Visits are logistic and minutes log-linear; messages help active users and harm the others."""
    draw = np.random.default_rng(seed)
    features = ragged(np.ones(rows, np.int64), seed)
    truth = means(features)
    visits = draw.random(rows) < truth[:, 0]
    minutes = draw.poisson(truth[:, 1])
    return Log(features, np.stack([visits, minutes], axis=1).astype(np.float32), truth)


def ragged(counts: NDArray[np.int64], seed: int = 0) -> Features:
    """Random features with the given numbers of candidates a row."""
    draw, rows, n = np.random.default_rng(seed + 1000), len(counts), int(counts.sum())
    return Features(
        spec=SPEC,
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        user=draw.normal(size=(rows, 2)).astype(np.float32),
        user_codes=draw.integers(-1, 3, (rows, 1)).astype(np.int32),
        candidate=draw.normal(size=(n, 1)).astype(np.float32),
        candidate_codes=draw.integers(0, 3, (n, 1)).astype(np.int32),
        message=draw.integers(-1, 4, n).astype(np.int32),
        messages=np.array([[0.0], [1.0], [2.0], [3.0]], np.float32),
        messages_codes=np.arange(4, dtype=np.int32)[:, None],
    )


def means(features: Features) -> NDArray[np.float64]:
    """Return the true means [n, heads] of `ragged` features."""
    user, plan = features.user[features.row], features.user_codes[features.row, 0]
    sent = features.message >= 0
    change = sent * (0.8 * user[:, 0] + 0.3 * (features.message == 2) + 0.3 * features.candidate[:, 0])
    visit = 1 / (1 + np.exp(-(-1 + 0.5 * user[:, 1] + 0.4 * (plan == 1) + change)))
    return np.stack([visit, np.exp(0.3 * user[:, 1] + 0.5 * change)], axis=1)


def with_features(log: Log, **columns: object) -> Log:
    """Return the log with some columns of its features replaced."""
    return dataclasses.replace(log, features=dataclasses.replace(log.features, **columns))
