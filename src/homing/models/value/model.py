"""A fitted value model: values and advantages of candidates, with the spread of its members."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.models.value.batches import Rows, Table
from homing.models.value.network import ValueNetwork
from homing.models.value.policies import Softmax
from homing.models.value.transitions import Transitions, used_blocks

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
        return self._over(self._advantages, state, offsets, action, actions, hold, None)

    @torch.no_grad()
    def probabilities(self, policy: Softmax, data: Transitions) -> NDArray[np.float32]:
        """Return the softmax of the mean advantages over every row's candidates: float32 [candidates].

        Raises:
            InputError: the policy is held near the logging policy, and the log has no propensities.
        """
        found = np.empty(len(data.action), np.float32)
        columns = data.state, data.offsets, data.action, data.actions, data.hold
        device = str(self.network.start.device)
        for own, rows in blocks(*columns, propensity=data.propensity, charge=data.charge, device=device):
            chance = policy.distribution(self._advantages(rows).mean(0, keepdim=True), rows)[0]
            found[own] = flat(chance, rows).cpu().numpy()
        return found

    def _advantages(self, rows: Rows) -> Tensor:
        return self.network.deltas(rows).float() * self.network.unit

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
        shape = int(offsets[-1]), self.network.shape.objectives
        found = Values(np.empty(shape), np.empty(shape))
        device = str(self.network.start.device)
        for own, rows in blocks(state, offsets, action, actions, hold, propensity=propensity, device=device):
            each = torch.stack([flat(member, rows) for member in function(rows).double()])
            found.mean[own] = each.mean(0).cpu().numpy()
            found.spread[own] = each.std(0, correction=0).cpu().numpy()
        return found


def blocks(
    state: NDArray[np.float32],
    offsets: NDArray[np.int64],
    action: NDArray[np.int32],
    actions: NDArray[np.float32],
    hold: NDArray[np.bool_],
    *,
    propensity: NDArray[np.float32] | None,
    charge: NDArray[np.float32] | None = None,
    device: str = "cpu",
) -> Iterator[tuple[slice, Rows]]:
    """Yield all rows with their candidates, some at a time, and which candidates those are."""
    for first in range(0, len(offsets) - 1, _BATCH):
        bounds = offsets[first : first + _BATCH + 1]
        own = slice(int(bounds[0]), int(bounds[-1]))
        table = Table(
            state[first : first + _BATCH],
            bounds - bounds[0],
            *used_blocks(action[own], actions, hold),
            propensity=None if propensity is None else propensity[own],
            charge=None if charge is None else charge[own],
            device=device,
        )
        yield own, table.rows(torch.arange(len(bounds) - 1, device=device), whole=True)


def flat(values: Tensor, rows: Rows) -> Tensor:
    """Return [candidates, ...] of [n, C, ...], without what is padded."""
    return values.flatten(0, 1) if rows.sets.present is None else values[rows.sets.present]
