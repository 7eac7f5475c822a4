"""Send or wait, by a survival model of the time to the next visit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.choice import certain
from homing.decision.baselines.logged import Trial, known_until, nothing_to_fit
from homing.decision.baselines.next_visit import BASE, Sojourns, columns
from homing.decision.baselines.regression import weibull
from homing.decision.baselines.rules import newest
from homing.decision.policies import Context
from homing.decision.replay import batches
from homing.decision.softmax import utility
from homing.schema import Config, Shard
from homing.schema.times import DAY

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """Sends where a visit within the horizon becomes more probable by more than a threshold, else waits.

    Source: Yuan, Zhang, Chatterjee, Yu and Rosales, WSDM 2019: the time to the next visit is Weibull, its log
    linear in what is known and in what is sent; a further send ends the state, so it censors; a notification
    goes out when the gain in P(T <= horizon) is large, else it waits. Here time runs from the slot's start, a
    hold's from the start of one that it could have used. Of candidates with equal gain the newest is sent.
    """

    beta: Floats  # [columns] effect on the log of the hours
    scale: float  # of the log of the hours
    horizon: float = 24.0  # hours
    threshold: float = 0.01  # probability
    name: str = "survival"
    floor: float = 0.0

    @classmethod
    def fit(
        cls, shards: Iterable[Shard], config: Config, horizon: float = 24.0, threshold: float = 0.01
    ) -> Self:
        """Return the policy with the model of a log.

        Args:
            shards: with logged decisions, propensities, and visits after them.
            config: the rules under which candidate sets are replayed, and how far events are complete.
            horizon: hours in which a visit counts.
            threshold: gain in its probability from which on a message is sent.

        Raises:
            InputError: the log has no sends or no holds, or no visits after them.
        """
        parts, rng = [], np.random.default_rng(0)
        for shard in shards:
            known, drawn = known_until(shard, config), np.zeros(len(shard.decisions), np.bool_)
            drawn[Trial.of(shard, known, DAY).row] = True
            parts += [Sojourns.of(shard, row, config, known, rng) for row in batches(shard.decisions, drawn)]
        x, hours, seen, weight = (
            np.concatenate([getattr(part, name) for part in parts]) if parts else np.zeros((0, 1))
            for name in ("x", "hours", "seen", "weight")
        )
        if not (seen.any() and (x[:, BASE:] != 0).any(axis=1).any() and (x[:, BASE:] == 0).all(axis=1).any()):
            raise nothing_to_fit("survival", "sends, holds and visits after them")
        return cls(*weibull(x, hours, seen, weight), horizon, threshold)

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: 1 for one candidate of each row."""
        hold = context.candidates.is_hold
        gain = np.where(hold, self.threshold, self.gain(context))
        return certain(context, gain, newest(context))

    def gain(self, context: Context) -> Floats:
        """Return what sending each candidate adds to P(visit within the horizon of its slot): float64 [n]."""
        base, extra = columns(context.shard, context.candidates, len(self.beta) - BASE - 2)
        waiting = utility(base, self.beta[:BASE])
        return self.reached(waiting + utility(extra, self.beta[BASE:])) - self.reached(waiting)

    def reached(self, location: Floats) -> Floats:
        """Return P(T <= horizon) for locations x b of the log of the hours: float64 [n]."""
        risk: Floats = np.exp((np.log(self.horizon) - location) / self.scale)
        return -np.expm1(-risk)
