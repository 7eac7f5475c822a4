"""Every mechanism of the world with its parameters; each can be switched off."""

from __future__ import annotations

from dataclasses import dataclass, field

from homing.simulator.conversion import Conversion
from homing.simulator.fatigue import Annoyance, Fatigue, OptOut, Repetition
from homing.simulator.habit import Churn, Habit
from homing.simulator.response import ResponseModel
from homing.simulator.visits import Displacement, Length, Week


@dataclass(frozen=True)
class Mechanisms:
    """What happens in the world. `dataclasses.replace` makes another world of it."""

    response: ResponseModel = field(default_factory=ResponseModel)
    fatigue: Fatigue = field(default_factory=Fatigue)
    repetition: Repetition = field(default_factory=Repetition)
    annoyance: Annoyance = field(default_factory=Annoyance)
    opt_out: OptOut = field(default_factory=OptOut)
    habit: Habit = field(default_factory=Habit)
    churn: Churn = field(default_factory=Churn)
    week: Week = field(default_factory=Week)
    length: Length = field(default_factory=Length)
    displacement: Displacement = field(default_factory=Displacement)
    conversion: Conversion = field(default_factory=Conversion)
