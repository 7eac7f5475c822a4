"""A plan under budgets, in two passes over shards.

1. Every shard's candidates are scored, and kept on disk; a value and an arm of each make one demand.
2. What earlier epochs used of each budget is taken off, and prices are found at which the rest is kept.
3. Every shard draws at these prices, together with the others.

While arms of experiments decide, or there is a holdout, the second and the third are done for each account
alone, with its part of every budget: users in the same arms share an account, and nothing with others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.decision import SharedLimits
from homing.decision.decide import chosen, draw_each
from homing.engine import over_shards
from homing.lifecycle.budgets.drawing import Draws, Half, draw_all
from homing.lifecycle.budgets.facts import budgets_of
from homing.lifecycle.budgets.gathered import gather
from homing.lifecycle.budgets.offers import Offers
from homing.lifecycle.budgets.prices import (
    AccountPrices,
    KeptPrices,
    kept_prices,
    runs_with_prices,
    save_prices,
    start_prices,
)
from homing.lifecycle.budgets.settling import Settled, Start, settle
from homing.lifecycle.epoch import Epoch, Offer
from homing.lifecycle.experiment.arms import Part, Underway, marked, merged
from homing.lifecycle.experiment.deciders import Decider
from homing.lifecycle.progress import Progress
from homing.report.facts import Budgets
from homing.schema import Reason
from homing.schema.drawn import Deciders
from homing.store import LoadedShard, Workspace


@dataclass(frozen=True)
class Together:
    """Prices and draws of an epoch."""

    epoch: Epoch
    underway: Underway
    limits: SharedLimits
    offers: Offers
    settled: dict[str, Settled]  # by account
    draws: dict[str, Draws]  # by account that has prices
    facts: Budgets
    started_from: str | None  # the run whose prices were the start

    def decided(self, partition: int) -> tuple[LoadedShard, Part, Deciders]:
        """Return one shard with its decisions, and who made them."""
        parts: list[Part] = []
        deciders: list[Decider] = []
        own: list[NDArray[np.int64]] = []
        for name in self.offers.accounts(partition):
            offer, account = self.offers.read(partition, name), self.settled[name].account
            part = self._drawn(offer, name)
            parts.append(part if account.decider.complete else marked(part))
            deciders.append(account.decider)
            own.append(np.full(len(part.drawn), len(own), np.int64))
        user = np.concatenate([part.drawn.rows.user for part in parts])
        place = np.concatenate(own)[np.argsort(user, kind="stable")]
        part = merged(parts)
        shard = offer.loaded.shard
        arms, held = self.underway.arms_of(shard.users.hash[part.drawn.rows.user])
        # one that could be sent nothing but what was sent decided alike in every arm
        free = (part.drawn.candidates > 1) & (part.drawn.reason != Reason.transactional)
        triggered = [
            free & (arm >= 0) if record.design.exposure == "triggered" else np.zeros_like(free)
            for record, arm in zip(self.underway.records, arms, strict=True)
        ]
        return offer.loaded, part, self.underway.logged(arms, held, deciders, place, triggered)

    def _drawn(self, offer: Offer, name: str) -> Part:
        settled, config = self.settled[name], self.epoch.workspace.config
        draws = self.draws.get(name)
        if draws is None:
            drawn, _ = draw_each(offer.context, settled.account.decider.policy, config)
        else:
            draw = draws.shards[self.offers.partitions(name).index(offer.partition)]
            drawn = chosen(offer.context, settled.policy, config, draw.index, draw.propensity)
        return Part(drawn, offer.removed, offer.hold_values)

    def save_prices(self, run_id: str) -> None:
        """Keep the prices of every account with a run."""
        rows = [
            AccountPrices(
                account=name,
                prices=None if one.priced is None else one.policy.prices,
                temperature=np.nan if one.priced is None else one.policy.temperature,
                drawn=_used(one, self.draws),
            )
            for name, one in self.settled.items()
        ]
        save_prices(self.epoch.workspace, run_id, self.epoch.at, self.limits, rows, self.started_from)


@contextmanager
def together(
    epoch: Epoch, underway: Underway, limits: SharedLimits, run_id: str, relax: bool, progress: Progress
) -> Iterator[Together]:
    """Find prices and draw; what is given can be read until the block ends.

    Args:
        epoch: with budgets.
        underway: who decides for whom.
        limits: of the epoch.
        run_id: of the plan. Made again, it starts from the same prices, so that it comes to the same.
        relax: whether budgets that cannot be kept are widened.
        progress: where to report.

    Raises:
        InputError: budgets that cannot be kept.
    """
    workspace, timings = epoch.workspace, epoch.timings
    with Offers(workspace.runs_path / f".offers-{run_id}") as offers:
        earlier = runs_with_prices(workspace, epoch.at)
        gathered = gather(epoch, underway, limits, offers, earlier, progress)
        with timings.measure("prices"):
            started = _start(workspace, run_id, earlier)
            settled = settle(epoch, limits, offers, gathered, starting_from(limits, epoch.at, started), relax)
        progress.update("prices", 1.0)
        with timings.measure("draw"):
            draws = {one.account.name: _draw(epoch, offers, one) for one in settled if one.priced}
        with timings.measure("prices"):
            used = [_used(one, draws) for one in settled]
            tries = max((one.tries for one in draws.values()), default=1)
            facts = budgets_of(epoch.release, limits, settled, used, tries, started, epoch.workers)
        by_name = {one.account.name: one for one in settled}
        yield Together(epoch, underway, limits, offers, by_name, draws, facts, facts.started_from)


def starting_from(limits: SharedLimits, at: int, earlier: KeptPrices | None) -> Start:
    """Return a function of an account's name: prices of an earlier run for the limits of an epoch (us)."""
    return lambda account: None if earlier is None else start_prices(limits, at, earlier, account)


def _draw(epoch: Epoch, offers: Offers, one: Settled) -> Draws:
    name, policy = one.account.name, one.policy
    partitions = offers.partitions(name)
    assert one.priced is not None

    def over(function: Callable[[int], Half]) -> Iterator[Half]:
        return over_shards(lambda place: function(partitions[place]), len(partitions), epoch.workers)

    def read(partition: int) -> Offer:
        return offers.read(partition, name)

    return draw_all(over, read, policy, one.priced, epoch.workspace.config.workspace.salt, name)


def _used(one: Settled, draws: dict[str, Draws]) -> NDArray[np.float64]:
    """Return what an account's decisions use: float64 [limits]."""
    found = draws.get(one.account.name)
    return one.gathered.used if found is None else found.used


def _start(workspace: Workspace, run_id: str, earlier: list[KeptPrices]) -> KeptPrices | None:
    """Return the prices to start from: those that the same run once started from, else the newest."""
    kept = kept_prices(workspace, run_id)
    if kept is None:
        return earlier[-1] if earlier else None
    return next((one for one in earlier if one.run_id == kept.started_from), None)
