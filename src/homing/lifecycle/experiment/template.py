"""A design to begin with, made of a workspace's objectives."""

from __future__ import annotations

import re

from homing.schema.reference import as_toml
from homing.store import Workspace

_EFFECT, _MARGIN = 0.05, 0.25  # relative; to be edited

_HEAD = """\
# The design of an experiment. It is fixed by 'homing experiment start'.
# 'homing experiment explain' prints the meaning and default of every key.

hypothesis = "Messages bring people back."
days = 28
looks = "always_valid"

# Who decides in each arm: a policy, a release, or other weights; what is not given is as usual.
[arms.control]
share = 0.5
policy = "hold"

[arms.messages]
share = 0.5

# Effects and margins are relative: 0.05 is 5 % of the control. Set those that matter to you.
"""


def template(workspace: Workspace) -> str:
    """Return the TOML of a design: messages as usual against none, on the workspace's objectives."""
    parts = [_HEAD]
    for name, objective in workspace.config.objectives.items():
        up = objective.direction == "up"
        told = {
            "role": "success" if up else "guardrail",
            "event": objective.event,
            "aggregate": objective.aggregate,
            "direction": objective.direction,
            ("effect" if up else "margin"): _EFFECT if up else _MARGIN,
        }
        key = re.sub(r"[^a-z0-9_-]", "-", name.lower())
        lines = [f"{k} = {as_toml(v)}" for k, v in told.items()]
        parts.append("\n".join([f"[metrics.{key}]", *lines, ""]))
    parts.append('[metrics.sends]\nrole = "monitor"\nevent = "sent"\ndirection = "none"\n')
    return "\n".join(parts)
