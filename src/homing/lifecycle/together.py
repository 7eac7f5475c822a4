"""A plan under budgets, in two passes over shards.

1. Every shard's candidates are scored, and kept on disk; a value and an arm of each make one demand.
2. What earlier epochs used of each budget is taken off, and prices are found at which the rest is kept.
3. Every shard draws at these prices, together with the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from homing.decision import Prices, SharedLimits
from homing.decision.decide import chosen
from homing.engine import over_shards
from homing.lifecycle.drawing import Draws, draw_all
from homing.lifecycle.epoch import Epoch
from homing.lifecycle.offers import Offer, Offers, Part
from homing.lifecycle.prices import KeptPrices, kept_prices, runs_with_prices, start_prices
from homing.lifecycle.pricing import Priced, find_prices, lost_values, value_of, what_is_left
from homing.lifecycle.progress import Progress
from homing.lifecycle.release import Release
from homing.report.facts import Budgets, BudgetUse, Worth
from homing.schema import Shard
from homing.schema.drawn import Drawn
from homing.schema.times import format_time, parse_duration
from homing.store import Workspace


@dataclass(frozen=True)
class Together:
    """Prices and draws of an epoch."""

    epoch: Epoch
    offers: Offers
    prices: Prices
    draws: Draws
    facts: Budgets
    started_from: str | None  # the run whose prices were the start

    def decided(self, partition: int) -> tuple[Offer, Drawn]:
        """Return what one shard was offered, and what was drawn."""
        offer, draw = self.offers.read(partition), self.draws.shards[partition]
        policy = self.epoch.release.policy(prices=self.prices)
        config = self.epoch.workspace.config
        return offer, chosen(offer.context, policy, config, draw.index, draw.propensity)


@contextmanager
def together(
    epoch: Epoch, limits: SharedLimits, run_id: str, relax: bool, progress: Progress
) -> Iterator[Together]:
    """Find prices and draw; what is given can be read until the block ends.

    Args:
        epoch: with budgets.
        limits: of the epoch.
        run_id: of the plan. Made again, it starts from the same prices, so that it comes to the same.
        relax: whether budgets that cannot be kept are widened.
        progress: where to report.

    Raises:
        InputError: budgets that cannot be kept.
    """
    workspace, release, timings = epoch.workspace, epoch.release, epoch.timings
    with Offers(workspace.runs_path / f".offers-{run_id}") as offers:
        before = gather(epoch, limits, offers, progress)
        with timings.measure("prices"):
            earlier, expected = expected_before(workspace, limits, epoch.at)
            before = before + expected
            started = _start(workspace, run_id, earlier)
            demand = offers.demand(limits.uses)
            bounds = what_is_left(limits, before, epoch.at, parse_duration(workspace.config.slots.horizon))
            policy = release.policy()
            start = None if started is None else start_prices(limits, epoch.at, started)
            priced = find_prices(
                demand, limits, bounds, before, policy.temperature, policy.floor, start, relax, epoch.workers
            )
            prices = Prices(limits, priced.solution.prices)
        progress.update("prices", 1.0)
        with timings.measure("draw"):
            policy = release.policy(prices=prices)
            draws = draw_all(
                lambda function: over_shards(function, epoch.partitions, epoch.workers),
                offers.read,
                policy,
                priced,
                workspace.config.workspace.salt,
            )
        with timings.measure("prices"):
            wanted, lost = lost_values(demand, priced, epoch.workers)
            value = value_of(demand, priced.solution, epoch.workers)
            facts = Budgets(
                uses=_uses(release, priced, wanted, lost, draws.used),
                value=value.expected,
                bound=value.bound,
                violation=_violation(priced),
                passes=priced.solution.certificate.passes,
                seconds=priced.solution.certificate.seconds,
                draws=draws.tries,
                started_from=None if started is None else started.run_id,
            )
        yield Together(epoch, offers, prices, draws, facts, facts.started_from)


def gather(epoch: Epoch, limits: SharedLimits, offers: Offers, progress: Progress) -> NDArray[np.float64]:
    """Score all shards into `offers`; return what earlier sends used: float64 [limits]."""
    policy = epoch.release.policy()

    def scored(partition: int) -> tuple[Part, NDArray[np.float64]]:
        offer = epoch.offered(partition)
        with epoch.timings.measure("prices"):
            shard = offer.loaded.shard
            arm = limits.arms(shard, offer.context.candidates)
            context = replace(offer.context, arm=arm)
            part = Part.of(context, policy, limits)
            offers.write(replace(offer, context=context))
            return part, sent_before(limits, shard, epoch.at)

    before = np.zeros(len(limits))
    for partition, (part, used) in enumerate(over_shards(scored, epoch.partitions, epoch.workers)):
        offers.add(part)
        before += used
        progress.update("score", (partition + 1) / epoch.partitions)
    return before


def sent_before(limits: SharedLimits, shard: Shard, at: int) -> NDArray[np.float64]:
    """Return what sends of epochs before an instant (us) use of each limit: float64 [limits].

    Of limits on objectives it is 0: the ledger has no expectation for hold to compare with.
    """
    log = shard.decisions
    sent = np.flatnonzero((log.message >= 0) & (log.epoch_at < at))
    opportunity = log.opportunity[sent]
    generator = np.full(len(sent), -1, np.int32)
    known = opportunity >= 0
    generator[known] = shard.opportunities.generator[opportunity[known]]
    zone = shard.users.zone[log.user[sent]]
    arm = limits.arms_of(shard, log.message[sent], generator, log.channel[sent], log.slot_start[sent], zone)
    mass = np.bincount(arm, minlength=len(limits.uses)).astype(np.float64)
    return limits.uses.totals(mass, len(limits))


def expected_before(
    workspace: Workspace, limits: SharedLimits, at: int
) -> tuple[list[KeptPrices], NDArray[np.float64]]:
    """Return runs with prices before an instant (us), and what their decisions use of limits on objectives.

    Returns:
        runs in order of epoch; float64 [limits] expected use, 0 of limits that the ledger tells.
    """
    earlier = runs_with_prices(workspace, at)
    used = np.zeros(len(limits))
    for j in np.flatnonzero(~limits.counted).tolist():
        name, start = limits.budgets[limits.budget[j]].name, limits.start[j]
        for kept in earlier:
            mine = [named == name for named in kept.names] & (kept.start == start)
            used[j] += kept.drawn[mine].sum()
    return earlier, used


def starting_prices(limits: SharedLimits, at: int, earlier: list[KeptPrices]) -> NDArray[np.float64] | None:
    """Return the newest prices for the limits of an epoch (us): float64 [limits]; None without any."""
    return start_prices(limits, at, earlier[-1]) if earlier else None


def _start(workspace: Workspace, run_id: str, earlier: list[KeptPrices]) -> KeptPrices | None:
    """Return the prices to start from: those that the same run once started from, else the newest."""
    kept = kept_prices(workspace, run_id)
    if kept is None:
        return earlier[-1] if earlier else None
    return next((one for one in earlier if one.run_id == kept.started_from), None)


def _violation(priced: Priced) -> float:
    """Return by how much an expected total passes a bound of what was left, relative to it (to 1 below 1)."""
    totals, bounds = priced.solution.certificate.totals, priced.bounds
    over = np.maximum(np.maximum(totals - bounds.most, bounds.least - totals), 0.0)
    size = np.where(totals > bounds.most, bounds.most, bounds.least)
    return float((over / np.maximum(np.where(np.isfinite(size), size, 1.0), 1.0)).max(initial=0.0))


def _uses(
    release: Release,
    priced: Priced,
    wanted: NDArray[np.float64],
    lost: NDArray[np.float64],
    drawn: NDArray[np.float64],
) -> tuple[BudgetUse, ...]:
    limits, solution = priced.limits, priced.solution
    rows = []
    for j, place in enumerate(limits.budget.tolist()):
        budget, price = limits.budgets[place], float(solution.prices[j])
        least, most = limits.bounds.least[j], limits.bounds.most[j]
        rows.append(
            BudgetUse(
                budget=budget.name,
                counts=budget.counts.removeprefix("objective:"),
                starts_at=format_time(int(limits.start[j])),
                ends_at=format_time(int(limits.end[j])),
                least=float(least) if isfinite(least) else nan,
                most=float(most) if isfinite(most) else nan,
                before=float(priced.before[j]),
                wanted=float(wanted[j]),
                expected=float(solution.certificate.totals[j]),
                drawn=float(drawn[j]),
                price=price,
                worth=worths(release, price),
                lost=float(lost[j]),
                relaxed_by=float(priced.relaxed_by[j]),
            )
        )
    return tuple(rows)


def worths(release: Release, utility: float) -> tuple[Worth, ...]:
    """Return what an amount of utility is in each objective of which more is better, by its weight."""
    return tuple(
        Worth(name, utility / objective.weight)
        for name, objective in release.config.objectives.items()
        if objective.direction == "up" and objective.weight > 0
    )
