"""What the truth says, beside what then happens."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, InputError
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import Setup, SimulatedWorld
from homing.simulator.calibration import without
from homing.simulator.registry import PRESETS, world_spec
from homing.simulator.truth import Expected, Totals, Truth
from simulator.conftest import WORLDS

pytestmark = pytest.mark.slow

Sends = dict[str, NDArray[np.int64]]
_BEFORE = 3  # days with sends before the one that is asked about


def chance_sends(world: SimulatedWorld, rng: np.random.Generator) -> Sends:
    """Return one send for each user who has an opportunity and can be reached, at random."""
    now, offers, messages = world.now, world.opportunities, world.messages
    owner = np.repeat(np.arange(len(world.users)), np.diff(offers.offsets))
    alive = rng.permutation(np.flatnonzero((offers.created_at < now) & (offers.expires_at > now + DAY)))
    user, first = np.unique(owner[alive], return_index=True)
    message = offers.message[alive[first]].astype(np.int64)
    channel = rng.integers(0, 3, len(user))
    start = now + rng.integers(0, 24, len(user)) * HOUR
    until = messages.valid_until[message]
    keep = messages.channels[message, channel] & world.reachable()[user, channel]
    keep &= (until == MISSING) | (start + HOUR < until)
    sends = {"user": user, "message": message, "channel": channel, "slot_start": start}
    sends = {name: column[keep].astype(np.int64) for name, column in sends.items()}
    return {**sends, "slot_end": sends["slot_start"] + HOUR}


def send(world: SimulatedWorld, sends: Sends) -> NDArray[np.uint64]:
    day = (world.now - world.start) // DAY
    ids = np.column_stack([np.full(len(sends["user"]), day + 1), sends["user"] + 1]).astype(np.uint64)
    world.respond(int(day), **sends, decision_id=ids)
    return ids


def after_some_days(name: str, users: int, days: int) -> tuple[SimulatedWorld, np.random.Generator]:
    world, rng = SimulatedWorld(world_spec(name), Setup(users, days, seed=2)), np.random.default_rng(1)
    for _ in range(_BEFORE):
        send(world, chance_sends(world, rng))
    return world, rng


@pytest.mark.parametrize("name", WORLDS)
def test_expectations_are_what_happens_on_average(name: str) -> None:
    """Sums of probabilities over some thousand sends, beside the counts: within four standard errors."""
    world, rng = after_some_days(name, 4000, 30)
    sends = chance_sends(world, rng)
    expected = Truth(world).expected(**sends)
    ids = send(world, sends)
    for day in range(_BEFORE + 1, 30):
        world.respond(day, **{name: column[:0] for name, column in sends.items()}, decision_id=ids[:0])
    events = world.events()
    mine = np.isin(events["decision"][:, 0], ids[:, 0]) & events["decision"].any(axis=1)
    found = dict(zip(*np.unique(events["type"][mine], return_counts=True), strict=True))
    assert len(ids) > 700
    for kind, probability in (
        ("delivered", expected.delivered),
        ("opened", expected.opened),
        ("clicked", expected.clicked),
        ("dismissed", expected.dismissed),
        ("converted", expected.converted),
        ("opted_out", expected.opted_out),
    ):
        count = found.get(EVENT_TYPES.index(kind), 0)
        error = np.sqrt(np.sum(probability * (1 - probability)))
        assert (probability >= 0).all() and (probability <= 1).all()
        assert abs(count - probability.sum()) < 4 * error + 0.5, (kind, count, probability.sum(), error)


def test_what_is_more_probable_happens_more_often() -> None:
    """Not on average only: the likelier half of the sends has about its own share of the opens."""
    world, rng = after_some_days("streaming", 8000, 8)
    sends = chance_sends(world, rng)
    opened = Truth(world).expected(**sends).opened
    ids = send(world, sends)
    for day in range(_BEFORE + 1, 8):
        world.respond(day, **{name: column[:0] for name, column in sends.items()}, decision_id=ids[:0])
    events = world.events()
    kind = events["type"] == EVENT_TYPES.index("opened")
    today = events["decision"][kind & (events["decision"][:, 0] == _BEFORE + 1)][:, 1]
    hit = np.isin(ids[:, 1], today)
    likely = opened > np.quantile(opened, 0.8)
    for part in (likely, ~likely):
        error = np.sqrt(np.sum((opened * (1 - opened))[part]))
        assert abs(hit[part].sum() - opened[part].sum()) < 4 * error
    assert opened[likely].mean() > 5 * opened[~likely].mean()


def test_asking_changes_nothing() -> None:
    logs = []
    for asks in (False, True):
        world, rng = after_some_days("commerce", 300, 8)
        sends = chance_sends(world, rng)
        if asks:
            truth = Truth(world)
            truth.expected(**sends)
            truth.effect(**{name: column[:20] for name, column in sends.items()}, days=3, replicates=4)
        send(world, sends)
        logs.append(world.events())
    for column, values in logs[0].items():
        np.testing.assert_array_equal(values, logs[1][column])


def test_the_same_question_has_the_same_answer_and_each_send_its_own() -> None:
    world, rng = after_some_days("streaming", 300, 8)
    sends = {name: column[:30] for name, column in chance_sends(world, rng).items()}
    alone = {name: column[3:4] for name, column in sends.items()}
    truth = Truth(world, seed=5)
    first, again = (truth.effect(**sends, days=5, replicates=8) for _ in range(2))
    for field in fields(Totals):
        np.testing.assert_array_equal(getattr(first.mean, field.name), getattr(again.mean, field.name))
    for field in fields(Expected):
        of_all = getattr(truth.expected(**sends), field.name)
        np.testing.assert_allclose(of_all[3:4], getattr(truth.expected(**alone), field.name))


def test_the_effect_is_that_of_two_lives() -> None:
    """The mean effect on active days, beside twice the same people: all sent once, or not at all."""
    users, days = 1000, 7
    world, rng = after_some_days("adverse", users, _BEFORE + days)
    sends = chance_sends(world, rng)
    effect = Truth(world).effect(**sends, days=days, replicates=16)
    spread = effect.se.active_days
    lived = []
    for asks in (False, True):
        each = []
        for replicate in range(8):
            setup = Setup(users, _BEFORE + days, seed=2, replicate=replicate)
            other, rng = SimulatedWorld(world_spec("adverse"), setup), np.random.default_rng(1)
            for _ in range(_BEFORE):
                send(other, chance_sends(other, rng))
            mine = chance_sends(other, rng)
            none = {name: column[:0] for name, column in mine.items()}
            ids = send(other, mine if asks else none)
            for day in range(_BEFORE + 1, _BEFORE + days):
                other.respond(day, **none, decision_id=ids[:0])
            events = other.events(since_day=_BEFORE)
            session = events["type"] == EVENT_TYPES.index("session")
            pairs = np.column_stack([events["user"], (events["at"] - other.start) // DAY])[session]
            each.append(len(np.unique(pairs, axis=0)) / len(mine["user"]))
        lived.append(each)
    difference = np.array(lived[1]) - np.array(lived[0])
    error = np.hypot(difference.std(ddof=1) / np.sqrt(8), np.sqrt(np.mean(spread**2) / len(spread)))
    assert abs(difference.mean() - effect.mean.active_days.mean()) < 4 * error
    assert (spread > 0).any()


def test_a_send_that_can_do_nothing_has_no_effect() -> None:
    """Arms of a user meet the same luck, so without ways to act there is no difference, not a small one."""
    spec = world_spec("streaming")
    spec = without(spec, "response.opening", "relevance_on")
    for name in ("displacement", "annoyance", "habit", "opt_out", "fatigue"):
        spec = without(spec, name)
    world = SimulatedWorld(spec, Setup(200, 6, seed=2))
    sends = chance_sends(world, np.random.default_rng(1))
    push = world.vocabularies.channels.code("push")
    sends = {name: column[sends["channel"] == push] for name, column in sends.items()}
    effect = Truth(world).effect(**sends, days=4, replicates=8)
    assert (effect.mean.opt_outs == 0).all() and (effect.se.opt_outs == 0).all()
    assert effect.mean.sessions.min() >= 0  # an open adds a visit, and nothing takes one away
    assert (effect.mean.sessions == 0).any() and (effect.mean.sessions > 0).any()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"user": [400]}, r"user has codes from 400 to 400, must be in \[0, 400\)"),
        ({"message": [-1]}, "message has codes"),
        ({"channel": [3]}, "channel has codes"),
        ({"slot_end": "slot_start"}, "must not be empty"),
        ({"days": 0}, "days == 0"),
        ({"replicates": 1}, "replicates == 1"),
        ({"user": [1, 2]}, "lengths"),
    ],
)
def test_questions_that_make_no_sense_are_refused(change: dict[str, object], rule: str) -> None:
    world = SimulatedWorld(PRESETS["streaming"], Setup(400, 3))
    asked: dict[str, object] = {
        "user": [1],
        "message": [2],
        "channel": [0],
        "slot_start": [world.now + HOUR],
        "slot_end": [world.now + 2 * HOUR],
        "days": 2,
        "replicates": 2,
    }
    asked |= {name: asked[value] if isinstance(value, str) else value for name, value in change.items()}
    columns = {name: np.array(value) if isinstance(value, list) else value for name, value in asked.items()}
    with pytest.raises(InputError, match=rule):
        Truth(world).effect(**columns)  # type: ignore[arg-type]


def test_a_world_that_is_over_has_no_truth() -> None:
    world = SimulatedWorld(PRESETS["streaming"], Setup(50, 1))
    send(world, chance_sends(world, np.random.default_rng(0)))
    with pytest.raises(InputError, match="days == 1"):
        Truth(world)
