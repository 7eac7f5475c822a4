"""Budgets as limits of one epoch: which candidates use which of them, and how much.

A budget is one limit for each of its periods that the epoch's slots reach. What a send uses depends on its
message, its generator, its channel and when it starts, so candidates fall into few *arms*, the same in every
shard; what it is expected to do to an objective is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Bounds, Uses
from homing.decision.ragged import offsets_of
from homing.schema import Candidates, Config, InputError, Shard, Vocabularies, Vocabulary
from homing.schema.budgets import Budget
from homing.schema.errors import nearest
from homing.schema.messages import Messages
from homing.schema.mixing import mix64
from homing.schema.times import DAY, MINUTE, parse_duration
from homing.state import ZoneTable

_MONDAY: Final = 4 * DAY  # 1970-01-05, from which periods are counted
_EVER: Final = 2**62


@dataclass(frozen=True)
class SharedLimits:
    """The budgets of an epoch as limits, and what each kind of send uses of them."""

    budgets: tuple[Budget, ...]
    budget: NDArray[np.int64]  # [limits] place in `budgets`
    start: NDArray[np.int64]  # [limits] us, of the limit's period
    end: NDArray[np.int64]  # [limits] us, exclusive
    edges: NDArray[np.int64]  # [intervals + 1] us, rising: the ends of all periods
    clocks: tuple[int, ...]  # minutes of the local day at which slots start that some budget names
    message_class: NDArray[np.int64]  # [messages]
    generator_class: NDArray[np.int64]  # [generators + 1]; the last of a generator that is not known
    arm: NDArray[np.int32]  # [message classes, generator classes, channels, intervals, clocks + 1]
    uses: Uses  # [arms] sends and cost; arm 0 uses nothing and is that of hold
    expected: Uses  # [arms] limits on an objective, whose amounts are each candidate's own
    objective: NDArray[np.int64]  # [limits] place of the objective that is counted, -1 where none is

    def __len__(self) -> int:
        return len(self.budget)

    @classmethod
    def of(cls, config: Config, vocabularies: Vocabularies, messages: Messages, at: int | None) -> Self:
        """Return the limits of an epoch.

        Args:
            config: with budgets and costs.
            vocabularies: of the ledger.
            messages: the catalogue.
            at: the epoch, us; None: one limit for each budget, whenever sends start, for logs of many epochs.

        Raises:
            InputError: a budget or cost names what the ledger does not have, or its scope is empty.
        """
        scopes = [_Scope.of(budget, vocabularies, messages) for budget in config.budgets]
        budget, start, end = _periods(config, at)
        edges = np.unique(np.concatenate([start, end, [-_EVER, _EVER]]))
        clocks = tuple(sorted({minute for scope in scopes for minute in scope.clocks or ()}))
        price = _costs_of("channel", config.costs.channels, vocabularies.channels)
        extra = _costs_of("message", config.costs.messages, vocabularies.messages)
        message_class, kinds = _classes(*(scope.messages for scope in scopes), extra)
        generator_class, makers = _classes(*(scope.generators for scope in scopes))
        shape = (len(kinds), len(makers), len(vocabularies.channels), len(edges) - 1, len(clocks) + 1)
        cells, limits, amounts = [], [], []
        for limit, place in enumerate(budget.tolist()):
            scope = scopes[place]
            within = (edges[:-1] >= start[limit]) & (edges[1:] <= end[limit])
            timely = [scope.clocks is None or minute in scope.clocks for minute in clocks]
            axes = (
                np.flatnonzero(scope.messages[kinds]),
                np.flatnonzero(scope.generators[makers]),
                np.flatnonzero(scope.channels),
                np.flatnonzero(within),
                np.flatnonzero([*timely, scope.clocks is None]),
            )
            cell = np.ravel_multi_index(np.ix_(*axes), shape).ravel()
            amount = np.ones(len(cell))
            if config.budgets[place].counts == "cost":
                where = np.unravel_index(cell, shape)
                amount = extra[kinds][where[0]] + price[where[2]]
            cells.append(cell)
            limits.append(np.full(len(cell), limit, np.int32))
            amounts.append(amount)
        objective = np.array(
            [_objective(config, config.budgets[place]) for place in budget.tolist()], np.int64
        )
        arm, uses, expected = _arms(
            int(np.prod(shape)),
            np.concatenate([np.zeros(0, np.int64), *cells]),
            np.concatenate([np.zeros(0, np.int32), *limits]),
            np.concatenate([np.zeros(0), *amounts]),
            objective,
        )
        return cls(
            budgets=config.budgets,
            budget=budget,
            start=start,
            end=end,
            edges=edges,
            clocks=clocks,
            message_class=message_class,
            generator_class=generator_class,
            arm=arm.reshape(shape),
            uses=uses,
            expected=expected,
            objective=objective,
        )

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """[limits] whether a send's use is a known number (sends, cost) and not an expectation."""
        return self.objective < 0

    @cached_property
    def bounds(self) -> Bounds:
        """Least and most of each limit in its period, whatever was used of it."""
        budgets = [self.budgets[place] for place in self.budget.tolist()]
        return Bounds(
            np.array([-np.inf if budget.min is None else budget.min for budget in budgets]),
            np.array([np.inf if budget.max is None else budget.max for budget in budgets]),
        )

    def arms(self, shard: Shard, candidates: Candidates) -> NDArray[np.int32]:
        """Return the arm of each candidate: int32 [n], 0 for hold."""
        sent = np.flatnonzero(~candidates.is_hold)
        opportunity = candidates.opportunity[sent]
        generator = np.full(len(sent), -1, np.int32)
        known = opportunity >= 0
        generator[known] = shard.opportunities.generator[opportunity[known]]
        start = candidates.slot_start[sent]
        zone = shard.users.zone[candidates.rows.user][candidates.row[sent]] if self.clocks else None
        arm = np.zeros(len(candidates), np.int32)
        arm[sent] = self.arms_of(
            shard, candidates.message[sent], generator, candidates.channel[sent], start, zone
        )
        return arm

    def arms_of(
        self,
        shard: Shard,
        message: NDArray[np.int32],
        generator: NDArray[np.int32],
        channel: NDArray[np.int16],
        start: NDArray[np.int64],
        zone: NDArray[np.int32] | None,
    ) -> NDArray[np.int32]:
        """Return the arm of each send: int32 [n].

        Args:
            shard: whose vocabularies the codes are of.
            message: [n] code.
            generator: [n] code, -1 where it is not known.
            channel: [n] code.
            start: [n] us.
            zone: [n] code of the user's; may be None where no budget names a slot.
        """
        interval = np.searchsorted(self.edges, start, side="right") - 1
        clock = np.zeros(len(start), np.int64)
        if self.clocks and len(start):
            assert zone is not None
            table = ZoneTable.build(shard.vocabularies.zones.names, int(start.min()), int(start.max()))
            minute = (start + table.offsets_at(zone, start)) % DAY // MINUTE
            place = np.searchsorted(self.clocks, minute)
            named = np.array([*self.clocks, -1])[place] == minute
            clock = np.where(named, place, len(self.clocks))
        maker = self.generator_class[generator]
        return self.arm[self.message_class[message], maker, channel, interval, clock]

    def own(
        self, arm: NDArray[np.int32], offsets: NDArray[np.int64], values: NDArray[np.floating[Any]]
    ) -> Uses | None:
        """Return what candidates are expected to use of limits on objectives: [n] rows; None without any.

        Args:
            arm: [n] of each candidate.
            offsets: int64 [rows + 1]; each row's first candidate is hold.
            values: [n, objectives].
        """
        if not len(self.expected.limit):
            return None
        rows = self.expected.take(arm.astype(np.int64))
        candidate = np.repeat(np.arange(len(arm)), np.diff(rows.offsets))
        hold = np.repeat(offsets[:-1], np.diff(offsets))[candidate]
        k = self.objective[rows.limit]
        beyond = values[candidate, k] - values[hold, k]
        return Uses(rows.offsets, rows.limit, np.maximum(beyond, 0).astype(np.float32))


