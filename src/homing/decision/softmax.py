"""The one softmax: utility, probabilities over ragged candidates, and the temperature that is asked for.

    pi(a|u) = (1 - e) softmax_a((w . q(u,a) - p . c(u,a)) / t) + e / |candidates|

The softmax is the optimum of the entropy-regularised allocation, whose multipliers are the prices p.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError

_BISECTIONS: Final = 80


def utility(
    values: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]],
    charge: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return w . q - p . c for each candidate: float64 [n].

    Args:
        values: [n, objectives] expected outcomes q, each in its objective's unit.
        weights: [objectives] utility per unit of outcome, negative where less is better.
        charge: [n] what each candidate pays for its use of shared limits, p . c, in utility; None: nothing.

    Raises:
        InputError: columns and weights that differ in number, or a utility that is not finite.
    """
    result = _weighted(values, weights)
    if charge is not None:
        result -= charge
    if not np.isfinite(result).all():
        place = int(np.flatnonzero(~np.isfinite(result))[0])
        raise InputError(
            f"utility of candidate {place} == {result[place]} from values {values[place]}, must be finite; "
            "check the model's output and the weights"
        )
    return result


def softmax(
    utility: NDArray[np.float64], offsets: NDArray[np.int64], temperature: float, floor: float
) -> NDArray[np.float64]:
    """Return (1 - floor) softmax(utility / temperature) + floor / |row| within each row: float64 [n].

    Args:
        utility: float64 [n], finite.
        offsets: int64 [rows + 1]; no row is empty, hold is always there.
        temperature: in units of utility, > 0.
        floor: share that is uniform, in [0, 1].

    Raises:
        InputError: a temperature or floor outside its range.
    """
    if not temperature > 0:
        raise InputError(f"temperature == {temperature}, must be > 0; set exploration.temperature")
    if not 0 <= floor <= 1:
        raise InputError(f"floor == {floor}, must be in [0, 1]; set exploration.floor")
    first, counts = offsets[:-1], np.diff(offsets)
    weight = _below_best(utility, offsets)
    with np.errstate(over="ignore"):  # a gap of very many temperatures is -inf, whose weight is 0
        weight /= temperature
    np.exp(weight, out=weight)
    weight *= np.repeat((1 - floor) / np.add.reduceat(weight, first), counts)
    weight += np.repeat(floor / counts, counts)
    return weight


def resolve_temperature(utility: NDArray[np.float64], offsets: NDArray[np.int64], best_share: float) -> float:
    """Return the temperature at which a set's best candidate has probability `best_share` on average.

    The mean is over rows with more than one candidate, of the softmax without its floor. It falls
    strictly as the temperature rises, so bisection finds the one solution. Ties bound it from above and
    the sizes of the sets from below; beyond those bounds the nearest share that exists is met, and where
    all candidates are equal, so that every temperature gives the same, the answer is 1.

    Args:
        utility: float64 [n], finite.
        offsets: int64 [rows + 1]; no row is empty.
        best_share: in (0, 1).

    Raises:
        InputError: no row has more than one candidate.
    """
    if not (np.diff(offsets) > 1).any():
        raise InputError(
            "exploration.temperature == 'auto' needs decisions with more than one candidate, and there are "
            "none; bring opportunities, or set exploration.temperature to a number"
        )
    gap, first = _gaps(utility, offsets)
    distinct = -gap[gap < 0]
    if len(distinct) == 0:
        return 1.0
    low, high = np.log(distinct.min()) - 5, np.log(distinct.max()) + 15
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        share = _share(gap, first, np.exp(middle))
        low, high = (middle, high) if share > best_share else (low, middle)
    return float(np.exp((low + high) / 2))


def best_share(utility: NDArray[np.float64], offsets: NDArray[np.int64], temperature: float) -> float:
    """Return the mean probability of a set's best candidate, as `resolve_temperature` counts it.

    Args:
        utility: float64 [n], finite.
        offsets: int64 [rows + 1]; some row has more than one candidate.
        temperature: in units of utility, > 0.
    """
    return _share(*_gaps(utility, offsets), temperature)


def _gaps(
    utility: NDArray[np.float64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how far candidates of sets with a choice are below their best, and where the sets begin."""
    counts = np.diff(offsets)
    choice = counts > 1
    gap = _below_best(utility, offsets)[np.repeat(choice, counts)]
    return gap, np.cumsum(counts[choice]) - counts[choice]


def _share(gap: NDArray[np.float64], first: NDArray[np.int64], temperature: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.mean(1 / np.add.reduceat(np.exp(gap / temperature), first)))


def _weighted(columns: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return columns @ weights in float64 [n], rounded alike in every batch, which BLAS does not promise."""
    if columns.shape[1] != len(weights):
        raise InputError(f"{columns.shape[1]} columns meet {len(weights)} weights, must be as many")
    total = np.zeros(len(columns))
    for column, weight in zip(columns.T, weights, strict=True):
        total += column.astype(np.float64) * float(weight)
    return total


def _below_best(utility: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return utility minus its row's largest: float64 [n], all <= 0, so that exp cannot overflow."""
    if len(utility) == 0:
        return np.zeros(0)
    best: NDArray[np.float64] = np.maximum.reduceat(utility, offsets[:-1])
    return utility - np.repeat(best, np.diff(offsets))
