"""The network: baseline(user) + delta(user, message, candidate), one output a head.

The baseline, most of what there is to predict, is a tower a head that shares no weight with the others: rare
outcomes are overfitted many epochs before habits are learned, and one trunk would be wrong for one of them.
All parameters of the towers are stacked by head; training keeps each head's from its own best epoch.

The delta has one trunk for all heads: what draws a user to a message is alike for most outcomes, and too
seldom seen in rare ones to be learned from them alone. Its first layer is a sum of three blocks, so its user
part is computed once a row, its message part once a message, and only the small candidate part for every
candidate. Hold has delta = 0 exactly: what a message changes is learned as a contrast to hold, not as the
difference of two large predictions. Every part also has a linear path to the outputs; a generalised linear
model is the network's simplest case.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

_DRAWN: Final = 0.1  # standard deviation of the embeddings that training starts from
_GATE: Final = 0.3  # at the start: columns that help open theirs, those that are noise stay small
_GATE_RATE: Final = 10.0  # a gate's learning rate over that of other weights


@dataclass(frozen=True)
class BlockShape:
    """Inputs of one block."""

    columns: int  # scaled numeric columns and missing flags
    cardinalities: tuple[int, ...]  # of each categorical column


@dataclass(frozen=True)
class NetworkShape:
    """All that is needed to build the network before its weights are loaded."""

    user: BlockShape
    message: BlockShape
    candidate: BlockShape
    heads: int
    hidden: tuple[int, ...]  # of the delta
    towers: tuple[int, ...]  # of each head's baseline
    embedding: int
    dropout: float


class Block(nn.Module):
    """One input block: embeddings and gated numeric columns through one linear layer, or a layer a tower.

    A gate is a learned factor of a column with a learning rate above the weights' (after the scaling layer
    of RealMLP, Holzmueller et al. 2024): columns that say nothing add less noise.
    """

    def __init__(
        self, shape: BlockShape, embedding: int, linear: int, wide: int, bias: bool = True, towers: int = 1
    ) -> None:
        super().__init__()
        places = sum(size + 1 for size in shape.cardinalities)
        self.table = nn.Parameter(torch.zeros(towers, max(places, 1), embedding))
        self.gate = nn.Parameter(torch.full((towers, shape.columns, 1), _GATE / _GATE_RATE))
        inputs = shape.columns + embedding * len(shape.cardinalities)
        bound = 1 / max(inputs, 1) ** 0.5
        self.weight = nn.Parameter(torch.empty(towers, inputs, linear + wide).uniform_(-bound, bound))
        start = torch.empty(towers, 1, linear + wide).uniform_(-bound, bound)
        self.bias = nn.Parameter(start) if bias else None
        with torch.no_grad():
            self.weight[:, :, :linear] = 0  # the linear paths start at 0, as the tails do
            start[:, :, :linear] = 0

    @torch.no_grad()
    def draw(self, places: Tensor) -> None:
        """Give the codes at `places` embeddings to start from; without, equal inputs would learn alike.

        Every other code keeps its zeros: one that training never sees counts as nothing.
        """
        towers, rows, width = self.table.shape
        seen = torch.zeros(rows, dtype=torch.bool, device=self.table.device)
        seen[places.flatten().long()] = True
        drawn = torch.randn(towers, int(seen.sum()), width)
        self.table[:, seen] = _DRAWN * drawn.to(self.table.device)

    def forward(self, columns: Tensor, places: Tensor) -> Tensor:
        """Return [towers, n, outputs] of float [n, columns] and int [n, categorical columns]."""
        numeric = columns.shape[1]
        weight = torch.cat([self.weight[:, :numeric] * (self.gate * _GATE_RATE), self.weight[:, numeric:]], 1)
        inputs = columns.expand(len(weight), -1, -1)
        if places.shape[1]:
            taken = self.table.index_select(1, places.flatten()).unflatten(1, places.shape)
            inputs = torch.cat([inputs, taken.flatten(2)], dim=2)
        return torch.bmm(inputs, weight) if self.bias is None else torch.baddbmm(self.bias, inputs, weight)


class UserPart(NamedTuple):
    """What one row gives to all of its candidates."""

    baseline: Tensor  # [rows, heads] raw prediction of hold
    hidden: Tensor  # [rows, width] its share of delta's first layer


class Network(nn.Module):
    """Raw outputs (logits, log-means or means) of every head."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.heads, width = shape.heads, shape.hidden[0]
        self.baseline = Block(shape.user, shape.embedding, 1, shape.towers[0], towers=shape.heads)
        self.baseline_tail = Tail(shape.towers, 1, shape.dropout, towers=shape.heads)
        self.user = Block(shape.user, shape.embedding, 0, width)
        self.message = Block(shape.message, shape.embedding, shape.heads, width, bias=False)
        self.candidate = Block(shape.candidate, shape.embedding, shape.heads, width)
        self.delta_tail = Tail(shape.hidden, shape.heads, shape.dropout)

    def names_by_head(self) -> list[str]:
        """Return the parameters that each head has for itself; the first axis of all is the head."""
        return [name for name, _ in self.named_parameters() if name.startswith("baseline")]

    def of_users(self, columns: Tensor, places: Tensor) -> UserPart:
        """Return the rows' part, once a row."""
        first = self.baseline(columns, places)
        baseline = first[:, :, :1] + self.baseline_tail(first[:, :, 1:])
        return UserPart(baseline[:, :, 0].T, self.user(columns, places)[0])

    def of_messages(self, columns: Tensor, places: Tensor) -> Tensor:
        """Return the messages' part [messages, heads + width], once a message."""
        return self.message(columns, places)[0]  # type: ignore[no-any-return]

    def delta(self, hidden: Tensor, message: Tensor, columns: Tensor, places: Tensor, sent: Tensor) -> Tensor:
        """Return what each candidate changes [n, heads], given its row's and its message's parts.

        Args:
            hidden: [n, width] of `UserPart`, gathered.
            message: [n, heads + width] of `of_messages`, gathered.
            columns: [n, candidate columns].
            places: int [n, candidate categorical columns].
            sent: [n, 1], 0 for hold and 1 for all else.
        """
        own = self.candidate(columns, places)[0] + message
        first = own[:, self.heads :] + hidden
        return (own[:, : self.heads] + self.delta_tail(first[None])[0]) * sent  # type: ignore[no-any-return]


class Tail(nn.Module):
    """The layers after the first, of one trunk or of several towers."""

    def __init__(self, widths: tuple[int, ...], outputs: int, dropout: float, towers: int = 1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for wide, narrow in pairwise(widths):
            bound = 1 / wide**0.5
            self.weights.append(torch.empty(towers, wide, narrow).uniform_(-bound, bound))
            self.biases.append(torch.empty(towers, 1, narrow).uniform_(-bound, bound))
        # training starts from the best constant, with no delta
        self.last = nn.Parameter(torch.zeros(towers, widths[-1], outputs))

    def forward(self, values: Tensor) -> Tensor:
        """Return [towers, n, outputs] of the first layer's [towers, n, width], before its ReLU."""
        values = self.dropout(values.relu())
        for weight, bias in zip(self.weights, self.biases, strict=True):
            values = self.dropout(torch.baddbmm(bias, values, weight).relu())
        return torch.bmm(values, self.last)
