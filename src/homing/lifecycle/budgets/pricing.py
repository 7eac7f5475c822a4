"""From everybody's candidates and budgets to prices: what is left of each budget, the solution, its proof.

Drawn totals stray from expected ones by a known deviation, so a maximum is aimed at from so far below that
drawing hardly ever passes it; `drawing.py` sees to the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Bounds, Demand, Solution, least_relaxation, softmaxes, solve
from homing.allocation.grouped import Kinds
from homing.decision import SharedLimits, Softmax
from homing.lifecycle.release import Release
from homing.schema import InputError
from homing.schema.times import format_time

_TOLERANCE: Final = 1e-3
_UNITS: Final = 0.1  # of the largest use by one send, by which an expected total may pass a bound besides
_MARGIN: Final = 3.5  # deviations of a drawn total
_COLD: Final = 1e-6  # of the release's temperature, below which a policy is taken to be a maximum
_SAMPLE: Final = 100_000  # users, from whom it is estimated what each budget costs


@dataclass(frozen=True)
class Priced:
    """Prices of an epoch, and what they were found from."""

    limits: SharedLimits
    kinds: Kinds
    bounds: Bounds  # of what is left for this plan, after any relaxation
    before: NDArray[np.float64]  # [limits] used by earlier epochs
    relaxed_by: NDArray[np.float64]  # [limits] how much wider than what was left
    solution: Solution

    @property
    def stops(self) -> NDArray[np.float64]:
        """[limits] what the plan's decisions must not pass together; inf of expectations."""
        return np.where(self.limits.counted, self.bounds.most, np.inf)


def solvable_temperature(policy: Softmax, release: Release) -> float | None:
    """Return the temperature to find prices at; None of a maximum, for which the solver finds its own."""
    return None if policy.temperature < _COLD * release.temperature else policy.temperature


def what_is_left(
    limits: SharedLimits, bounds: Bounds, before: NDArray[np.float64], at: int, horizon: int
) -> Bounds:
    """Return the bounds of one epoch: what its periods have left, shared evenly with the epochs to come.

    Args:
        limits: of the epoch.
        bounds: of whole periods.
        before: float64 [limits] used by earlier epochs.
        at: the epoch, us.
        horizon: us that it plans. Of a period that ends later the plan gets its part of the time left.
    """
    ahead = limits.end - np.maximum(at, limits.start)
    share = np.minimum(1.0, (at + horizon - np.maximum(at, limits.start)) / ahead)
    return Bounds(
        np.where(np.isfinite(bounds.least), np.maximum(bounds.least - before, 0) * share, -np.inf),
        np.where(np.isfinite(bounds.most), np.maximum(bounds.most - before, 0) * share, np.inf),
    )


def find_prices(
    demand: Demand,
    limits: SharedLimits,
    bounds: Bounds,
    before: NDArray[np.float64],
    temperature: float | None,
    floor: float,
    start: NDArray[np.float64] | None,
    relax: bool,
    threads: int = 0,
    who: str = "",
) -> Priced:
    """Return the prices that keep the bounds.

    Args:
        demand: of all users.
        limits: what its arms use.
        bounds: of what is left.
        before: float64 [limits] used by earlier epochs.
        temperature: of the policy, in utility; None: as cold as prices can be found for, of `greedy`.
        floor: of the policy; it uses budgets, too.
        start: float64 [limits] prices to start from.
        relax: widens bounds that cannot be kept by as little as will do; else they are an error.
        threads: as `solve`.
        who: have these parts of the budgets; empty: all users.

    Raises:
        InputError: bounds that cannot be kept together, with what would do.
    """
    by = np.zeros(len(limits))
    kinds = Kinds.of(demand.uses, _sizes(limits, bounds))

    def solved(within: Bounds, start: NDArray[np.float64] | None) -> Solution:
        """Solve with room for drawn totals on both sides, or where that is too much, below maxima only."""
        room = np.where(limits.counted, _room(kinds, demand, _sizes(limits, within)), 0.0)
        most = np.maximum(within.most - room, np.maximum(within.least, 0.0))
        for least in (np.minimum(within.least + room, most), within.least):
            found = solve(
                demand,
                Bounds(least, most),
                temperature,
                floor,
                start,
                tolerance=_TOLERANCE,
                units=_UNITS,
                threads=threads,
            )
            if found.met or not (least > within.least).any():
                break
        return found

    solution = solved(bounds, start)
    if not solution.met:
        wider, by = _relaxed(demand, bounds, floor, threads)
        if by.any():
            if not relax:
                raise InputError(_contradiction(limits, bounds, wider, by, who))
            bounds = wider
            solution = solved(bounds, solution.prices)
    return Priced(limits, kinds, bounds, before, by, solution)


