"""What every policy promises, as tests that a policy of one's own gets for free.

    class TestNewest(PolicyContract):
        def make(self, shard):
            return Newest()

pytest collects the class as it is. Nothing here needs pytest: every method whose name starts with `test_`
can be called by hand. Policies are tried on what a platform knows of a simulated world after some days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision.candidates import build_candidates
from homing.decision.decide import decide
from homing.decision.policies import Context, Policy, Uniform
from homing.decision.ragged import offsets_of, spans
from homing.schema import (
    Candidates,
    Consents,
    Decisions,
    Events,
    Instants,
    Shard,
    parse_config,
)
from homing.schema.drawn import Drawn
from homing.schema.times import DAY
from homing.simulator import Setup, World, world_maker

_SUM: Final = 1e-9  # how far from one a row's probabilities may add up
_SAME: Final = 1e-9  # by how much a row may differ alone and among others: libraries add in another order
_AFTER: Final = 2  # days that a shard knows after the epoch, as a ledger does in a replay


class PolicyContract:
    """Tests of a policy; override `make`, and where needed what its candidates come with."""

    world = "streaming"  # in whose log it is tried
    users = 150
    days = 7
    objectives = 4  # columns of the values that a model would give

    def make(self, shard: Shard) -> Policy:
        """Return the policy under test.

        Args:
            shard: a log that it may learn from; most policies need none.
        """
        raise NotImplementedError("override make(shard) to return your policy")

    def test_rows_are_distributions(self) -> None:
        """Each row's probabilities are float64, not negative, and sum to one."""
        for context in (self._context(), self._context(_transactional)):
            self._check(self._policy(), context)

    def test_the_floor_is_kept(self) -> None:
        """Every candidate has at least the uniform share that the policy declares."""
        policy, context = self._policy(), self._context()
        assert policy.name, "a policy has a name, by which reports call it"
        assert 0 <= policy.floor <= 1, f"floor == {policy.floor}, must be in [0, 1]"
        counts = np.repeat(context.candidates.counts, context.candidates.counts)
        low = policy.probabilities(context) < policy.floor / counts - _SUM
        assert not low.any(), (
            f"{int(low.sum())} candidates have less than floor / candidates; "
            "declare the floor that is kept, 0 if none is"
        )

    def test_forced_rows_are_respected(self) -> None:
        """What a transactional message forces is certain, and other rows do not notice."""
        policy, context = self._policy(), self._context(_transactional)
        p, forced = policy.probabilities(context), context.forced
        assert (forced >= 0).any() and (forced < 0).any(), "not both kinds of rows; try more users"
        assert (p[forced[forced >= 0]] == 1).all(), "a forced row is not certain; see context.with_forced"
        free = np.flatnonzero(forced < 0)
        apart = policy.probabilities(_rows(context, free))
        among = p[spans(context.candidates.offsets[free], context.candidates.counts[free])]
        assert np.allclose(apart, among, rtol=0, atol=_SAME), "forced rows changed those of others"

    def test_no_candidate_but_hold_is_held(self) -> None:
        """Where there is nothing but hold, its probability is one."""
        policy, context = self._policy(), self._context(_nobody_reachable)
        assert (context.candidates.counts == 1).all()
        p = policy.probabilities(context)
        assert p.shape == (len(context.candidates),) and (p == 1).all(), "a row of hold alone is not certain"

    def test_no_rows(self) -> None:
        """Nobody to decide for is no error."""
        p = self._policy().probabilities(_rows(self._context(), np.empty(0, np.int64)))
        assert p.shape == (0,), f"no candidates, and probabilities of shape {p.shape}"

    def test_deterministic(self) -> None:
        """Randomness is in the draw, never in the distribution: else the logged propensity would be wrong."""
        context = self._context()
        first = self._policy()
        p = first.probabilities(context)
        assert np.array_equal(p, first.probabilities(context)), "two calls gave two distributions"
        assert np.array_equal(p, self._policy().probabilities(context)), (
            "the policy made again from the same log gave another distribution"
        )

    def test_a_row_decides_the_same_alone_as_among_others(self) -> None:
        """Batches of any size give the same decisions: online is a batch of one."""
        policy, context = self._policy(), self._context()
        p, offsets = policy.probabilities(context), context.candidates.offsets
        for row in np.argsort(-context.candidates.counts, kind="stable")[:: max(1, self.users // 25)]:
            alone = policy.probabilities(_rows(context, np.array([row])))
            among = p[offsets[row] : offsets[row + 1]]
            assert np.allclose(alone, among, rtol=0, atol=_SAME), f"row {row} alone differs from the batch"

    def test_the_future_is_not_seen(self) -> None:
        """A shard may hold what came after the epoch, as in a replay; a policy looks at what was before.

        Events at or after a row's instant, and decisions of later epochs, must not matter.
        """
        policy, context = self._policy(), self._context()
        epoch = self._epoch()
        ignorant = replace(context, shard=_before(context.shard, epoch))
        assert np.array_equal(policy.probabilities(context), policy.probabilities(ignorant)), (
            "what happened after the epoch changed the distribution; look at events before candidates.rows.at"
        )

    def test_nothing_is_changed(self) -> None:
        """A policy leaves what it is given as it was."""
        policy, context = self._policy(), self._context()
        before = {name: column.copy() for name, column in _arrays(context).items()}
        policy.probabilities(context)
        for name, column in _arrays(context).items():
            same = np.array_equal(before[name], column, equal_nan=column.dtype.kind == "f")
            assert same, f"the policy changed {name}"

    def _epoch(self) -> int:
        return _lived(self.world, self.users, self.days).start + (self.days - _AFTER) * DAY

    def _policy(self) -> Policy:
        return self.make(_before(_observed(self.world, self.users, self.days), self._epoch()))

    def _context(self, change: Callable[[Shard], Shard] = lambda shard: shard) -> Context:
        """Return candidates of all users at the epoch, with values at random."""
        shard = change(_observed(self.world, self.users, self.days))
        epoch, rng = self._epoch(), np.random.default_rng(0)
        candidates, _ = build_candidates(shard, _everyone(shard, epoch), parse_config({}))
        n = len(candidates)
        return Context(
            shard,
            candidates,
            values=rng.normal(size=(n, self.objectives)).astype(np.float32),
        )

    @staticmethod
    def _check(policy: Policy, context: Context) -> None:
        p, candidates = policy.probabilities(context), context.candidates
        assert p.dtype == np.float64, f"probabilities are {p.dtype}, must be float64"
        assert p.shape == (len(candidates),), (
            f"{len(candidates)} candidates, probabilities of shape {p.shape}"
        )
        assert np.isfinite(p).all() and (p >= 0).all(), "a probability is negative or not a number"
        off = np.abs(np.add.reduceat(p, candidates.offsets[:-1]) - 1)
        assert (off < _SUM).all(), f"row {int(off.argmax())} sums to {1 + off.max()}, must be 1"


@cache
def _lived(name: str, users: int, days: int) -> World:
    """Return a world whose days have been decided by drawing all candidates alike; `_observed` drives it."""
    return world_maker(name)(Setup(users, days))


@cache
def _observed(name: str, users: int, days: int) -> Shard:
    """Return all that a platform knows after the days, holds included."""
    world, config, log = _lived(name, users, days), parse_config({}), list[Drawn]()
    shard = _shard(world, log, len(config.objectives))
    for day in range(days):
        drawn, _ = decide(shard, _everyone(shard, world.now), Uniform(), config)
        send = np.flatnonzero(drawn.message >= 0)
        world.respond(
            day,
            user=drawn.rows.user[send],
            message=drawn.message[send],
            channel=drawn.channel[send],
            slot_start=drawn.slot_start[send],
            slot_end=drawn.slot_end[send],
            decision_id=drawn.id[send],
        )
        log.append(drawn)
        shard = _shard(world, log, len(config.objectives))
    return shard


def _everyone(shard: Shard, at: int) -> Instants:
    user = np.flatnonzero(shard.users.signed_up_at <= at).astype(np.int32)
    return Instants(user, np.full(len(user), at))


def _shard(world: World, log: list[Drawn], objectives: int) -> Shard:
    """Return what is known of the world's users so far."""
    users = len(world.users)
    user = np.concatenate([np.empty(0, np.int32), *(drawn.rows.user for drawn in log)])
    order = np.argsort(user, kind="stable")  # days come in order, so this sorts by (user, epoch)

    def column(name: str, empty: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([empty, *(getattr(drawn, name) for drawn in log)])[order]

    i16, i32, i64 = np.empty(0, np.int16), np.empty(0, np.int32), np.empty(0, np.int64)
    words = np.empty((0, 2), np.uint64)
    decisions = Decisions(
        offsets=offsets_of(np.bincount(user, minlength=users)),
        epoch_at=np.concatenate([i64, *(drawn.rows.at for drawn in log)])[order],
        id=column("id", words),
        opportunity=column("opportunity", i32),
        message=column("message", i32),
        channel=column("channel", i16),
        slot_start=column("slot_start", i64),
        slot_end=column("slot_end", i64),
        propensity=column("propensity", np.empty(0)),
        candidates=column("candidates", i32),
        candidate_set=column("candidate_set", words),
        values=column("values", np.empty((0, objectives), np.float32)),
        release=np.full(len(user), -1, np.int32),
        reason=column("reason", np.empty(0, np.int8)),
    )
    events: dict[str, NDArray[Any]] = dict(world.events())
    place = {tuple(words): row for row, words in enumerate(decisions.id.tolist())}
    decision = np.array([place.get(tuple(words), -1) for words in events["decision"].tolist()], np.int32)
    keys = ("value", "message", "channel", "type", "at", "user")
    by_user = np.lexsort((events["value"], decision, *(events[name] for name in keys[1:])))
    return Shard(
        vocabularies=world.vocabularies,
        messages=world.messages,
        users=world.users,
        consents=world.consents(),
        opportunities=world.opportunities,
        events=Events(
            offsets=offsets_of(np.bincount(events["user"].astype(np.int64), minlength=users)),
            decision=decision[by_user],
            **{name: events[name][by_user] for name in ("at", "type", "channel", "message", "value")},
        ),
        decisions=decisions,
    )


def _before(shard: Shard, epoch: int) -> Shard:
    """Return the shard without what happened at or after an epoch (us)."""
    users = len(shard.users)

    def kept(offsets: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.int64]:
        owner = np.repeat(np.arange(users), np.diff(offsets))
        return offsets_of(np.bincount(owner[keep], minlength=users))

    def columns(rows: Any, keep: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        return {f.name: getattr(rows, f.name)[keep] for f in fields(rows) if f.name != "offsets"}

    events, decisions, consents = shard.events, shard.decisions, shard.consents
    happened, decided, known = events.at < epoch, decisions.epoch_at < epoch, consents.at < epoch
    row = np.append(np.cumsum(decided) - 1, -1).astype(np.int32)
    past = columns(events, happened)
    past["decision"] = row[past["decision"]]
    return replace(
        shard,
        events=Events(offsets=kept(events.offsets, happened), **past),
        decisions=Decisions(offsets=kept(decisions.offsets, decided), **columns(decisions, decided)),
        consents=Consents(offsets=kept(consents.offsets, known), **columns(consents, known)),
    )


def _rows(context: Context, rows: NDArray[np.int64]) -> Context:
    """Return the context of some rows, in the order given."""
    candidates = context.candidates
    index = spans(candidates.offsets[rows], candidates.counts[rows])
    columns = {
        field.name: getattr(candidates, field.name)[index]
        for field in fields(Candidates)
        if field.name not in ("rows", "offsets")
    }
    assert context.values is not None
    return Context(
        context.shard,
        Candidates(
            rows=Instants(candidates.rows.user[rows], candidates.rows.at[rows]),
            offsets=offsets_of(candidates.counts[rows]),
            **columns,
        ),
        values=context.values[index],
    )


def _transactional(shard: Shard) -> Shard:
    """Return the shard with every fifth message transactional."""
    messages = shard.messages
    return replace(shard, messages=replace(messages, transactional=np.arange(len(messages)) % 5 == 0))


def _nobody_reachable(shard: Shard) -> Shard:
    return replace(shard, consents=replace(shard.consents, reachable=np.zeros(len(shard.consents), np.bool_)))


def _arrays(context: Context) -> dict[str, NDArray[Any]]:
    """Return every column that a context holds, by name."""
    found: dict[str, NDArray[Any]] = {}
    nouns: dict[str, Any] = {
        "context": context,
        "candidates": context.candidates,
        "rows": context.candidates.rows,
    }
    nouns |= {
        name: getattr(context.shard, name)
        for name in ("messages", "users", "consents", "opportunities", "events", "decisions")
    }
    for noun, thing in nouns.items():
        for field in fields(thing):
            value = getattr(thing, field.name)
            if isinstance(value, np.ndarray):
                found[f"{noun}.{field.name}"] = value
    return found
