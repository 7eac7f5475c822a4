"""The distribution of a policy that does not draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.decision.policies import Context


def certain(context: Context, *keys: NDArray[Any]) -> NDArray[np.float64]:
    """Return 1 for the best candidate of each row and 0 for the others: float64 [n].

    The best has the largest first key, of those the largest second, and so on; of candidates that tie in all
    keys it is the first, so hold wins where it ties. NaN counts as the least.

    Args:
        context: what is chosen from; transactional messages come first.
        keys: [n] each, the most important one first.
    """
    candidates = context.candidates
    order = np.lexsort((*(-key.astype(np.float64) for key in reversed(keys)), candidates.row))
    result = np.zeros(len(candidates))
    result[order[candidates.offsets[:-1]]] = 1.0
    return context.with_forced(result)
