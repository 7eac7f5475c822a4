"""A fitted value model: values and advantages of candidates, with the spread of its members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.models.value.batches import Rows, Table
from homing.models.value.network import ValueNetwork

_BATCH: Final = 4096  # rows


class Values(NamedTuple):
    """Of candidates; in units of the outcomes."""

    mean: NDArray[np.float64]  # [candidates, K] over members
    spread: NDArray[np.float64]  # [candidates, K] standard deviation over members; 0 with one

    def low(self, deviations: float) -> NDArray[np.float64]:
        """Return the mean less so many deviations: pessimism where users disagree."""
        return self.mean - deviations * self.spread


class ValueModel:
    """Values q(s, a) of every candidate and objective."""

    def __init__(self, network: ValueNetwork, horizons: NDArray[np.float64]) -> None:
        """Take a network in its final state, and the horizons that it was fitted for."""
        self.network, self.horizons = network.eval(), horizons

    def values(
        self,
        state: NDArray[np.float32],
        offsets: NDArray[np.int64],
        action: NDArray[np.int32],
        actions: NDArray[np.float32],
        hold: NDArray[np.bool_],
        propensity: NDArray[np.float32] | None = None,
    ) -> Values:
        """Return q of every candidate.

        Columns are those of `Transitions`; a centred model needs propensities.
        """
        return self._over(
            lambda rows: self.network.raw(self.network(rows)[0]),
            state,
            offsets,
            action,
            actions,
            hold,
            propensity,
        )

    def advantages(
        self,
        state: NDArray[np.float32],
        offsets: NDArray[np.int64],
        action: NDArray[np.int32],
        actions: NDArray[np.float32],
        hold: NDArray[np.bool_],
    ) -> Values:
        """Return q of every candidate less q of hold, which is all that a decision needs."""
        return self._over(
            lambda rows: self.network.deltas(rows).float() * self.network.unit,
            state,
            offsets,
            action,
            actions,
            hold,
            None,
        )

    @torch.no_grad()
    def _over(
        self,
        function: Callable[[Rows], Tensor],
        state: NDArray[np.float32],
        offsets: NDArray[np.int64],
        action: NDArray[np.int32],
        actions: NDArray[np.float32],
        hold: NDArray[np.bool_],
        propensity: NDArray[np.float32] | None,
    ) -> Values:
        n, K = int(offsets[-1]), self.network.shape.objectives
        found = Values(np.empty((n, K)), np.empty((n, K)))
        device = str(self.network.start.device)
        for first in range(0, len(offsets) - 1, _BATCH):
            bounds = offsets[first : first + _BATCH + 1]
            own = slice(int(bounds[0]), int(bounds[-1]))
            table = Table(
                state[first : first + _BATCH],
                bounds - bounds[0],
                action[own],
                actions,
                hold,
                propensity=None if propensity is None else propensity[own],
                device=device,
            )
            rows = table.rows(torch.arange(len(bounds) - 1, device=device), whole=True)
            each = function(rows).double()
            flat = each.flatten(1, 2) if rows.sets.present is None else each[:, rows.sets.present]
            found.mean[own] = flat.mean(0).cpu().numpy()
            found.spread[own] = flat.std(0, correction=0).cpu().numpy()
        return found
