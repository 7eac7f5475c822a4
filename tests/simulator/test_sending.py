import numpy as np
import pytest

from homing.schema import InputError
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import World
from simulator.conftest import streaming


def send(world: World, day: int = 0, **changes: object) -> None:
    """Send a podcast by e-mail to the first two users who can have it, with some columns changed."""
    email = world.vocabularies.channels.code("email")
    user = np.flatnonzero(world.reachable()[:, email])[:2]
    slot = np.full(2, world.now + 9 * HOUR)
    columns: dict[str, object] = {
        "user": user,
        "message": np.full(2, world.vocabularies.messages.code("msg-pod-020")),
        "channel": np.full(2, email),
        "slot_start": slot,
        "slot_end": slot + HOUR,
        "decision_id": np.ones((2, 2), np.uint64),
    }
    world.respond(day, **(columns | changes))  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return streaming(50, 2, seed=1)


def test_a_legal_send_is_delivered(world: World) -> None:
    send(world)
    assert (world.events()["type"] == 0).sum() == 2


def test_days_come_in_order(world: World) -> None:
    with pytest.raises(InputError, match="must be 0"):
        send(world, 1)
    send(world, 0)
    send(world, 1)
    with pytest.raises(InputError, match="2 days"):
        send(world, 2)


def test_columns_have_one_length(world: World) -> None:
    with pytest.raises(InputError, match="lengths"):
        send(world, decision_id=np.ones((3, 2), np.uint64))


def test_a_user_has_one_send_a_day(world: World) -> None:
    email = world.vocabularies.channels.code("email")
    user = np.flatnonzero(world.reachable()[:, email])[0]
    with pytest.raises(InputError, match="at most one send"):
        send(world, user=np.array([user, user]))


def test_unreachable_users_are_refused_and_nothing_happens(world: World) -> None:
    email = world.vocabularies.channels.code("email")
    table = world.reachable()[:, email]
    with pytest.raises(InputError, match="must be reachable"):
        send(world, user=np.array([np.flatnonzero(table)[0], np.flatnonzero(~table)[0]]))
    assert world.now == world.start and len(world.events()["at"]) == 0


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("user", -1, "user must be a code"),
        ("message", 60, "message must be a code"),
        ("channel", 3, "channel must be a code"),
        ("slot_start", 0, "on the day or the next"),
        ("slot_end", 0, "after slot_start"),
    ],
)
def test_values_out_of_range_are_refused(world: World, column: str, value: int, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        send(world, **{column: np.array([value, value + 1])})


def test_a_message_goes_only_through_its_channels(world: World) -> None:
    playlist = world.vocabularies.messages.code("msg-pla-033")
    with pytest.raises(InputError, match="made for the channel"):
        send(world, message=np.full(2, playlist))


def test_a_message_goes_only_while_it_is_valid() -> None:
    world = streaming(50, 40, seed=1)
    messages = world.messages
    ends = np.where(messages.valid_until == MISSING, np.iinfo(np.int64).max, messages.valid_until)
    first_over, last_valid = ends.argmin(), messages.valid_from.argmax()
    assert messages.valid_from[last_valid] > ends[first_over] + DAY
    none = {name: np.empty(0, np.int64) for name in ("user", "message", "channel", "slot_start", "slot_end")}
    day = 0
    while world.now < ends[first_over]:
        send(world, day, decision_id=np.empty((0, 2), np.uint64), **none)
        day += 1
    for row in (first_over, last_valid):
        with pytest.raises(InputError, match="valid at slot_start"):
            send(world, day, message=np.full(2, row))
