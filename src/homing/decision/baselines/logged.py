"""What trained baselines read of a log: decisions that were drawn from a choice, as a randomized trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.replay import instants_of
from homing.schema import Config, InputError, Instants, Reason, Shard
from homing.schema.times import MISSING, parse_time


@dataclass(frozen=True)
class Trial:
    """Decisions between sending and holding, weighted to one comparison.

    A send has the weight 1 / (propensity x candidates to send), a hold 1 / propensity. So both sides stand
    for the same users at the same moments, and a send for one drawn alike from what could be sent
    (Horvitz and Thompson 1952).
    """

    row: NDArray[np.int64]  # [rows] rows in shard.decisions
    at: Instants  # their users and epochs
    send: NDArray[np.bool_]  # [rows]
    weight: NDArray[np.float64]  # [rows]

    @classmethod
    def of(cls, shard: Shard, known: int, window: int) -> Self:
        """Return a shard's trial.

        Args:
            shard: with logged decisions.
            known: us; events before it are all in the log.
            window: us after the epoch that must be known.
        """
        log = shard.decisions
        drawn = (log.candidates != 1) & (log.reason != Reason.transactional)
        row = np.flatnonzero(drawn & (log.epoch_at + window <= known))
        send = log.message[row] >= 0
        ways = np.where(send, np.maximum(log.candidates[row] - 1, 1), 1)
        return cls(row, instants_of(log, row), send, 1 / (log.propensity[row] * ways))


def known_until(shard: Shard, config: Config) -> int:
    """Return the instant (us) up to which a log's events are complete; without a setting, its newest event.

    A shard without events knows of nothing: MISSING.
    """
    if config.events.complete_until is not None:
        return parse_time(config.events.complete_until)
    return int(shard.events.at.max(initial=MISSING))


def nothing_to_fit(name: str, what: str) -> InputError:
    """Return the error of a log that lacks what a baseline is fitted on."""
    return InputError(
        f"policy {name!r} is fitted on a log, and this one has no {what}; bring logged decisions with "
        "propensities, sends and holds among them, and the events after them"
    )
