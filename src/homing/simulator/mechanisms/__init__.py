"""Every mechanism of a world with its parameters; each can be switched off."""

from __future__ import annotations

from dataclasses import dataclass, field

from homing.simulator.mechanisms.conversion import Conversion
from homing.simulator.mechanisms.drift import Drift
from homing.simulator.mechanisms.fatigue import Annoyance, Fatigue, OptOut, Repetition
from homing.simulator.mechanisms.habit import Churn, Habit
from homing.simulator.mechanisms.reach import OptIn, TokenLoss
from homing.simulator.mechanisms.response import ResponseModel
from homing.simulator.mechanisms.stages import Stages
from homing.simulator.mechanisms.visits import Displacement, Length, Week


@dataclass(frozen=True)
class Mechanisms:
    """What happens in the world. `dataclasses.replace` makes another world of it."""

    response: ResponseModel = field(default_factory=ResponseModel)
    fatigue: Fatigue = field(default_factory=Fatigue)
    repetition: Repetition = field(default_factory=Repetition)
    annoyance: Annoyance = field(default_factory=Annoyance)
    opt_out: OptOut = field(default_factory=OptOut)
    opt_in: OptIn = field(default_factory=OptIn)
    token_loss: TokenLoss = field(default_factory=TokenLoss)
    habit: Habit = field(default_factory=Habit)
    stages: Stages = field(default_factory=Stages)
    churn: Churn = field(default_factory=Churn)
    week: Week = field(default_factory=Week)
    length: Length = field(default_factory=Length)
    displacement: Displacement = field(default_factory=Displacement)
    conversion: Conversion = field(default_factory=Conversion)
    drift: Drift = field(default_factory=Drift)


__all__ = ["Mechanisms"]
