"""What does not change from day to day."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.simulator.catalogue import Catalogue
from homing.simulator.channels import ByChannel
from homing.simulator.latents import Traits
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.randomness import Luck, Purpose, stream
from homing.simulator.spec import Spec


@dataclass(frozen=True)
class Setting:
    """The world without its state."""

    spec: Spec
    luck: tuple[int, ...]  # the seed, the part of the population, and in a rollout its replicate
    start: int  # us
    channels: tuple[str, ...]
    catalogue: Catalogue
    traits: Traits
    zone: NDArray[np.int32]  # [users]
    offsets: NDArray[np.int64]  # [days, zones] us from UTC
    rhythm: NDArray[np.float64]  # [archetypes, 24] shares of a day
    person: NDArray[np.int64] | None = None  # [users] whose luck each has, in a rollout; None: their own

    def take(self, user: NDArray[np.int64], person: NDArray[np.int64], luck: tuple[int, ...]) -> Setting:
        """Return the world of some users, who may come several times.

        Args:
            user: [rows] code.
            person: [rows] whose luck each row has.
            luck: what the random numbers depend on.
        """
        return replace(self, luck=luck, traits=self.traits.take(user), zone=self.zone[user], person=person)

    @property
    def mechanisms(self) -> Mechanisms:
        """What happens in the world."""
        return self.spec.mechanisms

    def stream(self, day: int, purpose: Purpose) -> Luck:
        """Return the random numbers of one purpose on one day, by user."""
        people = len(self.zone) if self.person is None else int(self.person.max(initial=-1)) + 1
        return Luck(stream(self.luck, day, purpose), people, self.person)

    def local(self, day: int, user: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return instants [n] as us since 1970-01-01T00:00 on each user's own clock."""
        return np.asarray(at + self.offsets[day][self.zone[user]])

    def by_channel(self, parameter: ByChannel, channel: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return a parameter for each channel code [n]."""
        return np.asarray(parameter.of(self.channels)[channel])

    def through(self, name: str, channel: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which channel codes [n] are the named channel."""
        return np.asarray(np.array([known == name for known in self.channels])[channel])
