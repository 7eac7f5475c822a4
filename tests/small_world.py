"""A small world after the main job, for the tests of several packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from homing.lifecycle.evaluate import Evaluated, evaluate
from homing.lifecycle.plan import Planned, plan
from homing.lifecycle.report import Reported, make_report
from homing.lifecycle.train import Trained, train
from homing.lifecycle.worlds.simulate import simulate
from homing.simulator import Setup
from homing.store import IngestSummary, Workspace, ingest

USERS, DAYS = 400, 28

#: Short windows and a frequent event to avoid, so that 400 users are enough; rules of every kind.
SMALL_TOML = """\
[workspace]
name = "Small world"
partitions = 2

[channels.push]
quiet_hours = ["22:00", "08:00"]
caps = [{ max = 1, per = "1d" }, { max = 4, per = "7d" }]
spacing = "20h"
slots = ["07:30", "12:00", "18:00", "21:30"]

[channels.email]
quiet_hours = ["22:00", "06:00"]
caps = [{ max = 2, per = "7d" }]

[channels.in_app]
caps = [{ max = 1, per = "1d" }]

[limits]
caps = [{ max = 4, per = "7d" }]
spacing = "6h"

[objectives.conversion]
event = "converted"
window = "3d"

[objectives.engagement]
event = "session"
window = "1d"
aggregate = "sum"
weight = 0.002

[objectives.annoyance]
event = "dismissed"
window = "1d"
direction = "down"
weight = 0.5

[training]
epochs = 2
members = 2
hidden = [16]
embedding = 2
batch_size = 1024

[evaluation]
bootstrap = 50

[exclusions]
share = 1.0

[engine]
threads = 1
"""


@dataclass(frozen=True)
class SmallWorld:
    """A workspace after the main job, with what every stage returned. Not to be changed; see `copied`."""

    workspace: Workspace
    log: Path  # the files that were ingested
    end: int  # us, the epoch that was planned
    ingested: IngestSummary
    trained: Trained
    evaluated: Evaluated
    planned: Planned
    reported: Reported


def build_small_world(folder: Path) -> SmallWorld:
    """Log a world into `folder/log`, and run every stage on it in `folder/workspace`."""
    workspace = Workspace.create(folder / "workspace", SMALL_TOML)
    log = simulate(folder / "log", "streaming", Setup(USERS, DAYS), "random", workspace.config)
    ingested = ingest(workspace, [folder / "log"])
    return SmallWorld(
        workspace,
        folder / "log" / "part-00000",
        log.end,
        ingested,
        train(workspace),
        evaluate(workspace),
        plan(workspace, log.end),
        make_report(workspace),
    )
