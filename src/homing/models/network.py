"""The network: baseline(user) + delta(user, message, candidate), one output a head.

Each head has a baseline of its own: rare outcomes are overfitted many epochs before habits are learned, so
that training keeps the weights of each from another epoch. The delta is one network for all heads.

Its first layer is a sum of three blocks, so its user part is computed once a row, its message part once
a message, and only the small candidate part for every candidate. Hold has delta = 0 exactly: what a
message changes is learned as a contrast to hold, not as the difference of two large predictions. Each
part also has a linear path to the outputs; a generalised linear model is the network's simplest case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

_DRAWN: Final = 0.1  # standard deviation of the embeddings that training starts from
_TOWER_PART: Final = 2  # each head's baseline has the hidden widths divided by this
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

    user: BlockShape  # its last `ramps` columns included
    message: BlockShape
    candidate: BlockShape
    heads: int
    hidden: tuple[int, ...]
    embedding: int
    dropout: float
    ramps: int = 0  # columns of the user block that the baseline alone reads


class Block(nn.Module):
    """One input block: embeddings and numeric columns through one linear layer."""

    def __init__(self, shape: BlockShape, embedding: int, outputs: int, bias: bool) -> None:
        super().__init__()
        self.shape = shape
        places = sum(size + 1 for size in shape.cardinalities)
        self.table = nn.Embedding(max(places, 1), embedding)
        nn.init.zeros_(self.table.weight)
        inputs = shape.columns + embedding * len(shape.cardinalities)
        bound = 1 / max(inputs, 1) ** 0.5  # as nn.Linear has it, which warns of a block without inputs
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None

    def draw(self, places: Tensor) -> None:
        """Give the codes at `places` embeddings to start from; see `_draw`."""
        _draw(self.table.weight, places)

    def forward(self, columns: Tensor, places: Tensor) -> Tensor:
        """Return [n, outputs] of float [n, columns] and int [n, categorical columns]."""
        if places.shape[1]:
            columns = torch.cat([columns, self.table(places).flatten(1)], dim=1)
        return functional.linear(columns, self.weight, self.bias)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the columns' weights [columns, outputs], and what each place adds [places, outputs].

        An embedding that goes through a linear layer is a row of a table that was multiplied beforehand.
        """
        weights, products, place = self.weight.t(), [], 0
        width, column = self.table.embedding_dim, self.shape.columns
        for size in self.shape.cardinalities:
            rows = self.table.weight[place : place + size + 1]
            products.append(rows @ weights[column : column + width])
            place, column = place + size + 1, column + width
        columns = weights[: self.shape.columns].contiguous()
        return columns, torch.cat([*products, columns.new_zeros(0, columns.shape[1])])


class Towers(nn.Module):
    """The baseline of each head, a network on the user block that shares no weight with the others'.

    Every parameter is stacked by head. Each numeric column of a head goes through a learned factor, which
    moves faster than the weights (the scaling layer of RealMLP, Holzmueller et al. 2024): columns that say
    nothing about this head add less noise.
    """

    def __init__(
        self, shape: BlockShape, embedding: int, heads: int, hidden: tuple[int, ...], dropout: float
    ) -> None:
        super().__init__()
        places = sum(size + 1 for size in shape.cardinalities)
        inputs = shape.columns + embedding * len(shape.cardinalities)
        self.table = nn.Parameter(torch.zeros(heads, max(places, 1), embedding))
        self.gate = nn.Parameter(torch.full((heads, shape.columns, 1), _GATE / _GATE_RATE))
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        # the first layer has one output more, the linear path
        for wide, narrow in zip((inputs, *hidden), (hidden[0] + 1, *hidden[1:]), strict=False):
            bound = 1 / max(wide, 1) ** 0.5
            self.weights.append(torch.empty(heads, wide, narrow).uniform_(-bound, bound))
            self.biases.append(torch.empty(heads, 1, narrow).uniform_(-bound, bound))
        with torch.no_grad():
            self.weights[0][:, :, 0] = 0  # the linear paths start at 0, as the tails do
            self.biases[0][:, :, 0] = 0
        self.last = nn.Parameter(torch.zeros(heads, hidden[-1], 1))  # as `_tail` has it
        self.dropout = nn.Dropout(dropout)

    def draw(self, places: Tensor) -> None:
        """Give the codes at `places` embeddings to start from; see `_draw`."""
        for table in self.table:
            _draw(table, places)

    def forward(self, columns: Tensor, places: Tensor) -> Tensor:
        """Return [n, heads] of float [n, columns] and int [n, categorical columns]."""
        weight, numeric = self.weights[0], columns.shape[1]
        gated = weight[:, :numeric] * (self.gate * _GATE_RATE)
        first = torch.baddbmm(self.biases[0], columns.expand(len(weight), -1, -1), gated)
        if places.shape[1]:
            taken = self.table.index_select(1, places.flatten()).reshape(len(weight), len(places), -1)
            first = torch.baddbmm(first, taken, weight[:, numeric:])
        linear, hidden = first[:, :, :1], self.dropout(first[:, :, 1:].relu())
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = self.dropout(torch.baddbmm(bias, hidden, weight).relu())
        return torch.baddbmm(linear, hidden, self.last).squeeze(2).t()


