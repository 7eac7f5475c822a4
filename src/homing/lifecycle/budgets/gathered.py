"""The first pass of a plan under budgets: everybody's candidates by account, and what was used already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.decision import SharedLimits
from homing.decision.decide import draw_each
from homing.engine import over_shards
from homing.lifecycle.budgets.drawing import use_of
from homing.lifecycle.budgets.offers import Offers, Part
from homing.lifecycle.budgets.prices import KeptPrices
from homing.lifecycle.epoch import Epoch, Offer, users_at
from homing.lifecycle.experiment.accounts import Account, accounts_of, as_of, names_of
from homing.lifecycle.experiment.arms import Underway
from homing.lifecycle.progress import Progress
from homing.schema import Instants, Shard
from homing.store import LoadedShard


@dataclass(frozen=True)
class Gathered:
    """An account with its users and what they have used."""

    account: Account
    users: int
    before: NDArray[np.float64]  # [limits] in earlier epochs
    used: NDArray[np.float64]  # [limits] in this one, by a rule without prices; else 0


@dataclass(frozen=True)
class _Found:
    """Of one account, what one shard adds."""

    account: Account
    users: int
    part: Part | None  # None: no prices move it
    before: NDArray[np.float64]  # [limits]
    used: NDArray[np.float64]  # [limits]
    came: Counter[tuple[int, str]]  # users by (earlier run, account that they were in)


def gather(
    epoch: Epoch,
    underway: Underway,
    limits: SharedLimits,
    offers: Offers,
    earlier: Sequence[KeptPrices],
    progress: Progress,
) -> list[Gathered]:
    """Score all shards into `offers`.

    Args:
        epoch: with budgets.
        underway: who decides for whom.
        limits: of the epoch.
        offers: to be filled.
        earlier: runs with prices before the epoch, in order.
        progress: where to report.

    Returns:
        the accounts, in order of their codes.
    """
    past = [(kept, as_of(underway, kept.epoch_at)) for kept in earlier]
    if limits.counted.all():
        past = []  # the ledger tells all that was used

    def scored(partition: int) -> list[_Found]:
        loaded = epoch.loaded(partition)
        rows = users_at(loaded.shard, epoch.at)
        accounts, place = accounts_of(underway, loaded.shard.users.hash)
        before = sent_before(limits, loaded.shard, epoch.at, place, len(accounts))
        found, kept = [], {}
        for number, account in enumerate(accounts):
            mine = rows
            if len(accounts) > 1:
                inside = place[rows.user] == number
                mine = Instants(rows.user[inside], rows.at[inside])
            offer = _priceable(epoch, limits, account, partition, loaded, mine)
            with epoch.timings.measure("prices"):
                kept[account.name] = offer
                part, used = _wanted(epoch, limits, account, offer)
                came = _came(past, loaded.shard.users.hash[mine.user])
                found.append(_Found(account, len(mine), part, before[number], used, came))
        with epoch.timings.measure("prices"):
            offers.write(kept)
        return found

    totals: dict[str, list[_Found]] = {}
    for partition, found in enumerate(over_shards(scored, epoch.partitions, epoch.workers)):
        for one in found:
            if one.part is not None:
                offers.add(one.part, one.account.name)
            totals.setdefault(one.account.name, []).append(replace(one, part=None))
        progress.update("score", (partition + 1) / epoch.partitions)
    return _summed(limits, past, totals)


def _priceable(
    epoch: Epoch,
    limits: SharedLimits,
    account: Account,
    partition: int,
    loaded: LoadedShard,
    rows: Instants,
) -> Offer:
    """Return what users may be sent, with what it uses of limits."""
    offer = epoch.offered(partition, loaded, rows, account.decider.release)
    with epoch.timings.measure("prices"):
        arm = limits.arms(loaded.shard, offer.context.candidates)
    return replace(offer, context=replace(offer.context, arm=arm))


def _wanted(
    epoch: Epoch, limits: SharedLimits, account: Account, offer: Offer
) -> tuple[Part | None, NDArray[np.float64]]:
    """Return what prices are to be found from; or None, and the use [limits] of what is drawn without."""
    context = offer.context
    if account.softmax is not None:
        return Part.of(context, account.softmax, limits), np.zeros(len(limits))
    assert context.arm is not None and context.values is not None
    _, index = draw_each(context, account.decider.policy, epoch.workspace.config)
    own = limits.own(context.arm, context.candidates.offsets, context.values)
    return None, use_of(limits, context.arm[index], None if own is None else own.take(index))


def sent_before(
    limits: SharedLimits, shard: Shard, at: int, place: NDArray[np.int64], accounts: int
) -> NDArray[np.float64]:
    """Return what sends of epochs before an instant (us) use of each limit: float64 [accounts, limits].

    Of limits on objectives it is 0: the ledger has no expectation for hold to compare with.

    Args:
        limits: of the epoch.
        shard: with its decisions.
        at: the instant.
        place: int64 [users] account of each user of the shard.
        accounts: how many there are.
    """
    log = shard.decisions
    sent = np.flatnonzero((log.message >= 0) & (log.epoch_at < at))
    opportunity = log.opportunity[sent]
    generator = np.full(len(sent), -1, np.int32)
    known = opportunity >= 0
    generator[known] = shard.opportunities.generator[opportunity[known]]
    user = log.user[sent]
    zone = shard.users.zone[user]
    arm = limits.arms_of(shard, log.message[sent], generator, log.channel[sent], log.slot_start[sent], zone)
    cell = place[user] * len(limits.uses) + arm
    mass = np.bincount(cell, minlength=accounts * len(limits.uses)).astype(np.float64)
    return np.array([limits.uses.totals(row, len(limits)) for row in mass.reshape(accounts, -1)])


def _came(
    past: Sequence[tuple[KeptPrices, Underway]], user_hash: NDArray[np.uint64]
) -> Counter[tuple[int, str]]:
    """Return how many users were in which account of each earlier run."""
    came: Counter[tuple[int, str]] = Counter()
    for run, (kept, then) in enumerate(past):
        if not any(kept.accounts):
            came[run, ""] += len(user_hash)
            continue
        names, place = names_of(then, user_hash)
        for name, count in zip(names, np.bincount(place, minlength=len(names)).tolist(), strict=True):
            came[run, name] += count
    return came


def _summed(
    limits: SharedLimits,
    past: Sequence[tuple[KeptPrices, Underway]],
    totals: dict[str, list[_Found]],
) -> list[Gathered]:
    """Return all shards' parts as one for each account, with what earlier runs expected of objectives.

    Of what an account was expected to use, each of its users brings an equal part to the account of today.
    """
    came = {name: sum((one.came for one in found), Counter()) for name, found in totals.items()}
    everyone = sum(came.values(), Counter())
    result = []
    for name, found in sorted(totals.items(), key=lambda item: item[1][0].account.codes):
        expected = np.zeros(len(limits))
        for (run, then), users in came[name].items():
            share = users / everyone[run, then]
            expected += share * _drawn_in(limits, past[run][0], then)
        result.append(
            Gathered(
                account=found[0].account,
                users=sum(one.users for one in found),
                before=np.sum([one.before for one in found], axis=0) + expected,
                used=np.sum([one.used for one in found], axis=0),
            )
        )
    return result


def _drawn_in(limits: SharedLimits, kept: KeptPrices, account: str) -> NDArray[np.float64]:
    """Return what an account's decisions of a run use of limits on objectives: float64 [limits]."""
    used = np.zeros(len(limits))
    for j in np.flatnonzero(~limits.counted).tolist():
        name = limits.budgets[limits.budget[j]].name
        mine = [
            row == name and own == account for row, own in zip(kept.names, kept.accounts, strict=True)
        ] & (kept.start == limits.start[j])
        used[j] = kept.drawn[mine].sum()
    return used
