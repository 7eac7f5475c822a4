"""Policies that others have published or run, to be beaten: rules, greedy, a bandit, volume, timing."""

from homing.decision.baselines.greedy import Greedy
from homing.decision.baselines.recovering import Recovering
from homing.decision.baselines.registry import BASELINES, Baseline, make
from homing.decision.baselines.rules import Rules
from homing.decision.baselines.survival import Survival
from homing.decision.baselines.volume import Volume

__all__ = ["BASELINES", "Baseline", "Greedy", "Recovering", "Rules", "Survival", "Volume", "make"]
