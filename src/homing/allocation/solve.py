"""From demand and bounds to prices, in few passes over all candidates.

1. Prices of a sample of users, from a high temperature down to the one that is asked for.
2. Prices of larger samples, each starting from the last.
3. Prices of all users. Candidates that cannot matter near these prices are left out, the rest is solved,
   and a pass over all checks the result.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Bounds, Demand, check_uses
from homing.allocation.descent import Damping, Tolerance, descend
from homing.allocation.dual import Softmaxes, softmaxes
from homing.allocation.passes import Compiled, Passes
from homing.allocation.sides import Sides
from homing.allocation.solution import Solution, certify
from homing.schema.errors import InputError

_FIRST_SAMPLE: Final = 20_000
_USERS_A_LIMIT: Final = 20
_GROWTH: Final = 6
_COOLING: Final = 4.0
_COLDEST: Final = 1e-7  # of the values' size, where the linear program's gap does not close
_STEPS: Final = 25
_ROUNDS: Final = 8
_MARGIN: Final = 15.0  # in temperatures, of each candidate; exp(-30) is 1e-13
_SHARE: Final = 0.1  # of its price, by which a candidate's worth may move besides
_ERRORS: Final = 2.0  # standard errors of a price from a sample, that its limit is likely within
_HELD: Final = 0.01  # of users, for whom all that they could choose is kept
_ANYWHERE: Final = 1e200  # and not infinity, of which nothing times is not a number
_LOOSE: Final = 10.0  # tolerance of samples, whose own error is larger
_INSIDE: Final = 0.7  # of the tolerance, for what is left after leaving candidates out
_WIDER: Final = 3.0
_TINY: Final = 1e-30
_MANY: Final = 8.0  # limits that a candidate may have to overcome


def solve(
    demand: Demand,
    bounds: Bounds,
    temperature: float | None = None,
    floor: float = 0.0,
    start: NDArray[np.float64] | None = None,
    cap: float | NDArray[np.float64] | None = None,
    tolerance: float = 1e-3,
    units: float = 1.0,
    threads: int = 0,
    device: str | None = None,
) -> Solution:
    """Return the prices at which softmax decisions keep the bounds and are worth the most.

    Args:
        demand: users with their candidates.
        bounds: least and most use of each limit by the whole policy, its uniform floor included.
        temperature: of the softmax, in utility. None: the linear program; the temperature is then found,
            as high as leaves a relative gap of `tolerance`.
        floor: share of each decision that is uniform over the candidates, in [0, 1).
        start: float64 [limits] prices to start from, yesterday's; without them a sample finds some.
        cap: largest price of each limit, in utility per unit, > 0: the limit is soft, and broken where
            keeping it would cost more. None: so large that users rather keep it, so that only limits that
            cannot be kept are broken.
        tolerance: relative, of every bound and of the objective.
        units: a bound may also be broken by so many times the largest single use of its limit, which is
            less than drawing decisions does.
        threads: at most so many at a time; 0: as many as this process has cores. The result has the same
            bits whatever the number.
        device: where the passes are made: None for the processor, in compiled code; else PyTorch's name of
            a device, such as "cuda", and candidates that do not fit there are copied in parts every pass.

    Raises:
        InputError: an argument outside its range or of the wrong length, uses of unknown limits, or a
            device that is not there.
    """
    began = time.perf_counter()
    if temperature is not None and not 0 < temperature < np.inf:
        raise InputError(
            f"temperature == {temperature}, must be > 0 and finite; pass None for the linear program"
        )
    if not 0 <= floor < 1:
        raise InputError(f"floor == {floor}, must be in [0, 1); a uniform policy has no prices")
    if start is not None and start.shape != (len(bounds),):
        raise InputError(
            f"start has shape {start.shape}, must have one price for each of {len(bounds)} limits"
        )
    if cap is not None and not np.all(np.asarray(cap) > 0):
        raise InputError(f"cap == {cap}, must be > 0; a limit without a price needs no bounds")
    check_uses(demand.uses, len(bounds))
    if demand.own is not None:
        check_uses(demand.own, len(bounds))
    uniform, passes = np.zeros(len(bounds)), 0
    if floor:
        uniform, passes = softmaxes(demand, uniform, np.inf, threads).totals, 1
    inner = Bounds(
        (bounds.least - floor * uniform) / (1 - floor), (bounds.most - floor * uniform) / (1 - floor)
    )
    least_use, largest_use = _range_of_uses(demand, len(bounds))
    if cap is None:
        cap = _decisive(demand, temperature or 0.0) / least_use
    sides = Sides.of(inner, np.broadcast_to(cap, len(bounds)), largest_use)
    goal = _Goal(tolerance, units)
    state = _State(
        x=np.zeros(len(sides)) if start is None else sides.multipliers(start),
        temperature=temperature,
        damping=Damping.at_first(len(sides)),
        users=0,
    )
    everyone = _passes(demand, len(bounds), threads, device)
    rng = np.random.default_rng(len(demand))
    for place, size in enumerate(_ladder(len(demand), len(bounds))):
        whole = size == len(demand)
        if whole and place:
            break
        part = everyone if whole else everyone.take(np.sort(rng.choice(len(demand), size, replace=False)))
        shrunk = sides.scaled(size / max(len(demand), 1))
        if place == 0:
            state = _anneal(part, shrunk, state, goal, start is not None)
        else:
            state, _, _ = _settle(part, shrunk, state, goal.loose())
    state, point, more = _settle(everyone, sides, state, goal)
    prices = sides.prices(state.x)
    seconds = time.perf_counter() - began
    certificate = certify(point, uniform, bounds, inner, prices, floor, passes + more, seconds)
    over = goal.on(sides).over
    kept = bool((sides.slack(point) >= -over).all()) and goal.on(sides).met(sides, state.x, point)
    met = kept and (temperature is not None or certificate.gap <= tolerance)
    assert state.temperature is not None
    return Solution(prices, state.temperature, floor, met, certificate)


def _passes(demand: Demand, limits: int, threads: int, device: str | None) -> Passes:
    if device is None:
        return Compiled(demand, limits, threads)
    from homing.allocation.on_device import OnDevice  # PyTorch takes seconds to import

    return OnDevice.put(demand, limits, device)


@dataclass(frozen=True)
class _Goal:
    relative: float
    units: float  # of the largest uses that do not count

    def loose(self) -> _Goal:
        """Return the goal for a sample."""
        return replace(self, relative=_LOOSE * self.relative)

    def on(self, sides: Sides, share: float = 1.0) -> Tolerance:
        """Return a share of it as a tolerance for some bounds."""
        over = share * (self.relative * np.abs(sides.bound) + self.units * sides.largest)
        return Tolerance(share * self.relative / 4, over)


@dataclass(frozen=True)
class _State:
    x: NDArray[np.float64]  # [sides] multipliers
    temperature: float | None  # None: not yet found
    damping: Damping
    users: int  # whom the multipliers come from


def _ladder(users: int, limits: int) -> list[int]:
    """Return growing numbers of users, the last of them all."""
    sizes = [users]
    least = max(_FIRST_SAMPLE, _USERS_A_LIMIT * limits)
    while sizes[0] > 2 * least:
        sizes.insert(0, max(least, sizes[0] // _GROWTH))
    return sizes


def _anneal(part: Passes, sides: Sides, state: _State, goal: _Goal, warm: bool) -> _State:
    """Return the state after solving a sample from a high temperature down to the last one."""
    size = part.size() or float((sides.cap * sides.largest).max(initial=0.0)) or 1.0
    last = state.temperature
    temperature = max(size, last or 0.0)
    if warm and last is not None:
        temperature = last
    anywhere = np.zeros(len(sides)), sides.cap
    x, damping = state.x, state.damping
    while True:
        damping = damping.renewed()
        tolerance = goal.on(sides) if temperature == last else goal.loose().on(sides)
        x, damping = descend(part, sides, x, temperature, tolerance, damping, _STEPS, anywhere)
        if temperature == last:
            break
        cooler = 1 / _COOLING
        if last is None:
            cooler = _cooler(part, sides, x, temperature, goal.relative)
            if cooler >= 1 or temperature < _COLDEST * size:
                break
        temperature = max(last or 0.0, temperature * cooler)
    return _State(x, temperature, damping, len(part))


def _cooler(part: Passes, sides: Sides, x: NDArray[np.float64], temperature: float, gap: float) -> float:
    """Return by what the temperature has to be multiplied for the linear program's gap; 1: it is closed."""
    prices = sides.prices(x)
    point = part.softmaxes(prices, temperature)
    blur = point.best - point.value + float(prices @ point.totals)
    wanted = gap / 2 * abs(point.best + float(sides.sign * sides.bound @ x))
    return 1.0 if blur <= wanted else float(np.clip(wanted / blur, 1 / _COOLING, 0.7))