class UserPart(NamedTuple):
    """What one row gives to all of its candidates."""

    baseline: Tensor  # [rows, heads] raw prediction of hold
    hidden: Tensor  # [rows, width] its share of delta's first layer


class Network(nn.Module):
    """Raw outputs (logits, log-means or means) of every head."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.heads, self.width = shape.heads, shape.hidden[0]
        outputs = self.width + self.heads
        narrow = tuple(-(-width // _TOWER_PART) for width in shape.hidden)
        self.baseline = Towers(shape.user, shape.embedding, self.heads, narrow, shape.dropout)
        # on few decisions curves of users are learned well, and what messages change of them is not
        plain = BlockShape(shape.user.columns - shape.ramps, shape.user.cardinalities)
        self.user = Block(plain, shape.embedding, self.width, bias=True)
        self.message = Block(shape.message, shape.embedding, outputs, bias=False)
        self.candidate = Block(shape.candidate, shape.embedding, outputs, bias=True)
        self.delta_tail = _tail(shape)
        for block in (self.message, self.candidate):
            with torch.no_grad():
                block.weight[: self.heads] = 0  # the linear paths start at 0, as the tails do
                if block.bias is not None:
                    block.bias[: self.heads] = 0

    def of_users(self, columns: Tensor, places: Tensor) -> UserPart:
        """Return the rows' part, once a row."""
        plain = columns[:, : self.user.shape.columns]
        return UserPart(self.baseline(columns, places), self.user(plain, places))

    def of_messages(self, columns: Tensor, places: Tensor) -> Tensor:
        """Return the messages' part [messages, heads + width], once a message."""
        return self.message(columns, places)  # type: ignore[no-any-return]

    def delta(self, hidden: Tensor, message: Tensor, columns: Tensor, places: Tensor, sent: Tensor) -> Tensor:
        """Return what each candidate changes [n, heads], given its row's and its message's parts.

        Args:
            hidden: [n, width] of `UserPart`, gathered.
            message: [n, heads + width] of `of_messages`, gathered.
            columns: [n, candidate columns].
            places: int [n, candidate categorical columns].
            sent: [n, 1], 0 for hold and 1 for all else.
        """
        own = self.candidate(columns, places) + message
        linear, first = own.split([self.heads, self.width], 1)
        return (linear + self.delta_tail(first + hidden)) * sent  # type: ignore[no-any-return]


class Scorer:
    """`Network.delta` for scoring: what codes and messages add is multiplied and gathered in one table."""

    def __init__(self, network: Network, messages: Tensor) -> None:
        """Take the `of_messages` [messages, heads + width] of all messages that candidates may have."""
        self._heads, self._tail = network.heads, network.delta_tail
        self._weight, places = network.candidate.folded()
        self.message = len(places)  # where the messages' rows begin
        self.hold = self.message + len(messages)
        own = functional.pad(messages, (0, 0, 0, 1))  # the last row is hold's
        if network.candidate.bias is not None:
            own = own + network.candidate.bias  # every candidate has one of these rows
        self._table = torch.cat([places, own])

    def delta(self, hidden: Tensor, row: Tensor, columns: Tensor, index: Tensor, sent: Tensor) -> Tensor:
        """Return what each candidate changes [n, heads].

        Args:
            hidden: [rows, width] of `UserPart`.
            row: int [n] the row of each candidate.
            columns: [n, candidate columns].
            index: int [n, candidate categorical columns + 1] places, then `message` + its row or `hold`.
            sent: [n, 1], 0 for hold and 1 for all else.
        """
        own = functional.embedding_bag(index, self._table, mode="sum").addmm_(columns, self._weight)
        linear, first = own[:, : self._heads], own[:, self._heads :]
        delta: Tensor = self._tail(first.add_(hidden.index_select(0, row)))
        return delta.add_(linear).mul_(sent)


@torch.no_grad()
def _draw(table: Tensor, places: Tensor) -> None:
    """Give the codes at `places` embeddings to start from; without, equal inputs would learn alike.

    Every other code keeps its zeros: one that training never sees counts as nothing.
    """
    seen = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    seen[places.flatten().long()] = True
    table[seen] = _DRAWN * torch.randn(int(seen.sum()), table.shape[1]).to(table.device)


def _tail(shape: NetworkShape) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(shape.dropout)]
    for wide, narrow in zip(shape.hidden, shape.hidden[1:], strict=False):
        layers += [nn.Linear(wide, narrow), nn.ReLU(), nn.Dropout(shape.dropout)]
    last = nn.Linear(shape.hidden[-1], shape.heads, bias=False)
    nn.init.zeros_(last.weight)  # training starts from the best constant, with no delta
    return nn.Sequential(*layers, last)
