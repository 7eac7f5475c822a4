"""What is compared in a world: a policy, and what scores its candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from homing.decision import Policy
from homing.decision.decide import Score
from homing.schema import Shard
from homing.simulator import World


@dataclass(frozen=True)
class Contender:
    """A policy ready to decide in one part of a world.

    Only bounds that are made from the world's truth keep the world; all others see its shard alone.
    """

    name: str
    policy: Policy
    score: Callable[[Shard], Score] | None = None  # for the shard of a day
    history: bool = True  # whether policy or score look at events; without, days are faster


#: Makes a contender for one part of a world.
Entrant = Callable[[World], Contender]
