"""The network: q(s, a) = v(s) + delta(s, a), one output an objective, of several members at once.

delta(s, a) = u(s) . psi(a): the state's layers run once a row and the candidate's, which are small, once a
block. psi(hold) = 0, so hold's value is v and what a message changes is learned as a contrast to it.

Centred, q(s, a) = m(s) + delta(s, a) - sum_a' b(a' | s) delta(s, a') with the logging policy's b: what is
wrong with m(s) then does not move delta (Robinson 1988; Nie & Wager 2021).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from homing.models.value.batches import Rows, Sets
from homing.schema.errors import InputError

_FURTHEST = 10.0  # standard deviations from the mean beyond which an input says no more


@dataclass(frozen=True)
class NetworkShape:
    """All that is needed to build the network before its weights are loaded."""

    states: int  # S
    actions: int  # A
    objectives: int  # K
    hidden: tuple[int, ...]
    action_hidden: int
    rank: int
    members: int
    centred: bool
    expectile: bool  # whether there is a second value of the state


class StackedLinear(nn.Module):
    """A linear layer of each member."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / max(inputs, 1) ** 0.5
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return `stacked_linear` of [n, inputs] or [members, n, inputs]."""
        return stacked_linear(x, self.weight, self.bias)


def stacked_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return [members, n, outputs], or [n, outputs] of a single member, which has no third dimension.

    Args:
        x: [n, inputs], the same for all members, or [members, n, inputs].
        weight: [members, outputs, inputs].
        bias: [members, outputs].
    """
    if len(weight) == 1:
        return functional.linear(x, weight.squeeze(0), bias.squeeze(0))
    return torch.baddbmm(bias.unsqueeze(1), x.expand(len(weight), -1, -1), weight.mT)


class ValueNetwork(nn.Module):
    """Values in units that training measures; `raw` turns them into outcomes."""

    state_centre: Tensor
    state_scale: Tensor
    action_centre: Tensor
    action_scale: Tensor
    start: Tensor
    unit: Tensor

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        widths = (shape.states, *shape.hidden)
        self.layers = nn.ModuleList(
            StackedLinear(shape.members, wide, narrow) for wide, narrow in itertools.pairwise(widths)
        )
        K, D = shape.objectives, shape.rank
        self.value = StackedLinear(shape.members, widths[-1], K * (1 + shape.expectile))
        self.meeting = StackedLinear(shape.members, widths[-1], K * D)
        inner = shape.action_hidden
        self.action_first = StackedLinear(shape.members, shape.actions, inner) if inner else None
        self.action_last = StackedLinear(shape.members, inner or shape.actions, D)
        with torch.no_grad():  # training starts from the best constant, with no delta
            for layer in (self.value, self.meeting):
                layer.weight.zero_()
                layer.bias.zero_()
        for name, size in (("state", shape.states), ("action", shape.actions)):
            self.register_buffer(f"{name}_centre", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        self.register_buffer("start", torch.zeros(K))
        self.register_buffer("unit", torch.ones(K))

    def raw(self, values: Tensor) -> Tensor:
        """Return outcomes of [..., K]."""
        return torch.addcmul(self.start, values.float(), self.unit)

    def scaled(self, outcomes: Tensor) -> Tensor:
        """Return the inverse of `raw`."""
        return (outcomes - self.start) / self.unit

    def delta_parameters(self) -> list[nn.Parameter]:
        """Return the weights that make differences between candidates."""
        parts = [self.meeting, self.action_last, *([] if self.action_first is None else [self.action_first])]
        return [weight for part in parts for weight in part.parameters()]

    def forward(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return q [members, n, C, K] of the rows' candidates and, of [members, n, K], the second value.

        Where padded, q is anything. Without an expectile the second value has no columns.
        """
        value, meeting = self._of_states(rows.state)
        delta = self._delta(meeting, rows.sets)
        K = self.shape.objectives
        if self.shape.centred:
            if rows.sets.propensity is None:
                raise InputError("propensity is None, must be there for a centred network; pass it along")
            delta = delta - torch.einsum("nc,mnck->mnk", rows.sets.propensity, delta).unsqueeze(2)
        return value[..., :K].unsqueeze(2) + delta, value[..., K:]

    def deltas(self, rows: Rows) -> Tensor:
        """Return what candidates change against hold, [members, n, C, K]."""
        return self._delta(self._of_states(rows.state)[1], rows.sets)

    def _of_states(self, state: Tensor) -> tuple[Tensor, Tensor]:
        x = ((state - self.state_centre) * self.state_scale).clamp_(-_FURTHEST, _FURTHEST)
        for layer in self.layers:
            x = layer(x).relu_()
        both = zip(self.value.parameters(), self.meeting.parameters(), strict=True)
        found = stacked_linear(x, *(torch.cat(pair, 1) for pair in both))  # one product is faster than two
        found = found.view(self.shape.members, len(state), -1)
        value, meeting = found.tensor_split((self.value.bias.shape[1],), 2)
        return value, meeting

    def _of_blocks(self, sets: Sets) -> Tensor:
        """Return psi [members, m, rank]."""
        x = (
            ((sets.blocks - self.action_centre) * self.action_scale)
            .clamp_(-_FURTHEST, _FURTHEST)
            .unsqueeze(0)
        )
        if self.action_first is not None:
            x = self.action_first(x).relu_()
        psi: Tensor = self.action_last(x).view(self.shape.members, len(sets.hold), -1)
        return psi.masked_fill(sets.hold.unsqueeze(1), 0.0)

    def _delta(self, meeting: Tensor, sets: Sets) -> Tensor:
        M, n, (K, D) = len(meeting), len(sets.index), (self.shape.objectives, self.shape.rank)
        C = sets.index.shape[1]
        psi = self._of_blocks(sets)
        if sets.shared:  # every row against every block, then its own are picked
            every = (meeting.reshape(M, n * K, D) @ psi.mT).view(M, n, K, -1)
            if sets.complete:
                return every.mT
            return every.gather(3, sets.index.view(1, n, 1, C).expand(M, n, K, C)).mT
        own = psi.index_select(1, sets.index.flatten()).view(M, n, C, D)
        return own @ meeting.reshape(M, n, K, D).mT
