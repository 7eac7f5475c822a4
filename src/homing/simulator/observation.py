"""What an agent sees of each user: visible features, counts of the user's own past, and newest offers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, Vocabularies, Vocabulary
from homing.schema.times import DAY
from homing.simulator.world import World

Floats = NDArray[np.float32]

_HALF_LIFE: Final = 7  # days, of counts
_LONG_AGO: Final = 60.0  # days that stand for never, and for longer
_COUNTED: Final = ("session", "opened", "clicked", "dismissed", "converted")


class Observer:
    """Keeps count of what a platform sees, day by day, and lays it out as one row of numbers a user.

    Counts are of the last weeks: they halve in seven days, and are shown as log(1 + count). Days are shown as
    log(1 + days), missing numbers as 0, categories as one column a value. `names` says what each column is.
    """

    def __init__(self, world: World, offers: int) -> None:
        """Begin before the first day.

        Args:
            world: whose days are observed.
            offers: places for opportunities.
        """
        self._world, self._places = world, offers
        users, words = len(world.users), world.vocabularies
        self._counts = np.zeros((users, len(_COUNTED) + 1))  # the last is minutes
        self._sent = np.zeros((users, len(words.channels)))
        self._sent_category = np.zeros((users, len(words.categories)))
        self._last = np.full((users, 3), -np.inf)  # days: session, open, send
        self._fixed, fixed = _visible(words, "users", world.users.numeric, world.users.categorical)
        self._message, message = _visible(
            words, "messages", world.messages.numeric, world.messages.categorical
        )
        rows = world.opportunities
        self._offer, offer = _visible(words, "opportunities", rows.numeric, rows.categorical)
        self._owner = np.repeat(np.arange(users), np.diff(rows.offsets))
        of_offer = (
            *("there", "log_age", "log_days_left", "has_value", "value", "sent_category"),
            *(f"domain={name}" for name in words.domains.names),
            *message,
            *offer,
        )
        self.names: tuple[str, ...] = (
            *(f"reachable={name}" for name in words.channels.names),
            *("signed_up", "log_tenure", "weekday_sin", "weekday_cos"),
            *(f"recent_{name}" for name in (*_COUNTED, "minutes")),
            *(f"recent_sent={name}" for name in words.channels.names),
            *(f"log_since_{name}" for name in ("session", "open", "send")),
            *fixed,
            *(f"offer{place}.{name}" for place in range(offers) for name in of_offer),
        )

    def lived(
        self,
        user: NDArray[np.int64],
        message: NDArray[np.int64],
        channel: NDArray[np.int64],
        events: dict[str, NDArray[Any]],
    ) -> None:
        """Count the day that has ended.

        Args:
            user: [n] code of who was sent something, each at most once.
            message: [n] code.
            channel: [n] code.
            events: of the day, columns as `World.events` has them.
        """
        users, day, keeps = len(self._world.users), self._day - 1, 0.5 ** (1 / _HALF_LIFE)
        self._counts *= keeps
        self._sent *= keeps
        self._sent_category *= keeps
        self._sent[user, channel] += 1
        self._sent_category[user, self._world.messages.category[message]] += 1
        self._last[user, 2] = day
        for place, name in enumerate(_COUNTED):
            rows = events["type"] == EVENT_TYPES.index(name)
            who = events["user"][rows]
            self._counts[:, place] += np.bincount(who, minlength=users)
            if name == "session":
                self._counts[:, -1] += np.bincount(who, events["value"][rows], minlength=users)
            if name in ("session", "opened"):
                self._last[who, int(name == "opened")] = day

    def offers(self) -> NDArray[np.int64]:
        """Return each user's newest live opportunities: rows [users, places], -1: none."""
        rows, now = self._world.opportunities, self._world.now
        alive = np.flatnonzero((rows.created_at <= now) & (rows.expires_at > now))
        owner = self._owner[alive]
        order = np.lexsort((rows.hash[alive], -rows.created_at[alive], owner))
        alive, owner = alive[order], owner[order]
        counts = np.bincount(owner, minlength=len(self._world.users))
        nth = np.arange(len(alive)) - np.repeat(np.cumsum(counts) - counts, counts)
        shown = nth < self._places
        table = np.full((len(counts), self._places), -1)
        table[owner[shown], nth[shown]] = alive[shown]
        return table

    def observe(self, offers: NDArray[np.int64]) -> Floats:
        """Return what is seen now, float32 [users, names].

        Args:
            offers: as `offers` returned them.
        """
        world = self._world
        tenure = (world.now - world.users.signed_up_at) / DAY
        weekday = 2 * np.pi * ((world.now // DAY + 3) % 7) / 7  # 1970-01-01 was a Thursday
        week = np.broadcast_to([np.sin(weekday), np.cos(weekday)], (len(tenure), 2))
        since = np.minimum(self._day - self._last, _LONG_AGO)
        blocks = [
            world.reachable(),
            (tenure >= 0)[:, None],
            np.log1p(np.maximum(tenure, 0))[:, None],
            week,
            np.log1p(self._counts),
            np.log1p(self._sent),
            np.log1p(since),
            self._fixed,
            *(self._offered(column) for column in offers.T),
        ]
        return np.column_stack(blocks).astype(np.float32)

    @property
    def _day(self) -> int:
        return (self._world.now - self._world.start) // DAY

    def _offered(self, row: NDArray[np.int64]) -> Floats:
        """Return the columns of one place for offers, zeros where there is none."""
        rows, messages, now = self._world.opportunities, self._world.messages, self._world.now
        if not len(rows):
            empty = 6 + len(self._world.vocabularies.domains) + self._message.shape[1] + self._offer.shape[1]
            return np.zeros((len(row), empty), np.float32)
        there, message = row >= 0, rows.message[row]
        value = rows.domain_value[row].astype(np.float64)
        known = np.isfinite(value)
        value = np.where(known, value, 0.0)
        domain = np.arange(len(self._world.vocabularies.domains)) == messages.domain[message][:, None]
        columns = np.column_stack(
            [
                there,
                np.log1p(np.maximum(now - rows.created_at[row], 0) / DAY),
                np.log1p(np.maximum(rows.expires_at[row] - now, 0) / DAY),
                known,
                np.sign(value) * np.log1p(np.abs(value)),
                np.log1p(self._sent_category[np.arange(len(row)), messages.category[message]]),
                domain,
                self._message[message],
                self._offer[row],
            ]
        )
        return np.where(there[:, None], columns, 0.0).astype(np.float32)


def _visible(
    words: Vocabularies, table: str, numeric: Floats, categorical: NDArray[np.int32]
) -> tuple[Floats, tuple[str, ...]]:
    """Return the features of a table as numbers, [rows, names], and their names."""
    values: dict[str, Vocabulary] = dict(words.categorical.get(table, {}))
    names = list(words.numeric.get(table, ()))
    blocks: list[NDArray[Any]] = [np.nan_to_num(numeric, nan=0.0)]
    for column, (name, known) in zip(categorical.T, values.items(), strict=True):
        blocks.append(np.arange(len(known)) == column[:, None])
        names += [f"{name}={value}" for value in known.names]
    return np.column_stack(blocks).astype(np.float32), tuple(names)
