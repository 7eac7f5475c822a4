"""An experiment from its start on: its design is frozen, and only its history grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from homing.schema.errors import InputError
from homing.schema.experiment import Design, parse_design
from homing.schema.times import DAY


@dataclass(frozen=True)
class Change:
    """One line of an experiment's history."""

    what: Literal["start", "ramp", "stop", "look"]
    at: int  # us; epochs from it on, or for a look what was known before it
    made_at: str  # ISO 8601, when somebody asked for it
    traffic: float | None = None  # from `at` on; of start and ramp
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """An experiment from its start on: immutable but for a history that grows."""

    name: str
    design: Design  # with releases and salt resolved
    history: tuple[Change, ...]  # the first is the start

    @property
    def started_at(self) -> int:
        """The first epoch, us."""
        return self.history[0].at

    @property
    def planned_end(self) -> int:
        """Where it ends unless it is stopped, us, exclusive."""
        return self.started_at + self.design.days * DAY

    @property
    def stopped_at(self) -> int | None:
        """From when on it is stopped, us."""
        return next((change.at for change in self.history if change.what == "stop"), None)

    @property
    def ends_at(self) -> int:
        """Where its arms decide no more, us, exclusive."""
        stopped = self.stopped_at
        return self.planned_end if stopped is None else min(stopped, self.planned_end)

    def traffic_at(self, at: int) -> float:
        """Return the share of its users that have entered by an epoch (us); 0 before and after it."""
        if not self.started_at <= at < self.ends_at:
            return 0.0
        return max(c.traffic for c in self.history if c.traffic is not None and c.at <= at)

    @property
    def looks(self) -> tuple[int, ...]:
        """When it was looked at, us, rising."""
        return tuple(sorted({change.at for change in self.history if change.what == "look"}))

    def changed(self, change: Change) -> Record:
        """Return the record with one more line."""
        return replace(self, history=(*self.history, change))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        history = [{k: v for k, v in vars(change).items() if v not in (None, "")} for change in self.history]
        return {"name": self.name, "design": self.design.model_dump(mode="json"), "history": history}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Return what `to_dict` was given.

        Raises:
            ConfigError: the design breaks a rule.
            KeyError, TypeError, IndexError: it is no record.
        """
        history = tuple(Change(**line) for line in data["history"])
        if history[0].what != "start":
            raise TypeError(f"the first change is {history[0].what!r}, must be 'start'")
        return cls(data["name"], parse_design(data["design"], data["name"]), history)


def check_rising(history: tuple[Change, ...]) -> None:
    """Check that shares of a history only rise.

    Raises:
        InputError: one falls.
    """
    shares = [change.traffic for change in history if change.traffic is not None]
    for earlier, later in pairwise(shares):
        if later <= earlier:
            raise InputError(
                f"traffic == {later:g}, must be over {earlier:g}: who has entered stays; stop it instead"
            )
