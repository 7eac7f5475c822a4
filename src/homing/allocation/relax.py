"""Limits that cannot be kept together: which, by how much, and what would do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Bounds, Demand
from homing.allocation.solve import solve

_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class Relaxation:
    """Bounds that can be kept, as near to those asked for as there are."""

    bounds: Bounds
    by: NDArray[np.float64]  # [limits] how much wider, in the limit's unit
    broken: NDArray[np.int64]  # indices of the limits that were widened


def least_relaxation(demand: Demand, bounds: Bounds, threads: int = 0) -> Relaxation:
    """Return the bounds widened as little as makes them feasible.

    Least is the sum over limits of the widening relative to the bound (to 1 where it is less), which is
    the linear program with a price of at most one over the bound and no values; values play no part in what
    can be kept.

    Args:
        demand: users with their candidates.
        bounds: that may contradict each other, or what users have.
        threads: as `homing.allocation.solve`.

    Raises:
        InputError: as `homing.allocation.solve`.
    """
    finite = np.where(np.isfinite(bounds.least), np.abs(bounds.least), 0.0)
    size = np.maximum(
        np.where(np.isfinite(bounds.most), np.maximum(np.abs(bounds.most), finite), finite), 1.0
    )
    worthless = replace(demand, values=np.zeros(len(demand.values), np.float32))
    temperature = _TOLERANCE / 10 / float(size.max(initial=1.0))
    found = solve(worthless, bounds, temperature, cap=1 / size, tolerance=_TOLERANCE / 10, threads=threads)
    over = found.certificate.over
    by = np.where(over > _TOLERANCE * size, over, 0.0)
    wider = Bounds(
        np.where(found.certificate.totals < bounds.least, bounds.least - by, bounds.least),
        np.where(found.certificate.totals > bounds.most, bounds.most + by, bounds.most),
    )
    return Relaxation(wider, by, np.flatnonzero(by))
