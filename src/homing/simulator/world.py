"""A music-streaming service in which clicks and loyalty part ways, seen as a platform would see it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import (
    Consents,
    InputError,
    Messages,
    Opportunities,
    Users,
    Vocabularies,
    Vocabulary,
)
from homing.schema.times import DAY
from homing.simulator.catalogue import CATEGORIES, DOMAINS, TONES, TOPICS, build_catalogue
from homing.simulator.channels import KNOWN, check_channels
from homing.simulator.day import simulate_day
from homing.simulator.log import Block, EventLog
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.opportunities import GENERATORS, build_opportunities
from homing.simulator.population import (
    NUMERIC,
    ZONES,
    build_population,
    rhythm_table,
    vocabularies,
    zone_offsets,
)
from homing.simulator.randomness import Purpose, stream
from homing.simulator.sending import NORMALS, UNIFORMS, Sending, check_sending, nothing
from homing.simulator.setting import Setting
from homing.simulator.tables import (
    Table,
    consents_so_far,
    consents_table,
    events_table,
    messages_table,
    opportunities_table,
    users_table,
)

#: Monday 2026-01-05T00:00Z.
DEFAULT_START: Final = 1_767_571_200_000_000


class StreamingWorld:
    """Users, messages and opportunities of a whole period, and events as far as the days have been simulated.

    Days run from midnight to midnight UTC and are simulated in order by `respond`. Same arguments and same
    sends give the same log; what happens to a user never depends on what others are sent.
    """

    def __init__(
        self,
        users: int,
        days: int,
        seed: int = 0,
        start: int = DEFAULT_START,
        channels: tuple[str, ...] = KNOWN,
        mechanisms: Mechanisms | None = None,
    ) -> None:
        """Make the world.

        Args:
            users: how many people there are, those included who sign up during the period.
            days: length of the period.
            seed: of all randomness.
            start: us, a midnight in UTC.
            channels: of push, email and in_app; their order gives the codes.
            mechanisms: what happens in the world; the default when absent.

        Raises:
            InputError: no users, no days, a negative seed, a start that is not midnight, an unknown channel.
        """
        if users < 1 or days < 1 or seed < 0:
            raise InputError(f"users == {users}, days == {days}, seed == {seed}: must be >= 1, >= 1 and >= 0")
        if start % DAY:
            raise InputError(f"start == {start}, must be a midnight in UTC, in microseconds since 1970")
        names = check_channels(channels)
        mechanisms = mechanisms or Mechanisms()
        self.days, self.start = days, start
        self._day = 0
        self._catalogue = build_catalogue(seed, start, days, names)
        self._population = build_population(
            users, days, seed, start, names, mechanisms.habit, mechanisms.response.delay
        )
        self._generated = build_opportunities(seed, start, days, self._population.traits, self._catalogue)
        self._setting = Setting(
            seed=seed,
            start=start,
            channels=names,
            mechanisms=mechanisms,
            catalogue=self._catalogue,
            traits=self._population.traits,
            zone=self._population.users.zone,
            offsets=zone_offsets(start, days),
            rhythm=rhythm_table(),
        )
        self._mood = self._population.mood
        self._waiting = nothing()
        self._log = EventLog()

    @property
    def vocabularies(self) -> Vocabularies:
        """The names behind all codes."""
        return Vocabularies(
            channels=Vocabulary(self._setting.channels),
            zones=Vocabulary(tuple(name for name, _, _ in ZONES)),
            messages=self._catalogue.vocabulary,
            domains=Vocabulary(tuple(domain.name for domain in DOMAINS)),
            categories=Vocabulary(CATEGORIES),
            generators=Vocabulary(GENERATORS),
            numeric={
                "users": NUMERIC,
                "messages": (*(f"x_topic[{place}]" for place in range(len(TOPICS))), "x_quality"),
                "opportunities": (),
            },
            categorical={
                "users": vocabularies(),
                "messages": {"x_tone": Vocabulary(TONES)},
                "opportunities": {},
            },
        )

    @property
    def messages(self) -> Messages:
        """The catalogue of the whole period."""
        return self._catalogue.messages

    @property
    def users(self) -> Users:
        """All people, those included who have yet to sign up; they are reachable only from then on."""
        return self._population.users

    @property
    def opportunities(self) -> Opportunities:
        """Opportunities of the whole period; each is known from its `created_at` on."""
        return self._generated.opportunities

    @property
    def now(self) -> int:
        """The end of the last simulated day, in us."""
        return self.start + self._day * DAY

    def consents(self) -> Consents:
        """Return opt-ins and opt-outs before `now`."""
        return consents_so_far(self._mood, self.now)[0]

    def respond(
        self,
        day: int,
        *,
        user: NDArray[np.int32],
        message: NDArray[np.int32],
        channel: NDArray[np.int16],
        slot_start: NDArray[np.int64],
        slot_end: NDArray[np.int64],
        decision_id: NDArray[np.uint64],
    ) -> None:
        """Simulate one day with the sends that were decided for it. People who are held are simply absent.

        Args:
            day: number of the day, from 0; days come in order and none is left out.
            user: [n] code, each at most once.
            message: [n] code.
            channel: [n] code.
            slot_start: [n] us, on the day or the next.
            slot_end: [n] us, exclusive.
            decision_id: [n, 2] uint64.

        Raises:
            InputError: the wrong day, columns of different lengths, or sends that break a rule, such as one
                to a user who is not reachable.
        """
        if day != self._day or day >= self.days:
            raise InputError(
                f"day == {day}, must be {self._day}; the world has {self.days} days, from 0, in order"
            )
        lengths = {len(column) for column in (user, message, channel, slot_start, slot_end, decision_id)}
        if len(lengths) > 1 or decision_id.shape[1:] != (2,):
            raise InputError(
                f"columns have lengths {sorted(lengths)} and decision_id has shape {decision_id.shape}; "
                "all must be [n], and decision_id [n, 2]"
            )
        rng = stream(self._setting.seed, day, Purpose.sends)
        codes = user.astype(np.int64)
        known = np.clip(codes, 0, len(self.users) - 1)  # luck by user; codes out of range are refused below
        sending = Sending(
            user=codes,
            message=message.astype(np.int64),
            channel=channel.astype(np.int64),
            slot_start=slot_start.astype(np.int64),
            slot_end=slot_end.astype(np.int64),
            decision=decision_id.astype(np.uint64),
            uniform=rng.random((len(self.users), UNIFORMS))[known],
            normal=rng.standard_normal((len(self.users), NORMALS))[known],
        )
        check_sending(sending, self.now, self._mood, self.messages)
        outcome = simulate_day(self._setting, self._mood, day, sending, self._waiting)
        self._mood, self._waiting = outcome.mood, outcome.waiting
        self._day += 1
        self._log.advance(outcome.blocks, self.now)

    def events(self, since_day: int = 0) -> dict[str, NDArray[np.generic]]:
        """Return the events from a day on and before `now`, in the order of time, as columns of codes.

        Returns:
            `id` int64 (its number in the log), `user` int32, `at` int64 us, `type` int16, `channel` int16 and
            `message` int32 (-1: organic), `decision` uint64 [n, 2] (zeros: organic), `value` float32 (minutes
            of a session, money of a conversion, else 1).
        """
        first, block = self._log.since(since_day)
        return {"id": first + np.arange(len(block)), **_columns(block)}

    def tables(self) -> dict[str, Table]:
        """Return users, consents, messages, opportunities and events as columns of the data contract.

        Ids are text, times int64 us (`homing.schema.times.MISSING` where empty), references of organic events
        empty text, missing numbers NaN, lists of channels object arrays, embeddings float32 [n, 8].
        """
        users, names = len(self.users), self._setting.channels
        first, block = self._log.since(0)
        return {
            "users": users_table(self._population),
            "consents": consents_table(self._mood, self.now, names),
            "messages": messages_table(self._catalogue, names),
            "opportunities": opportunities_table(self._generated, users, self._catalogue),
            "events": events_table(block, first, users, self._catalogue, names),
        }


def _columns(block: Block) -> dict[str, NDArray[np.generic]]:
    return dict(vars(block))
