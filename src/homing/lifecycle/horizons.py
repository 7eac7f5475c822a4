"""Objectives with a horizon: which outcomes they ask for.

An outcome over a horizon is a sum over its days: how often (`any` and `count`), how much (`sum`), on how
many days (`active_days`).
"""

from __future__ import annotations

from collections.abc import Mapping

from homing.schema import Config
from homing.schema.config import Objective
from homing.schema.times import DAY, parse_duration


def horizons(config: Config) -> dict[str, int]:
    """Return the days of each objective that has a horizon."""
    return {
        name: parse_duration(objective.horizon) // DAY
        for name, objective in config.objectives.items()
        if objective.horizon is not None
    }


def over_horizons(config: Config) -> Config:
    """Return the configuration with every horizon as a window: what evaluation counts of a decision."""
    return with_objectives(config, {name: o.judged for name, o in config.objectives.items()})


def responding(config: Config) -> Config:
    """Return the configuration whose objectives a response model learns.

    With a horizon somewhere, these are the objectives within their windows, and whether the decision's
    message is opened and clicked.
    """
    if not horizons(config):
        return config
    from homing.models.advantage.basis import ATTENTION

    window = max((o.window for o in config.objectives.values()), key=parse_duration)
    attention = {
        name: Objective(event=event, window=window, scope="decision", weight=0.0)
        for name, event in ATTENTION.items()
    }
    return with_objectives(config, {**config.objectives, **attention})


def with_objectives(config: Config, objectives: Mapping[str, Objective]) -> Config:
    """Return the configuration with these objectives in place of its own."""
    return config.model_copy(update={"objectives": dict(objectives)})
