"""What a rollout decides and sees, beside what a ledger that took in its log gives back."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray
from small_world import DAYS, USERS, SmallWorld

from homing.decision import Context, Hold, build_candidates
from homing.lifecycle.epoch import users_at
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.entrants import CautiousRandom
from homing.lifecycle.worlds.rollout import Rollout, rollout
from homing.schema import Instants, Shard, Vocabularies, Vocabulary
from homing.schema.times import DAY
from homing.simulator import Setup, World, world_maker
from homing.store import Workspace, load_shard

pytestmark = pytest.mark.slow

RANDOM = Contender("random", CautiousRandom(), history=False)


def world_of(workspace: Workspace, days: int = DAYS) -> World:
    return world_maker("streaming")(Setup(USERS, days, channels=tuple(workspace.config.channels)))


def driven(workspace: Workspace, days: int, vocabularies: Vocabularies | None = None) -> Rollout:
    run = Rollout(world_of(workspace), workspace.config, vocabularies)
    for _ in range(days):
        run.day([RANDOM])
    return run


def places(ours: Shard, theirs: Shard) -> NDArray[np.int64]:
    """Return where each user of `theirs` is in `ours`, by hash."""
    known = {key.tobytes(): place for place, key in enumerate(ours.users.hash)}
    return np.array([known[key.tobytes()] for key in theirs.users.hash])


@pytest.mark.parametrize("day", [0, 5, 20])
def test_a_day_sees_what_a_ledger_gives_back(small_world: SmallWorld, day: int) -> None:
    """Codes, states, features and candidates: all of it is the same for every user."""
    workspace, view = small_world.workspace, small_world.trained.release.view
    run = driven(workspace, day, workspace.ledger.vocabularies())
    at, seen = run.world.start + day * DAY, run.shard()
    for partition in range(workspace.ledger.partitions):
        ledger = load_shard(workspace, partition).shard
        theirs = users_at(ledger, at)
        place = places(seen, ledger)[theirs.user]
        order = np.argsort(place)
        ours = Instants(place[order].astype(np.int32), theirs.at)
        candidates, _ = build_candidates(seen, ours, workspace.config)
        wanted, _ = build_candidates(ledger, theirs, workspace.config)
        mine, told = view.features(seen, candidates), view.features(ledger, wanted)
        assert len(wanted) > len(theirs)
        rows = np.argsort(order)  # row of ours for each of theirs
        assert np.array_equal(candidates.counts[rows], wanted.counts)
        of_row = np.concatenate([np.arange(*candidates.offsets[[row, row + 1]]) for row in rows])
        for name in ("message", "channel", "slot_start", "slot_end", "hour_of_week"):
            assert np.array_equal(getattr(candidates, name)[of_row], getattr(wanted, name)), name
        assert np.array_equal(mine.user[rows], told.user, equal_nan=True)
        assert np.array_equal(mine.user_codes[rows], told.user_codes)
        assert np.array_equal(mine.candidate[of_row], told.candidate, equal_nan=True)
        assert np.array_equal(mine.candidate_codes[of_row], told.candidate_codes)
        assert np.array_equal(mine.messages, told.messages, equal_nan=True)
        assert np.array_equal(mine.messages_codes, told.messages_codes)


@pytest.mark.parametrize("steps", [(1, 2, 3, 4, 5, 6, 7), (7,), (2, 7)])
def test_history_is_the_ledgers_however_it_grew(small_world: SmallWorld, steps: tuple[int, ...]) -> None:
    """Events and decisions of the first week are those that were ingested, in the same order."""
    workspace = small_world.workspace
    run = Rollout(world_of(workspace), workspace.config, workspace.ledger.vocabularies())
    for day in range(1, 8):
        run.day([RANDOM])
        if day in steps:
            seen = run.shard()
    end = run.world.start + 7 * DAY
    for partition in range(workspace.ledger.partitions):
        ledger = load_shard(workspace, partition).shard
        for user, place in enumerate(places(seen, ledger)):
            for table in ("events", "decisions"):
                known, told = getattr(seen, table), getattr(ledger, table)
                mine = slice(*known.offsets[place : place + 2])
                theirs = slice(*told.offsets[user : user + 2])
                at = told.at[theirs] if table == "events" else told.epoch_at[theirs]
                rows = np.arange(theirs.start, theirs.stop)[at < end]
                for field in fields(known):
                    if field.name in ("offsets", "decision", "opportunity", "release", "values"):
                        continue
                    column, wanted = getattr(known, field.name)[mine], getattr(told, field.name)[rows]
                    assert np.array_equal(column, wanted), (table, field.name)
                if table == "events":
                    decision, wanted = known.decision[mine], told.decision[rows]
                    assert np.array_equal(decision >= 0, wanted >= 0)
                    named = decision >= 0
                    assert np.array_equal(
                        seen.decisions.id[decision[named]], ledger.decisions.id[wanted[named]]
                    )


def test_the_decisions_are_those_that_were_ingested(small_world: SmallWorld) -> None:
    run = rollout(world_of(small_world.workspace), RANDOM, small_world.workspace.config)
    told: dict[bytes, tuple[float, bytes]] = {}
    for partition in range(small_world.workspace.ledger.partitions):
        log = load_shard(small_world.workspace, partition).shard.decisions
        for key, propensity, found in zip(log.id, log.propensity, log.candidate_set, strict=True):
            told[key.tobytes()] = (propensity, found.tobytes())
    for drawn in run.log:
        for key, propensity, found in zip(drawn.id, drawn.propensity, drawn.candidate_set, strict=True):
            assert told[key.tobytes()] == (propensity, found.tobytes())
    assert sum(map(len, run.log)) == len(told) - small_world.planned.funnel.users


def test_other_codes_change_no_decision_and_no_answer(small_world: SmallWorld) -> None:
    """A platform whose names came in backwards, and that knows names which the world does not have."""
    workspace = small_world.workspace
    plain = driven(workspace, 7)
    known = plain.vocabularies

    def backwards(names: Vocabulary) -> Vocabulary:
        return Vocabulary(("of another time", *reversed(names.names)))

    strange = Vocabularies(
        channels=known.channels,  # the hash of a candidate set has their codes in it
        zones=Vocabulary(("UTC", *reversed(known.zones.names))),
        messages=backwards(known.messages),
        domains=backwards(known.domains),
        categories=backwards(known.categories),
        generators=backwards(known.generators),
        categorical={
            table: {name: backwards(values) for name, values in columns.items()}
            for table, columns in known.categorical.items()
        },
    )
    other = driven(workspace, 7, strange)
    for mine, theirs in zip(plain.log, other.log, strict=True):
        assert np.array_equal(mine.propensity, theirs.propensity)
        assert np.array_equal(mine.candidate_set, theirs.candidate_set)
        for row in np.flatnonzero(mine.message >= 0)[:50]:
            name = known.messages.names[mine.message[row]]
            assert name == other.vocabularies.messages.names[theirs.message[row]]
    for name, column in plain.world.events().items():
        assert np.array_equal(column, other.world.events()[name]), name


def test_arms_decide_for_their_own_users(small_world: SmallWorld) -> None:
    run = Rollout(world_of(small_world.workspace), small_world.workspace.config)
    arm = np.arange(USERS) % 2
    alone = driven(small_world.workspace, 3)
    for day in range(3):
        drawn = run.day([RANDOM, Contender("hold", Hold(), history=False)], arm)
        assert np.array_equal(np.sort(drawn.rows.user), drawn.rows.user)
        assert (drawn.message[arm[drawn.rows.user] == 1] < 0).all()
        mine = arm[drawn.rows.user] == 0
        assert (drawn.message[mine] >= 0).any()
        assert np.array_equal(drawn.message[mine], alone.log[day].message[mine])


def test_a_policy_may_look_at_what_happened(small_world: SmallWorld) -> None:
    """Whoever opened something is held ever after: seen through the shard's events alone."""
    opened = small_world.workspace.ledger.vocabularies().event_types.code("opened")

    class OnceOpened:
        name, floor = "once", 0.0

        def probabilities(self, context: Context) -> NDArray[np.float64]:
            events = context.shard.events
            user = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
            done = np.zeros(len(events.offsets) - 1, np.bool_)
            done[user[events.type == opened]] = True
            held = done[context.candidates.rows.user][context.candidates.row]
            share: NDArray[np.float64] = np.where(
                held, context.candidates.is_hold, CautiousRandom(0.0).probabilities(context)
            )
            return share

    run = rollout(
        world_of(small_world.workspace), Contender("once", OnceOpened()), small_world.workspace.config
    )
    log = run.world.events()
    first: dict[int, int] = {}
    for user, at in zip(log["user"][log["type"] == opened], log["at"][log["type"] == opened], strict=True):
        first.setdefault(int(user), int(at))
    assert len(first) > 50
    sends = 0
    for drawn in run.log:
        for user in drawn.rows.user[drawn.message >= 0].tolist():
            assert first.get(user, run.world.now) >= drawn.rows.at[0]
            sends += 1
    assert sends > 500


def test_progress_ends_at_one(small_world: SmallWorld) -> None:
    seen: list[float] = []
    rollout(world_of(small_world.workspace, 4), RANDOM, small_world.workspace.config, report=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]
