"""What trained baselines read of a log: decisions that were drawn from a choice, as a randomized trial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.replay import instants_of
from homing.schema import Config, InputError, Instants, Reason, Shard
from homing.schema.times import MISSING, parse_duration, parse_time
from homing.state import outcomes


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


def mean_gain(shards: Iterable[Shard], config: Config, objective: str, policy: str) -> float:
    """Return what an average logged send gained over a hold, in the objective's unit.

    Outcomes are over the objective's horizon where it has one.

    Args:
        shards: with logged decisions and the events after them.
        config: its objectives, and how far events are complete.
        objective: which of them.
        policy: whom errors name.

    Raises:
        InputError: the log has no sends or no holds whose outcomes are known.
    """
    judged = config.objectives[objective].judged
    config = config.model_copy(update={"objectives": {objective: judged}})
    window = parse_duration(judged.window)
    total = np.zeros((2, 2))  # hold and send: weight, weighted outcome
    for shard in shards:
        known = known_until(shard, config)
        trial = Trial.of(shard, known, window)
        found = outcomes(shard, trial.at, config, known, trial.row.astype(np.int32))[:, 0]
        for side in (0, 1):
            mine = trial.send == side
            total[side] += trial.weight[mine].sum(), trial.weight[mine] @ found[mine]
    if not (total[:, 0] > 0).all():
        raise nothing_to_fit(policy, "sends and holds with known outcomes")
    hold, send = total[:, 1] / total[:, 0]
    return float(send - hold)
