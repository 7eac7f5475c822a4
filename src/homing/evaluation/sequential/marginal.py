"""Marginalised importance sampling over a finite number of states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import sums_by
from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate
from homing.evaluation.inputs import Floats, one_dimensional
from homing.evaluation.sequential.choices import Rows
from homing.evaluation.sequential.density import by_fold, density_estimate
from homing.evaluation.sequential.trajectories import Trajectories
from homing.schema.errors import InputError


def marginal_is(
    log: Trajectories,
    state: ArrayLike,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `sum_t discount^t sum_s d_t(s) r_t(s)`, d and r by plug-in of weighted frequencies.

    Xie, Ma & Wang (2019), Towards optimal off-policy evaluation for reinforcement learning with
    marginalized importance sampling: with N_t(s) decisions in s at step t,
    `r_t(s) = sum ratio r / N_t(s)`, `P_t(s' | s) = sum ratio 1{s'} / N_t(s)`, `d_{t+1} = P_t^T d_t`. Without
    a horizon steps are taken together and d solves `d = d_0 + discount P^T d`, in 8 bytes x states^2.
    Consistent where states are Markov. The interval counts that d and r are estimated: a trajectory's
    influence is `V(s_0) - value + sum_t omega_t (ratio_t (r_t + discount V(s_{t+1})) - V(s_t))`, with V from
    the same frequencies and omega_t = n discount^t d_t(s_t) / N_t(s_t).

    Args:
        log: of m transitions, with c cut trajectories.
        state: integer [m + c] from 0: of the transitions, then those that trajectories were cut in, in the
            order of trajectories.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Returns:
        Value per trajectory; `effective_size` is that of the densities, in trajectories of mean length.

    Raises:
        InputError: states of the wrong number, a trajectory is cut in a state that has no decision, or
            without a horizon the value is not finite.
    """
    code = _states(log, state)
    model = _plug_in(log, code, np.arange(len(log.reward)))
    before, after = model.value[code.here], model.value[code.after]
    share = model.ratio[code.here]
    gap = share * (log.ratio * (log.reward + log.discount * after) - before)
    numerator = log.groups.sums(before[log.offsets[:-1]]) + log.totals(gap)
    return density_estimate("marginal_is", numerator, log, share * log.ratio, confidence, thresholds)


def state_density(log: Trajectories, state: ArrayLike, fold: ArrayLike | None = None) -> Floats:
    """Return the density of each transition, that of its state by plug-in times its ratio: float64 [m].

    `d_t(s) / d_t^log(s) * pi(a | s) / p(a | s)`, with d_t as in Xie, Ma & Wang (2019).

    Args:
        log: of m transitions, with c cut trajectories.
        state: integer [m + c], as for `marginal_is`.
        fold: integer [n]; each fold's densities are from the others. States that those never saw have
            density 0, so that `double_reinforcement` rests on q there. None: from the whole log.

    Raises:
        InputError: as for `marginal_is`, or the folds part a user.
    """
    code = _states(log, state)

    def fit(rows: Rows) -> Callable[[Rows], Floats]:
        ratio = _plug_in(log, code, rows).ratio
        return lambda wanted: ratio[code.here[wanted]] * log.ratio[wanted]

    return by_fold(log, fold, fit)


@dataclass(frozen=True)
class _Cells:
    """States as cells: with a horizon one for each step and state, else one for each state; then no state."""

    here: Rows  # [m] of each transition
    after: Rows  # [m] of the state that follows
    states: int
    layers: int

    def __len__(self) -> int:
        return self.layers * self.states


@dataclass(frozen=True)
class _Moves:
    """Transitions that a model is made of, whole trajectories."""

    step: NDArray[np.int64]
    here: Rows
    after: Rows
    share: Floats  # ratio by the decisions in the same cell
    reward: Floats
    discount: float


@dataclass(frozen=True)
class _Model:
    ratio: Floats  # [cells] of the target's discounted visits by the log's; 0 where the log has none
    value: Floats  # [cells + 1] from there on; the last is 0, of no state