def _sizes(limits: SharedLimits, bounds: Bounds) -> NDArray[np.float64]:
    """Return about how much of each limit a plan will use: float64 [limits], inf where that is not known."""
    size = np.where(np.isfinite(bounds.most), bounds.most, np.abs(bounds.least))
    return np.where(limits.counted, size, np.inf)


def _room(kinds: Kinds, demand: Demand, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far inside a bound to aim: float64 [limits]."""
    size = np.where(np.isfinite(sizes), sizes, 0.0)
    largest = np.zeros(len(size))
    np.maximum.at(largest, demand.uses.limit, demand.uses.amount)
    return _MARGIN * kinds.deviations(demand.uses, size) + _TOLERANCE * size + _UNITS * largest


def _relaxed(
    demand: Demand, bounds: Bounds, floor: float, threads: int
) -> tuple[Bounds, NDArray[np.float64]]:
    """Return bounds that can be kept, and how much wider they are: float64 [limits], 0 where they were."""
    uniform = softmaxes(demand, np.zeros(len(bounds)), np.inf, threads).totals * floor
    inner = Bounds((bounds.least - uniform) / (1 - floor), (bounds.most - uniform) / (1 - floor))
    found = least_relaxation(demand, inner, threads)
    by = found.by * (1 - floor)
    return Bounds(
        np.where(found.bounds.least < inner.least, bounds.least - by, bounds.least),
        np.where(found.bounds.most > inner.most, bounds.most + by, bounds.most),
    ), by


def _contradiction(
    limits: SharedLimits, bounds: Bounds, wider: Bounds, by: NDArray[np.float64], who: str
) -> str:
    lines = []
    for limit in np.flatnonzero(by).tolist():
        budget = limits.budgets[limits.budget[limit]]
        side, old, new = "max", bounds.most[limit], wider.most[limit]
        if wider.least[limit] < bounds.least[limit]:
            side, old, new = "min", bounds.least[limit], wider.least[limit]
        lines.append(
            f"{budget.name} from {format_time(int(limits.start[limit]))}: {side} leaves {old:.6g} for "
            f"this plan, and the nearest that can be is {new:.6g}"
        )
    return (
        f"budgets{who and f' of {who}'} cannot be kept together with the hard rules and exploration.floor: "
        + "; ".join(lines)
        + "; widen these in homing.toml, or plan with --relax, which widens them by so much"
    )


def lost_values(
    demand: Demand, priced: Priced, threads: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a plan without any budget would use, and at most how much utility each budget costs.

    Without a budget the plan would be worth at most the dual at the prices of the others (weak duality), so
    the difference of the duals bounds what is lost. Both are estimated from a sample of users.

    Args:
        demand: of all users.
        priced: with prices.
        threads: as `solve`.

    Returns:
        float64 [limits] each, in the limit's unit and in utility.
    """
    every = max(1, -(-len(demand) // _SAMPLE))
    sample = demand.take(np.arange(0, len(demand), every))
    scale = len(demand) / max(len(sample), 1)
    found = priced.solution
    prices, floor, temperature = found.prices, found.floor, found.temperature
    uniform = softmaxes(sample, prices, np.inf, threads).totals if floor else np.zeros(len(prices))
    free = softmaxes(sample, np.zeros(len(prices)), temperature, threads).totals
    wanted = scale * ((1 - floor) * free + floor * uniform)
    here = softmaxes(sample, prices, temperature, threads).smooth
    room = found.certificate.totals - scale * floor * uniform
    lost = np.zeros(len(prices))
    for limit in np.flatnonzero(prices).tolist():
        others = prices.copy()
        others[limit] = 0.0
        without = softmaxes(sample, others, temperature, threads).smooth
        lost[limit] = (1 - floor) * scale * (without - here) - prices[limit] * room[limit]
    return wanted, np.maximum(lost, 0.0)


@dataclass(frozen=True)
class PlanValue:
    """What a plan is worth, its uniform floor included."""

    expected: float  # utility
    objective: float  # with temperature times entropy, which is what prices maximise
    bound: float  # on the expected utility of any plan within the budgets that has this floor


def value_of(demand: Demand, solution: Solution, threads: int = 0) -> PlanValue:
    """Return what a solution is worth."""
    floor, certificate = solution.floor, solution.certificate
    uniform = 0.0
    if floor:
        uniform = softmaxes(demand, np.zeros(len(solution.prices)), np.inf, threads).value
    softmax, rest = 1 - floor, floor * uniform
    return PlanValue(
        softmax * certificate.value + rest,
        softmax * (certificate.value + certificate.entropy) + rest,
        softmax * certificate.bound + rest,
    )