@dataclass(frozen=True)
class Prices:
    """What limits cost, frozen with what uses them."""

    limits: SharedLimits
    price: NDArray[np.float64]  # [limits] utility per unit of use; negative where use is subsidised

    def charge(
        self,
        arm: NDArray[np.int32],
        offsets: NDArray[np.int64],
        values: NDArray[np.floating[Any]],
    ) -> NDArray[np.float64]:
        """Return p . c of each candidate: float64 [n]; arguments as `SharedLimits.own`."""
        charge = self.limits.uses.prices(self.price)[arm]
        own = self.limits.own(arm, offsets, values)
        return charge if own is None else charge + own.prices(self.price)

    def terms(
        self,
        arm: NDArray[np.int32],
        offsets: NDArray[np.int64],
        values: NDArray[np.floating[Any]],
    ) -> NDArray[np.float64]:
        """Return what each candidate pays for each budget: float64 [n, budgets]; for a few rows only."""
        terms = np.zeros((len(arm), len(self.limits.budgets)))
        known = self.limits.uses.take(arm.astype(np.int64))
        for uses in (known, self.limits.own(arm, offsets, values)):
            if uses is not None:
                row = np.repeat(np.arange(len(arm)), np.diff(uses.offsets))
                paid = uses.amount * self.price[uses.limit]
                np.add.at(terms, (row, self.limits.budget[uses.limit]), paid)
        return terms