def _settle(everyone: Passes, sides: Sides, state: _State, goal: _Goal) -> tuple[_State, Softmaxes, int]:
    """Return the state within the goal, the softmax there, and the passes over all candidates."""
    x, temperature, damping = state.x, state.temperature, state.damping
    assert temperature is not None
    point = everyone.softmaxes(sides.prices(x), temperature)
    passes, margin = 1, _MARGIN * temperature
    known = sides.scaled(state.users / max(len(everyone), 1)).units
    further = np.zeros(len(x)), np.zeros(len(x))
    for _ in range(_ROUNDS):
        if goal.on(sides).met(sides, x, point):
            break
        unmet = goal.on(sides).unmet(sides, x, point, (np.zeros(len(x)), sides.cap))
        fall, rise = _reach(sides, x, point, unmet, known, _HELD * len(everyone))
        fall, rise = np.minimum(fall + further[0], x), rise + further[1]
        same = margin / np.maximum(sides.largest, _TINY)
        box = np.maximum(x - same - fall, 0.0), np.minimum(x + same + rise, sides.cap)
        near, elsewhere = everyone.screened(sides.prices(x), margin, *sides.price_moves(rise, fall))
        rest, tolerance = sides.beside(elsewhere), goal.on(sides, _INSIDE)
        ahead, damping = descend(near, rest, x, temperature, tolerance, damping, _STEPS, box)
        there = everyone.softmaxes(sides.prices(ahead), temperature)
        passes += 2
        # sides that went as far as they could may go further the next time
        further = (
            np.where((ahead <= box[0]) & (ahead > 0), _WIDER * (same + fall), 0.0),
            np.where(ahead >= box[1], _WIDER * (same + rise), 0.0),
        )
        if sides.dual(ahead, there) < sides.dual(x, point):
            x, point = ahead, there
        else:
            margin *= _WIDER
    return _State(x, temperature, damping, len(everyone)), point, passes


