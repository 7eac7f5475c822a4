"""What a world is asked to be: how many people, for how long, from when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from homing.schema import InputError
from homing.schema.times import DAY
from homing.simulator.channels import KNOWN, check_channels

#: Monday 2026-01-05T00:00Z.
DEFAULT_START: Final = 1_767_571_200_000_000
#: People in a part. Parts never touch, so any number of workers makes the same log; a part fits the cache.
PART_USERS: Final = 10_000


@dataclass(frozen=True)
class Setup:
    """A population, or a part of one, over a period."""

    users: int  # people, those included who sign up during the period
    days: int
    seed: int = 0  # of all randomness
    start: int = DEFAULT_START  # us, a midnight in UTC
    channels: tuple[str, ...] = KNOWN  # their order gives the codes
    first: int = 0  # number of the first of these people in the whole population
    replicate: int = 0  # the same people, messages and opportunities; from 1 on with other luck on the days

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            InputError: no users, no days, a negative seed, a start that is not midnight, an unknown channel,
                a first user with whom no part begins, a negative replicate.
        """
        if self.users < 1 or self.days < 1 or self.seed < 0:
            raise InputError(
                f"users == {self.users}, days == {self.days}, seed == {self.seed}, "
                "must be >= 1, >= 1 and >= 0"
            )
        if self.start % DAY:
            raise InputError(f"start == {self.start}, must be a midnight in UTC, in microseconds since 1970")
        if self.first < 0 or self.first % PART_USERS:
            raise InputError(
                f"first == {self.first}, must be a multiple of {PART_USERS:,}; see Setup.parts()"
            )
        if self.replicate < 0:
            raise InputError(f"replicate == {self.replicate}, must be >= 0")
        check_channels(self.channels)

    @property
    def luck(self) -> tuple[int, ...]:
        """What the random numbers of the days depend on."""
        return (self.seed, self.first, self.replicate) if self.replicate else (self.seed, self.first)

    def parts(self) -> Iterator[Setup]:
        """Yield the parts of the population, each a setup of its own."""
        for first in range(self.first, self.first + self.users, PART_USERS):
            yield replace(self, first=first, users=min(PART_USERS, self.first + self.users - first))
