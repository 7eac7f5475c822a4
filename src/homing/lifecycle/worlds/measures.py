"""What became of each user in a rollout: the numbers by which policies are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.lifecycle.worlds.rollout import Rollout
from homing.report.leaderboard import Measure
from homing.schema import EVENT_TYPES
from homing.schema.times import DAY

_COUNTED: Final = (
    Measure("active days", "number", "up", "days in UTC with a session"),
    Measure("minutes", "number", "up", "spent in sessions"),
    Measure("conversions", "number", "up", "how many"),
    Measure("revenue", "number", "up", "money of the conversions"),
    Measure("sends", "number", "none", "messages that were decided to be sent"),
    Measure("opens", "number", "none", "messages opened"),
    Measure("clicks", "number", "none", "messages clicked"),
    Measure("opt-outs", "number", "down", "times that a user opted out of a channel"),
)


@dataclass(frozen=True)
class Lives:
    """Numbers of each user over a period."""

    measures: tuple[Measure, ...]
    numbers: NDArray[np.float64]  # [users, measures]
    active: NDArray[np.bool_]  # [users, days] whether there was a session on each day

    @property
    def active_weeks(self) -> NDArray[np.bool_]:
        """[users, weeks] whether there was a session in each whole week."""
        people, days = self.active.shape
        weeks = days // 7
        return np.asarray(self.active[:, : 7 * weeks].reshape(people, weeks, 7).any(axis=2))


def lives(run: Rollout, since: int = 0) -> Lives:
    """Return what became of each user.

    Args:
        run: as far as its days have gone.
        since: number of the day from which on events and sends count; who is reachable is as of the end.
    """
    world = run.world
    users, days = len(world.users), len(run.log) - since
    log = world.events(since)
    user, kind = log["user"], log["type"]

    def total(name: str, weigh: bool = False) -> NDArray[np.float64]:
        rows = kind == EVENT_TYPES.index(name)
        weights = log["value"][rows].astype(np.float64) if weigh else None
        return np.bincount(user[rows], weights, minlength=users).astype(np.float64)

    visits = kind == EVENT_TYPES.index("session")
    active = np.zeros((users, days), np.bool_)
    active[user[visits], (log["at"][visits] - world.start) // DAY - since] = True
    sent = np.concatenate([drawn.rows.user[drawn.message >= 0] for drawn in run.log[since:]])
    counted = (
        active.sum(axis=1, dtype=np.float64),
        total("session", weigh=True),
        total("converted"),
        total("converted", weigh=True),
        np.bincount(sent, minlength=users).astype(np.float64),
        total("opened"),
        total("clicked"),
        total("opted_out"),
    )
    channels = world.vocabularies.channels.names
    reach = tuple(
        Measure(f"reach {name}", "rate", "up", f"reachable by {name} at the end") for name in channels
    )
    numbers = np.column_stack([*counted, world.reachable().astype(np.float64)])
    return Lives((*_COUNTED, *reach), numbers, active)
