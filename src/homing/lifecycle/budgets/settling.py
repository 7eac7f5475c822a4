"""From gathered accounts to prices: each account's are found on its own users, within its own share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Bounds, Demand
from homing.decision import Prices, SharedLimits, Softmax
from homing.lifecycle.budgets.gathered import Gathered
from homing.lifecycle.budgets.offers import Offers
from homing.lifecycle.budgets.pricing import Priced, find_prices, solvable_temperature
from homing.lifecycle.budgets.shares import shares_of
from homing.lifecycle.epoch import Epoch
from homing.lifecycle.experiment.accounts import Account
from homing.schema import InputError
from homing.schema.times import format_time, parse_duration

#: An account's prices to start from, by its name; None: none are known.
Start = Callable[[str], NDArray[np.float64] | None]

_SLACK = 1e-6  # relative, of sums of float32 amounts


@dataclass(frozen=True)
class Settled:
    """An account with its share of every budget, and the prices at which it keeps that."""

    gathered: Gathered
    share: Bounds | None  # of what this epoch may use, before any relaxation; None: the holdout's
    relaxed_by: NDArray[np.float64]  # [limits] how much wider than that
    demand: Demand | None = None  # None: it decides by a rule without prices
    priced: Priced | None = None

    @property
    def account(self) -> Account:
        """Whose it is."""
        return self.gathered.account

    @property
    def policy(self) -> Softmax:
        """The policy at its prices; of one that `priced`."""
        assert self.account.softmax is not None and self.priced is not None
        found = self.priced.solution
        prices = Prices(self.priced.limits, found.prices)
        return replace(self.account.softmax, temperature=found.temperature, prices=prices)

    @property
    def expected(self) -> NDArray[np.float64]:
        """[limits] use by this epoch."""
        return self.gathered.used if self.priced is None else self.priced.solution.certificate.totals


def settle(
    epoch: Epoch,
    limits: SharedLimits,
    offers: Offers,
    everyone: Sequence[Gathered],
    start: Start,
    relax: bool,
) -> list[Settled]:
    """Return every account with its share and prices, in the order given.

    Args:
        epoch: with budgets.
        limits: of the epoch; may have budgets of other sizes than it.
        offers: of all accounts.
        everyone: the accounts.
        start: prices of an account's name to start from.
        relax: whether shares that cannot be kept are widened; else they are an error.

    Raises:
        InputError: a share that cannot be kept, with the account.
    """
    sharing = [one for one in everyone if not one.account.held]
    config = epoch.workspace.config
    held = np.sum([one.before + one.used for one in everyone if one.account.held], axis=0)
    shares = shares_of(
        limits,
        [one.account.name for one in sharing],
        np.array([one.users for one in sharing], np.int64),
        np.array([one.before for one in sharing]),
        held + np.zeros(len(limits)),
        epoch.at,
        parse_duration(config.slots.horizon),
        config.workspace.salt,
    )
    share_of = {one.account.name: share for one, share in zip(sharing, shares, strict=True)}
    settled = []
    for one in everyone:
        share = share_of.get(one.account.name)
        if share is None:
            settled.append(Settled(one, None, np.zeros(len(limits))))
        elif one.account.softmax is None:
            settled.append(_unpriced(epoch, limits, one, share, relax))
        else:
            settled.append(_priced(epoch, limits, offers, one, share, start(one.account.name), relax))
    return settled


def _priced(
    epoch: Epoch,
    limits: SharedLimits,
    offers: Offers,
    one: Gathered,
    share: Bounds,
    start: NDArray[np.float64] | None,
    relax: bool,
) -> Settled:
    name, policy = one.account.name, one.account.softmax
    assert policy is not None
    demand = offers.demand(limits.uses, name)
    priced = find_prices(
        demand,
        limits,
        share,
        one.before,
        solvable_temperature(policy, one.account.decider.release),
        policy.floor,
        start,
        relax,
        epoch.workers,
        name,
    )
    return Settled(one, share, priced.relaxed_by, demand, priced)


def _unpriced(epoch: Epoch, limits: SharedLimits, one: Gathered, share: Bounds, relax: bool) -> Settled:
    """Return an arm whose policy has no prices; minima are not asked of it."""
    share = Bounds(np.full(len(limits), -np.inf), share.most)
    over = np.where(one.used > share.most * (1 + _SLACK), one.used - share.most, 0.0)
    if over.any() and not relax:
        lines = [
            f"{limits.budgets[limits.budget[j]].name} from {format_time(int(limits.start[j]))}: max leaves "
            f"{share.most[j]:.6g} for this plan, and it uses {one.used[j]:.6g}"
            for j in np.flatnonzero(over).tolist()
        ]
        raise InputError(
            f"{one.account.name} decides by the policy {one.account.decider.policy.name!r}, which no prices "
            f"move: {'; '.join(lines)}; widen these in homing.toml, stop the experiment, or plan with "
            "--relax, which widens them by so much"
        )
    return Settled(one, share, over)