def _reach(
    sides: Sides,
    x: NDArray[np.float64],
    point: Softmaxes,
    unmet: NDArray[np.bool_],
    known: NDArray[np.float64],
    held: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far multipliers may fall and rise, besides what every candidate may move: float64 [sides].

    Args:
        sides: the bounds.
        x: float64 [sides] multipliers.
        point: there.
        unmet: bool [sides], which have to move.
        known: float64 [sides] units of each bound among the users whom its multiplier comes from. A count
            of so many has a relative error, and about the same has the multiplier.
        held: broken maxima may go anywhere that together are used so many times or less: few users have
            to choose anew, and a limit of few units may have to pass by single users far apart.
    """
    slack = sides.slack(point)
    usual = _SHARE * x
    far = np.maximum(usual, x * np.minimum(1.0, _ERRORS / np.sqrt(np.maximum(known, 1.0))))
    fall = np.where(unmet & (slack > 0), far, usual)
    rise = np.where(unmet & (slack < 0), far, usual)
    times = sides.along(point.totals) / np.maximum(sides.largest, _TINY)
    broken = np.flatnonzero(unmet & (slack < 0) & (sides.sign > 0))
    broken = broken[np.argsort(times[broken], kind="stable")]
    rise[broken[np.cumsum(times[broken]) <= held]] = _ANYWHERE
    return fall, rise


def _range_of_uses(demand: Demand, limits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the most that an entry of a candidate uses of each limit: float64 [limits].

    Of a limit that nobody can use it is 1 and 0.
    """
    least, largest = np.full(limits, np.inf), np.zeros(limits)
    for uses in (demand.uses.take(demand.arms), demand.own):
        if uses is not None:
            some = uses.amount > 0
            np.minimum.at(least, uses.limit[some], uses.amount[some])
            np.maximum.at(largest, uses.limit, uses.amount)
    return np.where(np.isfinite(least), least, 1.0), largest


def _decisive(demand: Demand, temperature: float) -> float:
    """Return a cost that no difference of values makes up for."""
    if not len(demand.values):
        return 1.0
    spread = float(demand.values.max()) - float(demand.values.min())
    return _MANY * spread + 2 * _MARGIN * temperature or 1.0