@dataclass(frozen=True)
class _Scope:
    """What a budget is about, by code."""

    messages: NDArray[np.bool_]  # [messages]
    generators: NDArray[np.bool_]  # [generators + 1]
    channels: NDArray[np.bool_]  # [channels]
    clocks: frozenset[int] | None  # minutes of the local day; None: any

    @classmethod
    def of(cls, budget: Budget, vocabularies: Vocabularies, messages: Messages) -> Self:
        def codes(key: str, names: tuple[str, ...] | None, known: Vocabulary) -> NDArray[np.bool_]:
            chosen = np.full(len(known) + 1, names is None)
            for name in names or ():
                if name not in known:
                    raise InputError(
                        f"budget {budget.name!r}: {key} == {name!r} is not in the ledger"
                        f"{nearest(name, known.names)}; ingest it first, or correct homing.toml"
                    )
                chosen[known.code(name)] = True
            return chosen

        about = codes("message", budget.message, vocabularies.messages)[:-1]
        about &= codes("domain", budget.domain, vocabularies.domains)[messages.domain]
        about &= codes("category", budget.category, vocabularies.categories)[messages.category]
        channels = codes("channel", budget.channel, vocabularies.channels)[:-1]
        if not (messages.channels[about] & channels).any():
            raise InputError(
                f"budget {budget.name!r} has an empty scope: no message of the catalogue is in it and can be "
                "shown in its channels; correct homing.toml"
            )
        clocks = None
        if budget.slot is not None:
            clocks = frozenset(60 * int(text[:2]) + int(text[3:]) for text in budget.slot)
        return cls(about, codes("generator", budget.generator, vocabularies.generators), channels, clocks)


def period_of(budget: Budget, at: int) -> tuple[int, int]:
    """Return the start and the end (us) of the budget's period that holds an instant (us)."""
    length = parse_duration(budget.per)
    start = at - (at - _MONDAY) % length
    return start, start + length


def _periods(
    config: Config, at: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return budget, start and end of every limit: each budget's periods that slots of the epoch start in."""
    found: list[tuple[int, int, int]] = []
    for place, budget in enumerate(config.budgets):
        if at is None:
            found.append((place, -_EVER, _EVER))
            continue
        until = at + parse_duration(config.slots.horizon)
        start, end = period_of(budget, at)
        while start < until:
            found.append((place, start, end))
            start, end = end, 2 * end - start
    columns = np.array(found, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _costs_of(what: str, costs: dict[str, float], known: Vocabulary) -> NDArray[np.float64]:
    result = np.zeros(len(known))
    for name, cost in costs.items():
        if name not in known:
            raise InputError(
                f"costs.{what}s names {name!r}, which is not in the ledger{nearest(name, known.names)}; "
                "ingest it first, or correct homing.toml"
            )
        result[known.code(name)] = cost
    return result


def _objective(config: Config, budget: Budget) -> int:
    return -1 if budget.objective is None else list(config.objectives).index(budget.objective)


def _classes(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a class for each row, the same for equal rows, and a row of each class."""
    rows = np.column_stack([column.astype(np.float64) for column in columns])
    _, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return place.reshape(-1).astype(np.int64), first.astype(np.int64)


def _arms(
    cells: int,
    cell: NDArray[np.int64],
    limit: NDArray[np.int32],
    amount: NDArray[np.float64],
    objective: NDArray[np.int64],
) -> tuple[NDArray[np.int32], Uses, Uses]:
    """Return an arm for each cell, the same for cells with equal uses, and the arms' uses; arm 0 has none.

    Cells are told apart by the sum of a 64-bit hash of each entry.
    """
    used = amount > 0
    order = np.argsort(cell[used], kind="stable")
    cell, limit, amount = cell[used][order], limit[used][order], amount[used][order]
    word = mix64(amount.view(np.uint64)) + limit.astype(np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix64(mix64(word)), dtype=np.uint64)])
    bounds = np.searchsorted(cell, np.arange(cells + 1))
    signature = sums[bounds[1:]] - sums[bounds[:-1]]
    counts = np.diff(bounds)
    distinct, first, place = np.unique(
        np.where(counts == 0, np.uint64(0), signature), return_index=True, return_inverse=True
    )
    if not len(distinct) or distinct[0] != 0:  # every cell uses something; hold does not
        first, place = np.concatenate([[-1], first]), place + 1
    rows = np.where(first < 0, 0, first)
    wide = np.where(first < 0, 0, counts[rows] if cells else 0)
    taken = np.repeat(bounds[rows] - offsets_of(wide)[:-1], wide) + np.arange(wide.sum())
    return (
        place.reshape(-1).astype(np.int32),
        *_split(wide, limit[taken], amount[taken], objective),
    )


def _split(
    counts: NDArray[np.int64],
    limit: NDArray[np.int32],
    amount: NDArray[np.float64],
    objective: NDArray[np.int64],
) -> tuple[Uses, Uses]:
    """Return the entries of limits with a known use, and those of limits on objectives."""
    row = np.repeat(np.arange(len(counts)), counts)

    def part(kept: NDArray[np.bool_]) -> Uses:
        offsets = offsets_of(np.bincount(row[kept], minlength=len(counts)))
        return Uses(offsets, limit[kept], amount[kept].astype(np.float32))

    known = objective[limit] < 0 if len(limit) else np.zeros(0, np.bool_)
    return part(known), part(~known)