def _states(log: Trajectories, state: ArrayLike) -> _Cells:
    m, cut = len(log.reward), np.flatnonzero(log.cut)
    names = one_dimensional("state", state, m + len(cut))
    if names.dtype.kind not in "iu" or names.min() < 0:
        raise InputError("state must be integers from 0, one for each transition and then for each cut end")
    states, layers = int(names.max()) + 1, 1
    cell = names.astype(np.int64)
    if log.horizon is not None:
        layers = log.steps + 1
        cell += states * np.concatenate([log.step, log.length[cut]])
    following = np.empty(m, np.int64)
    following[:-1] = cell[1:m]
    following[log.last] = layers * states
    following[log.last[cut]] = cell[m:]
    return _Cells(cell[:m], following, states, layers)


def _plug_in(log: Trajectories, code: _Cells, rows: Rows) -> _Model:
    """Return densities and values from the frequencies among these rows, which are whole trajectories."""
    here, after, step = code.here[rows], code.after[rows], log.step[rows]
    visits: NDArray[np.int64] = np.bincount(here, minlength=len(code))
    entered = np.bincount(after, minlength=len(code) + 1)[:-1] > 0
    _refuse_unknown(log, code, np.flatnonzero(entered & (visits == 0)))
    moves = _Moves(step, here, after, log.ratio[rows] / visits[here], log.reward[rows], log.discount)
    begun: NDArray[np.int64] = np.bincount(here[step == 0], minlength=len(code))
    start = begun.astype(np.float64)
    mass, value = _solve(moves, start) if log.horizon is None else _sweep(moves, start, code.states)
    return _Model(np.divide(mass, visits, out=np.zeros(len(code)), where=visits > 0), np.append(value, 0.0))


def _refuse_unknown(log: Trajectories, code: _Cells, cells: Rows) -> None:
    if len(cells):
        step, state = divmod(int(cells[0]), code.states)
        when = "" if log.horizon is None else f" at step {step}"
        raise InputError(
            f"state {state} ends a trajectory that is cut, and no decision was logged in it{when}; merge "
            "states, shorten the horizon (`first_steps`), or leave out the last transition of such "
            "trajectories"
        )


def _sweep(moves: _Moves, start: Floats, states: int) -> tuple[Floats, Floats]:
    """Return discounted visits, forward from those at the start, and values, backward: float64 [cells]."""
    mass, value = start.copy(), np.zeros(len(start) + 1)
    here, after, share = moves.here, moves.after, moves.share
    order = np.argsort(moves.step, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(moves.step[order])) + 1)
    for place, block in enumerate(blocks):
        following = (place + 1) * states
        moved = moves.discount * share[block] * mass[here[block]]
        # those that nothing follows gather in one more place, which is dropped
        to = np.minimum(after[block] - following, states)
        mass[following : following + states] += sums_by(to, moved, states + 1)[:-1]
    for place, block in reversed(list(enumerate(blocks))):
        gain = share[block] * (moves.reward[block] + moves.discount * value[after[block]])
        value[place * states : (place + 1) * states] = sums_by(here[block] - place * states, gain, states)
    return mass, value[:-1]


def _solve(moves: _Moves, start: Floats) -> tuple[Floats, Floats]:
    """Return discounted visits and values, steps taken together, by linear equations: float64 [cells]."""
    cells = len(start)
    pair = moves.here * (cells + 1) + moves.after
    move = sums_by(pair, moves.share, cells * (cells + 1)).reshape(cells, cells + 1)[:, :-1]
    system = np.eye(cells) - moves.discount * move
    try:
        # positive exactly when the spectral radius of the discounted moves is under 1 (Collatz, Wielandt)
        certain = np.linalg.solve(system, np.ones(cells))
    except np.linalg.LinAlgError:
        certain = np.full(cells, -1.0)
    if not (certain > 0).all():
        raise InputError(
            f"without a horizon and with discount {moves.discount:g} the target's value is not finite, as "
            "too little ends its trajectories; use a lower discount or a horizon"
        )
    gain = sums_by(moves.here, moves.share * moves.reward, cells)
    mass, value = np.linalg.solve(system.T, start), np.linalg.solve(system, gain)
    return np.asarray(mass, np.float64), np.asarray(value, np.float64)
