"""What only the world knows: what a send will bring, now and later. Never visible to policies.

Asking changes nothing: the world goes on as if nobody had asked. Only bounds
(`homing.lifecycle.worlds.oracles`), applications, benchmarks and tests may import this package; a contract on
imports keeps it so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError
from homing.schema.times import DAY, format_time
from homing.simulator.population import zone_offsets
from homing.simulator.setting import Setting
from homing.simulator.simulated import SimulatedWorld
from homing.simulator.truth.asked import Asked
from homing.simulator.truth.effects import Effect, Totals, effects
from homing.simulator.truth.immediate import DAYS, Expected, immediate


class Truth:
    """Answers about sends on the day that a world is to simulate next."""

    def __init__(self, world: SimulatedWorld, seed: int = 0) -> None:
        """Look at a world as it stands.

        Args:
            world: whose days go on as if nobody had looked; a new `Truth` is needed after each of them.
            seed: of the luck of rollouts. It is never the luck that the world has in store.

        Raises:
            InputError: the world's days are over.
        """
        self._day = (world.now - world.start) // DAY
        if self._day >= world.days:
            raise InputError(f"days == {world.days}, all simulated; ask before the last day is")
        self._setting, self._state, self._seed = world._setting, world._state, seed

    def expected(
        self,
        user: NDArray[np.int64],
        message: NDArray[np.int64],
        channel: NDArray[np.int64],
        slot_start: NDArray[np.int64],
        slot_end: NDArray[np.int64],
        until: NDArray[np.int64] | None = None,
    ) -> Expected:
        """Return what each send brings by itself, averaged over all luck.

        The same functions give these probabilities and those from which the world draws. An average is over
        the moment within the slot, and in-app over the visits that may show the message. For a message that
        waits until a later day, habit is what it is on average by then: the only approximation.

        Args:
            user: [n] code, any number of times.
            message: [n] code.
            channel: [n] code.
            slot_start: [n] us, on the day or the next.
            slot_end: [n] us, exclusive.
            until: [n] us, from which on a conversion does not count any more; None: whenever it comes.

        Raises:
            InputError: a code out of range, an empty slot, or one that begins on another day.
        """
        asked = self._asked(user, message, channel, slot_start, slot_end)
        return immediate(self._with_days(DAYS), self._state.mood, self._day, asked, until)

    def effect(
        self,
        user: NDArray[np.int64],
        message: NDArray[np.int64],
        channel: NDArray[np.int64],
        slot_start: NDArray[np.int64],
        slot_end: NDArray[np.int64],
        days: int = 28,
        replicates: int = 64,
    ) -> Effect:
        """Return what each send does to its user's next days against hold, by rollouts.

        Nothing else is sent in either arm; an in-app message that was waiting already still waits in both.
        Arms of one user meet the same luck, so where a send changes nothing the difference is exactly zero.

        Args:
            user: [n] code, any number of times; the sends of one user share their rollouts of hold.
            message: [n] code.
            channel: [n] code.
            slot_start: [n] us, on the day or the next.
            slot_end: [n] us, exclusive.
            days: whose outcomes count, the day of the send included.
            replicates: rollouts of each arm, at least 2.

        Raises:
            InputError: as `expected`; no days; fewer than two replicates.
        """
        if days < 1 or replicates < 2:
            raise InputError(f"days == {days} and replicates == {replicates}, must be >= 1 and >= 2")
        asked = self._asked(user, message, channel, slot_start, slot_end)
        luck = (*self._setting.luck, self._seed, self._day)
        return effects(self._with_days(days), self._state, self._day, luck, asked, days, replicates)

    def _with_days(self, days: int) -> Setting:
        """Return the setting with clocks for days that may lie behind the world's period."""
        start = self._setting.start
        return replace(self._setting, offsets=zone_offsets(start, self._day + days))

    def _asked(
        self,
        user: NDArray[np.int64],
        message: NDArray[np.int64],
        channel: NDArray[np.int64],
        start: NDArray[np.int64],
        end: NDArray[np.int64],
    ) -> Asked:
        begin, setting = self._setting.start + self._day * DAY, self._setting
        lengths = [len(column) for column in (user, message, channel, start, end)]
        if len(set(lengths)) > 1:
            raise InputError(f"columns have lengths {lengths}, must be equal")
        for name, codes, size in (
            ("user", user, len(setting.zone)),
            ("message", message, len(setting.catalogue.quality)),
            ("channel", channel, len(setting.channels)),
        ):
            if ((codes < 0) | (codes >= size)).any():
                raise InputError(
                    f"{name} has codes from {codes.min()} to {codes.max()}, must be in [0, {size})"
                )
        if ((end <= start) | (start < begin) | (start >= begin + 2 * DAY)).any():
            raise InputError(
                f"slots begin from {format_time(int(start.min()))} on; they must not be empty, and "
                f"must begin on {format_time(begin)} or the day after"
            )
        return Asked(*(column.astype(np.int64) for column in (user, message, channel, start, end)))


__all__ = ["Effect", "Expected", "Totals", "Truth"]
