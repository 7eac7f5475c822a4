"""What a world is: people who may be sent messages, and who answer a day's sends with events.

A world of your own is a subclass of `World` with a constructor that takes a `Setup` and a method `live`;
register the class as an entry point of the group `homing.worlds`, and every command knows it by that name.
`make_scenery` makes what is there from plain columns, `homing.simulator.contract` has the tests that every
world must pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from homing.schema import Consents, InputError, Messages, Opportunities, Users, Vocabularies
from homing.schema.times import DAY
from homing.simulator import tables
from homing.simulator.identifiers import id_bytes, id_text
from homing.simulator.latents import Reach
from homing.simulator.log import Block, ConsentLog, EventLog
from homing.simulator.population import user_ids
from homing.simulator.randomness import Purpose, stream
from homing.simulator.scenery import Scenery
from homing.simulator.sending import NORMALS, UNIFORMS, Sending, check_sending
from homing.simulator.setup import PART_USERS, Setup
from homing.simulator.tables import Table


class World(ABC):
    """A part of a population over a period, as far as its days have been simulated.

    Days run from midnight to midnight UTC and are simulated in order by `respond`. Same setup and same sends
    give the same log; what happens to a user never depends on what others are sent.
    """

    def __init__(self, setup: Setup, scenery: Scenery) -> None:
        """Begin before the first day.

        Raises:
            InputError: more people than a part has.
        """
        if setup.users > PART_USERS:
            raise InputError(
                f"users == {setup.users:,}, must be <= {PART_USERS:,} in one world; make one for each of "
                "setup.parts()"
            )
        self.setup, self._scenery = setup, scenery
        self._day = 0
        self._log = EventLog()
        self._consents = ConsentLog(scenery.reach)

    @abstractmethod
    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        """Return a day's events, in any order, and who can be reached when after it.

        Events may lie after the day: they stay unseen until then. Each channel of each user begins or ends
        to be reachable at most once a day. `sending` has luck of its own in every row, which depends on
        setup, day and user only: use it, and policies that are compared meet the same luck.

        Args:
            day: from 0.
            sending: at most one row a user, all of them allowed.
        """

    @property
    def days(self) -> int:
        """Length of the period."""
        return self.setup.days

    @property
    def start(self) -> int:
        """Its beginning, us."""
        return self.setup.start

    @property
    def vocabularies(self) -> Vocabularies:
        """The names behind all codes."""
        return self._scenery.vocabularies

    @property
    def messages(self) -> Messages:
        """The catalogue of the whole period."""
        return self._scenery.messages

    @property
    def users(self) -> Users:
        """All people, those included who have yet to sign up; they are reachable only from then on."""
        return self._scenery.users

    @property
    def opportunities(self) -> Opportunities:
        """Opportunities of the whole period; each is known from its `created_at` on."""
        return self._scenery.opportunities

    @property
    def now(self) -> int:
        """The end of the last simulated day, in us."""
        return self.start + self._day * DAY

    @property
    def reach(self) -> Reach:
        """Who can be reached when, as the last simulated day left it; for `live`, platforms see less."""
        return self._consents.reach

    def consents(self) -> Consents:
        """Return opt-ins and opt-outs before `now`."""
        return self._consents.before(self.now).consents

    def reachable(self) -> NDArray[np.bool_]:
        """Return who is reachable at `now`, [users, channels]."""
        return self._consents.reachable(self.now)

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
        rng = stream(self.setup.luck, day, Purpose.sends)
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
        check_sending(sending, self.now, self._consents.reach, self.messages)
        blocks, reach = self.live(day, sending)
        self._day += 1
        self._log.advance(blocks, self.now)
        self._consents.advance(reach)

    def events(self, since_day: int = 0) -> dict[str, NDArray[np.generic]]:
        """Return the events from a day on and before `now`, in the order of time, as columns of codes.

        Returns:
            `id` int64 (its number in the log), `user` int32, `at` int64 us, `type` int16, `channel` int16 and
            `message` int32 (-1: organic), `decision` uint64 [n, 2] (zeros: organic), `value` float32 (minutes
            of a session, money of a conversion, else 1).
        """
        first, block = self._log.since(since_day)
        return {"id": first + np.arange(len(block)), **vars(block)}

    def tables(self) -> dict[str, Table]:
        """Return users, consents, messages, opportunities and events as columns of the data contract.

        Ids are text, times int64 us (`homing.schema.times.MISSING` where empty), references of organic events
        empty text, missing numbers NaN, lists of channels object arrays, embeddings float32 [n, d].
        """
        words, (first, block) = self.vocabularies, self._log.since(0)
        user_id = id_text(user_ids(self.setup.first + np.arange(len(self.users))))
        part = self.setup.first // PART_USERS
        event_id = id_text(id_bytes(f"evt-{part}-", first + np.arange(len(block)), 9))
        return {
            "users": tables.users_table(words, self.users, user_id),
            "consents": tables.consents_table(words, self._consents.before(self.now), user_id),
            "messages": tables.messages_table(words, self.messages),
            "opportunities": tables.opportunities_table(
                words, self.opportunities, id_text(self._scenery.opportunity_ids), user_id
            ),
            "events": tables.events_table(words, block, event_id, user_id),
        }
