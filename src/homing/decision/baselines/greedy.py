"""Greedy on a response model, with and without a price for sending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.baselines.choice import certain
from homing.decision.baselines.logged import mean_gain
from homing.decision.policies import Context
from homing.schema import Config, InputError, Shard
from homing.schema.errors import nearest

#: Event types of a response, in the order in which `greedy` looks for an objective of them.
_RESPONSES: Final = ("clicked", "opened", "converted")


@dataclass(frozen=True)
class Greedy:
    """Takes the candidate with the largest value of one objective, less a fixed penalty for each send.

    Hold has its own value and no penalty. What a send does to the user's future is not in the value, so
    without a penalty nearly everybody is sent something at every epoch.
    """

    name: str
    column: int  # of the objective in the context's values
    sign: float = 1.0  # -1 where less of the objective is better
    penalty: float = 0.0  # in the objective's unit
    floor: float = 0.0

    @classmethod
    def on(cls, config: Config, objectives: Sequence[str], objective: str = "", name: str = "greedy") -> Self:
        """Return the policy for an objective.

        Args:
            config: where the objective is described.
            objectives: names of the columns of the context's values.
            objective: its name; by default the first one of clicks, else of opens, else of conversions.
            name: what reports call the policy.

        Raises:
            InputError: there is no such objective among the columns.
        """
        column = response(config, objectives)
        chosen = objective or ("" if column is None else objectives[column])
        if chosen not in objectives:
            raise InputError(
                f"objective == {chosen!r} of policy {name!r}, must be one of {', '.join(objectives)}"
                f"{nearest(chosen, objectives)}; write it as {name}:OBJECTIVE"
            )
        sign = 1.0 if config.objectives[chosen].direction == "up" else -1.0
        return cls(name, list(objectives).index(chosen), sign)

    def penalized(self, shards: Iterable[Shard], config: Config, objectives: Sequence[str]) -> Self:
        """Return the policy with the penalty of what an average logged send gains over a hold.

        So it sends what is expected to do better than the average send of the log.

        Args:
            shards: with logged decisions and the events after them.
            config: its objectives, and how far events are complete.
            objectives: names of the columns of the context's values.

        Raises:
            InputError: the log has no sends or no holds whose outcomes are known.
        """
        gain = mean_gain(shards, config, objectives[self.column], self.name)
        return replace(self, penalty=self.sign * gain)

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: 1 for one candidate of each row.

        Raises:
            InputError: the context has no values.
        """
        if context.values is None:
            raise InputError(f"policy {self.name!r} needs values of the candidates; pass a score function")
        worth = self.sign * context.values[:, self.column].astype(np.float64)
        return certain(context, worth - self.penalty * ~context.candidates.is_hold)


def response(config: Config, objectives: Sequence[str]) -> int | None:
    """Return the column of the first objective of clicks, else of opens, else of conversions, else None."""
    events = [config.objectives[name].event for name in objectives]
    return next((events.index(event) for event in _RESPONSES if event in events), None)
