"""Shared limits as they are written in `homing.toml`: what users share, and what a send costs."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from homing.schema.section import Clock, Duration, Section
from homing.schema.times import parse_duration

_OBJECTIVE: Final = "objective:"


def _listed(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple) and not value:
        raise ValueError("[] names nothing; leave the key out to mean any")
    return value


#: One name, or several of which any will do.
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Clocks = Annotated[tuple[Clock, ...], BeforeValidator(_listed)]


class Budget(Section):
    """A limit that all users share. It becomes a price in every decision, with a hard stop behind it.

    A send is in its scope when it matches every key that is given; a key takes one name or a list of them.
    """

    name: str = Field(pattern=r"^[\w-]+$", description="What reports and `homing budget` call it.")
    channel: Names | None = Field(None, description="Only sends through this channel, or one of these.")
    domain: Names | None = Field(None, description="Only messages of this domain.")
    category: Names | None = Field(None, description="Only messages of this category.")
    generator: Names | None = Field(None, description="Only opportunities that this generator made.")
    message: Names | None = Field(None, description="Only this message.")
    slot: Clocks | None = Field(None, description="Only slots that start at this local clock time.")
    counts: str = Field(
        "sends",
        description="What is counted: `sends`; `cost`, as configured in `costs`; or `objective:NAME`, what "
        "sends are expected to add to that outcome beyond hold, where they add to it.",
    )
    max: float | None = Field(None, ge=0, description="Most in each period; empty: no maximum.")
    min: float | None = Field(None, ge=0, description="Least in each period; empty: no minimum.")
    per: Duration = Field(
        "1d",
        description="Length of periods, by when sends start, in UTC; days from midnight, weeks from Monday.",
    )

    @property
    def objective(self) -> str | None:
        """The objective that is counted, or None."""
        return self.counts.removeprefix(_OBJECTIVE) if self.counts.startswith(_OBJECTIVE) else None

    @property
    def unit(self) -> str:
        """One of what is counted, in words."""
        return {"sends": "send", "cost": "unit of cost"}.get(self.counts, str(self.objective))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if self.max is None and self.min is None:
            problems.append("has neither max nor min; give at least one")
        elif self.max is not None and self.min is not None and self.min > self.max:
            problems.append(f"min == {self.min:g} and max == {self.max:g}, must be min <= max")
        if self.counts not in ("sends", "cost") and not self.objective:
            problems.append(f"counts == {self.counts!r}, must be 'sends', 'cost' or 'objective:NAME'")
        if parse_duration(self.per) <= 0:
            problems.append(f"per == {self.per!r}, must be over 0")
        if problems:
            raise ValueError("\n".join(f"budget {self.name!r}: {problem}" for problem in problems))
        return self


class Costs(Section):
    """What one send costs, in money: that of its channel and that of its message."""

    channels: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="Cost of a send by channel; 0 for those that are not named."
    )
    messages: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="Cost of a send by message, such as a voucher; else 0."
    )
