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

from homing.allocation.demand import Bounds, Demand, Uses, check_uses
from homing.allocation.descent import Damping, Tolerance, descend
from homing.allocation.dual import Softmaxes, softmaxes
from homing.allocation.screen import screened
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
_MARGIN: Final = 30.0  # in temperatures; exp(-30) is 1e-13
_LOOSE: Final = 10.0  # tolerance of samples, whose own error is larger
_OVERSHOOT: Final = 1e-6


def solve(
    demand: Demand,
    bounds: Bounds,
    temperature: float | None = None,
    floor: float = 0.0,
    start: NDArray[np.float64] | None = None,
    tolerance: float = 1e-3,
    units: float = 0.5,
    threads: int = 0,
) -> Solution:
    """Return the prices at which softmax decisions keep the bounds and are worth the most.

    Args:
        demand: users with their candidates.
        bounds: least and most use of each limit by the whole policy, its uniform floor included.
        temperature: of the softmax, in utility. None: the linear program; the temperature is then found,
            as high as leaves a relative gap of `tolerance`.
        floor: share of each decision that is uniform over the user's candidates, in [0, 1).
        start: float64 [limits] prices to start from, yesterday's; without them a sample finds some.
        tolerance: relative, of every bound and of the objective.
        units: a bound may also be broken by so many times the largest single use of its limit, which is
            less than drawing decisions does.
        threads: at most so many at a time; 0: as many as this process has cores. The result has the same
            bits whatever the number.

    Raises:
        InputError: an argument outside its range, uses of limits that there are not, or a minimum that
            exceeds what all users together could use.
    """
    began = time.perf_counter()
    if temperature is not None and not 0 < temperature < np.inf:
        raise InputError(
            f"temperature == {temperature}, must be > 0 and finite; pass None for the linear program"
        )
    if not 0 <= floor < 1:
        raise InputError(f"floor == {floor}, must be in [0, 1); a uniform policy has no prices")
    check_uses(demand.uses, len(bounds))
    if demand.own is not None:
        check_uses(demand.own, len(bounds))
    uniform, passes = np.zeros(len(bounds)), 0
    if floor:
        uniform, passes = softmaxes(demand, uniform, np.inf, threads).totals, 1
    inner = Bounds(
        (bounds.least - floor * uniform) / (1 - floor), (bounds.most - floor * uniform) / (1 - floor)
    )
    sides = Sides.of(inner)
    allowed = tolerance * np.abs(sides.bound) + units * _largest_use(demand, len(bounds))[sides.limit]
    state = _State(
        x=np.zeros(len(sides)) if start is None else sides.multipliers(start),
        temperature=temperature or 0.0,
        tolerance=Tolerance(tolerance / 4, allowed),
        damping=Damping(),
    )
    rng = np.random.default_rng(len(demand))
    for place, size in enumerate(_ladder(len(demand), len(bounds))):
        if size == len(demand) and place and state.temperature:
            break
        part = demand if size == len(demand) else demand.take(np.sort(rng.choice(len(demand), size, False)))
        shrunk = sides.scaled(size / max(len(demand), 1))
        if place == 0:
            state = _anneal(
                part,
                shrunk,
                state,
                temperature,
                tolerance,
                start is not None,
                size / max(len(demand), 1),
                threads,
            )
        else:
            state, _, _ = _settle(part, shrunk, state, state.loose(size / len(demand)), threads)
    state, point, more = _settle(demand, sides, state, state.tolerance, threads)
    prices = sides.prices(state.x)
    seconds = time.perf_counter() - began
    certificate = certify(point, uniform, bounds, inner, prices, floor, passes + more, seconds)
    met = state.tolerance.met(sides, state.x, point)
    return Solution(prices, state.temperature, floor, met, certificate)


@dataclass(frozen=True)
class _State:
    x: NDArray[np.float64]  # [sides] multipliers
    temperature: float
    tolerance: Tolerance  # of all users
    damping: Damping

    def loose(self, share: float, times: float = _LOOSE) -> Tolerance:
        """Return the tolerance for a sample of a share of the users."""
        return Tolerance(times * self.tolerance.gap, times * share * self.tolerance.over)


def _ladder(users: int, limits: int) -> list[int]:
    """Return growing numbers of users, the last of them all."""
    sizes = [users]
    least = max(_FIRST_SAMPLE, _USERS_A_LIMIT * limits)
    while sizes[0] > 2 * least:
        sizes.insert(0, max(least, sizes[0] // _GROWTH))
    return sizes


def _anneal(
    part: Demand,
    sides: Sides,
    state: _State,
    asked: float | None,
    gap: float,
    warm: bool,
    share: float,
    threads: int,
) -> _State:
    """Return the state after solving a sample from a high temperature down to the last one."""
    size = float(np.abs(part.values).mean()) if len(part.values) else 0.0
    last = asked or 0.0
    temperature = last if warm and asked else max(size or 1.0, last)
    while True:
        here = replace(state, temperature=temperature)
        final = temperature == last
        x, damping = descend(
            part,
            sides,
            state.x,
            temperature,
            state.loose(share, 1 if final else _LOOSE),
            state.damping,
            _STEPS,
            threads,
        )
        state = replace(here, x=x, damping=damping)
        if final:
            return state
        cooler = 1 / _COOLING
        if asked is None:
            point = softmaxes(part, sides.prices(x), temperature, threads)
            blur = point.best - point.value + float(sides.prices(x) @ point.totals)
            bound = point.best + float(sides.sign * sides.bound @ x)
            goal = gap / 2 * abs(bound)
            if blur <= goal or temperature < _COLDEST * size:
                return state
            cooler = float(np.clip(goal / blur, cooler, 0.7))
        temperature = max(last, temperature * cooler)


def _settle(
    demand: Demand, sides: Sides, state: _State, tolerance: Tolerance, threads: int
) -> tuple[_State, Softmaxes, int]:
    """Return the state within a tolerance, the softmax there, and the passes over all candidates."""
    temperature, margin, damping = state.temperature, _MARGIN, state.damping
    x = state.x
    point = softmaxes(demand, sides.prices(x), temperature, threads)
    passes = 1
    inside = replace(tolerance, gap=tolerance.gap / 2, over=tolerance.over / 2)
    for _ in range(_ROUNDS):
        if tolerance.met(sides, x, point):
            break
        near, elsewhere = screened(demand, sides.prices(x), margin * temperature, threads)
        ahead, damping = descend(
            near, sides.beside(elsewhere), x, temperature, inside, damping, _STEPS, threads
        )
        there = softmaxes(demand, sides.prices(ahead), temperature, threads)
        passes += 2
        before = sides.dual(x, point)
        if sides.dual(ahead, there) <= before + _OVERSHOOT * abs(before):
            x, point = ahead, there
        margin *= 3.0  # the step was longer than the margin allows, or not long enough: look further
    return replace(state, x=x, damping=damping), point, passes


def _largest_use(demand: Demand, limits: int) -> NDArray[np.float64]:
    """Return the most that one candidate's entry uses of each limit: float64 [limits]."""
    largest = np.zeros(limits)
    for uses in (demand.uses, demand.own):
        if isinstance(uses, Uses):
            np.maximum.at(largest, uses.limit, uses.amount)
    return largest
