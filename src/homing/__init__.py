"""Homing decides which message reaches which user, through which channel and when, or that nothing is sent.

import homing

workspace = homing.Workspace.create("shop")
homing.ingest(workspace, ["exports/"])
homing.train(workspace)
homing.evaluate(workspace).values
homing.plan(workspace, homing.parse_time("2026-03-01T06:00Z"))
homing.make_report(workspace)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homing.lifecycle.evaluate import evaluate
    from homing.lifecycle.explain import explain_decision, explain_user
    from homing.lifecycle.health import doctor
    from homing.lifecycle.journeys import journeys
    from homing.lifecycle.plan import plan
    from homing.lifecycle.report import make_report
    from homing.lifecycle.tradeoff import tradeoff
    from homing.lifecycle.train import train
    from homing.lifecycle.worlds.compare import compare
    from homing.lifecycle.worlds.simulate import simulate
    from homing.schema.times import parse_time
    from homing.store import Workspace, import_hillstrom, import_open_bandit, ingest

__all__ = [
    "Workspace",
    "compare",
    "doctor",
    "evaluate",
    "explain_decision",
    "explain_user",
    "import_hillstrom",
    "import_open_bandit",
    "ingest",
    "journeys",
    "make_report",
    "parse_time",
    "plan",
    "simulate",
    "tradeoff",
    "train",
]

# resolved on first use, so that `import homing` and `homing --help` stay quick
_HOMES = {
    "Workspace": "homing.store",
    "compare": "homing.lifecycle.worlds.compare",
    "doctor": "homing.lifecycle.health",
    "evaluate": "homing.lifecycle.evaluate",
    "explain_decision": "homing.lifecycle.explain",
    "explain_user": "homing.lifecycle.explain",
    "import_hillstrom": "homing.store",
    "import_open_bandit": "homing.store",
    "ingest": "homing.store",
    "journeys": "homing.lifecycle.journeys",
    "make_report": "homing.lifecycle.report",
    "parse_time": "homing.schema.times",
    "plan": "homing.lifecycle.plan",
    "simulate": "homing.lifecycle.worlds.simulate",
    "tradeoff": "homing.lifecycle.tradeoff",
    "train": "homing.lifecycle.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'homing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
