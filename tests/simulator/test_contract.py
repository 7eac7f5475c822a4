"""Every world by name keeps the contract, and a world that breaks a promise fails the test that names it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from homing.schema import InputError
from homing.schema.times import DAY, HOUR
from homing.simulator import Setup, SimulatedWorld, World, world_maker, world_names
from homing.simulator.contract import WorldContract
from homing.simulator.latents import NEVER, Reach
from homing.simulator.log import Block, organic
from homing.simulator.presets.streaming import STREAMING
from homing.simulator.sending import Sending

pytestmark = pytest.mark.slow


class TestWorlds(WorldContract):
    name: str

    @pytest.fixture(autouse=True, params=[*world_names(), "family:1", "family:2"])
    def named(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param

    def make(self, setup: Setup) -> World:
        return world_maker(self.name)(setup)


class Faulty(SimulatedWorld):
    def __init__(self, setup: Setup) -> None:
        super().__init__(STREAMING, setup)

    def lived(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        return super().live(day, sending)

    def visit(self, at: int, user: int = 0) -> Block:
        return organic("session", np.array([user]), np.array([at]))


class Unseeded(Faulty):
    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        return [*blocks, self.visit(self.now + np.random.default_rng().integers(DAY))], reach


class OneSeed(Faulty):
    def __init__(self, setup: Setup) -> None:
        super().__init__(replace(setup, seed=0))


class Deaf(Faulty):
    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        return self.lived(day, sending.where(np.zeros(len(sending), np.bool_)))


class ByRow(Faulty):
    """Has luck by the place of a send among the others."""

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        luck = np.random.default_rng(day).random(sending.uniform.shape)
        return self.lived(day, replace(sending, uniform=luck))


class Crowded(Faulty):
    """Few are reached on a day with many sends."""

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        tired = np.minimum(1.0, sending.uniform + 0.001 * len(sending))
        return self.lived(day, replace(sending, uniform=np.minimum(tired, 0.999)))


class Shared(Faulty):
    """All worlds of a process draw from one stream."""

    rng = np.random.default_rng(0)

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        return [*blocks, self.visit(self.now + self.rng.integers(DAY))], reach


class SameLuck(Faulty):
    def __init__(self, setup: Setup) -> None:
        super().__init__(replace(setup, replicate=0))


class Unborn(Faulty):
    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        return [*blocks, self.visit(self.now, int(self.users.signed_up_at.argmax()))], reach


class Late(Faulty):
    """Tells on the third day what happened on the first."""

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        return [*blocks, *([self.visit(self.start + HOUR)] if day == 2 else [])], reach


class Causeless(Faulty):
    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        return [
            replace(block, decision=block.decision + np.uint64(len(block.user) > 0)) for block in blocks
        ], reach


class Quiet(Faulty):
    """Opt-outs without the event."""

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        user, channel = np.nonzero(reach.until == NEVER)
        return blocks, reach.without(user[:5], channel[:5], np.full(5, self.now + HOUR))


class Deleted(Faulty):
    """Opted-out people still get messages."""

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        first = sending.user[:5], sending.channel[:5]
        gone = reach.without(*first, np.full(5, self.now), lost=True)
        return blocks, gone


class Untold(Faulty):
    """Says that everybody can be reached."""

    def reachable(self) -> Any:
        return np.ones_like(super().reachable())


class Loose(Faulty):
    """Takes every send."""

    def respond(self, day: int, **columns: Any) -> None:
        try:
            super().respond(day, **columns)
        except InputError:
            super().respond(self.now // DAY - self.start // DAY, **{k: v[:0] for k, v in columns.items()})


class Marked(Faulty):
    """Remembers that it was asked for something illegal."""

    marked = False

    def respond(self, day: int, **columns: Any) -> None:
        try:
            super().respond(day, **columns)
        except InputError:
            self.marked = True
            raise

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        blocks, reach = self.lived(day, sending)
        return [*blocks, *([self.visit(self.now + HOUR)] if self.marked else [])], reach


class WrongColumn(Faulty):
    def tables(self) -> Any:
        tables = super().tables()
        tables["events"]["when"] = tables["events"].pop("at")
        return tables


class WrongHash(Faulty):
    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        users = replace(self.users, hash=self.users.hash[::-1])
        self._scenery = replace(self._scenery, users=users)


class AllChannels(Faulty):
    def __init__(self, setup: Setup) -> None:
        super().__init__(replace(setup, channels=("push", "email", "in_app")))


@pytest.mark.parametrize(
    ("world", "test"),
    [
        (Unseeded, "same_setup_same_log"),
        (OneSeed, "another_seed_another_log"),
        (Deaf, "sends_are_answered"),
        (ByRow, "order_of_sends_does_not_matter"),
        (Crowded, "what_happens_to_a_user_does_not_depend_on_others_sends"),
        (Shared, "parts_are_independent"),
        (SameLuck, "a_replicate_keeps_the_people_and_changes_their_luck"),
        (Unborn, "events_are_possible_and_in_order"),
        (Causeless, "events_are_possible_and_in_order"),
        (Late, "memory_of_the_past_is_not_rewritten"),
        (Quiet, "consents_agree_with_events"),
        (Deleted, "consents_agree_with_events"),
        (Untold, "who_is_reachable_can_be_sent_to"),
        (WrongHash, "references_exist"),
        (WrongColumn, "tables_match_the_data_contract"),
        (Loose, "illegal_sends_are_refused_and_nothing_happens"),
        (Marked, "illegal_sends_are_refused_and_nothing_happens"),
        (AllChannels, "any_channels_and_sizes"),
    ],
)
def test_a_broken_promise_fails_its_test(world: Callable[[Setup], World], test: str) -> None:
    class Contract(WorldContract):
        def make(self, setup: Setup) -> World:
            return world(setup)

    with pytest.raises(AssertionError):
        getattr(Contract(), f"test_{test}")()


def test_every_promise_has_a_world_that_breaks_it() -> None:
    mark = next(m for m in test_a_broken_promise_fails_its_test.pytestmark if m.name == "parametrize")
    promises = {name for name in vars(WorldContract) if name.startswith("test_")}
    assert {f"test_{test}" for _, test in mark.args[1]} == promises


def test_without_a_world_the_contract_says_what_to_do() -> None:
    with pytest.raises(NotImplementedError, match="override make"):
        WorldContract().test_same_setup_same_log()
