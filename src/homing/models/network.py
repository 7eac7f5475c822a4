"""The network: baseline(user) + delta(user, message, candidate), one output a head.

Rare outcomes are overfitted many epochs before habits are learned, so a trained network may have two
baselines, of two epochs, each for its own heads (`homing.models.snapshots`).

The delta's first layer is a sum of three blocks, so its user part is computed once a row, its message part
once a message, and only the small candidate part for every candidate. Hold has delta = 0 exactly: what a
message changes is learned as a contrast to hold, not as the difference of two large predictions. Each
part also has a linear path to the outputs; a generalised linear model is the network's simplest case.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

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
    hidden: tuple[int, ...]
    embedding: int
    dropout: float
    baselines: int = 1  # that are added up: of several epochs, each with its own heads


class Folded(NamedTuple):
    """A block's weights, multiplied where they can be."""

    columns: Tensor  # [columns, outputs]
    places: Tensor  # [places, outputs] what each place adds
    bias: Tensor  # [outputs]


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

    def forward(self, columns: Tensor, places: Tensor, factor: Tensor | None = None) -> Tensor:
        """Return [n, outputs] of float [n, columns] and int [n, categorical columns].

        `factor` [columns] multiplies the columns.
        """
        numeric, weight = self.shape.columns, self.weight
        own = weight[:, :numeric] if factor is None else weight[:, :numeric] * factor
        first = functional.linear(columns, own, self.bias)
        if places.shape[1]:
            first = first.addmm(self.table(places).flatten(1), weight[:, numeric:].t())
        return first

    def folded(self, factor: Tensor | None = None) -> Folded:
        """Return what `forward` comes to with the factor.

        An embedding that goes through a linear layer is a row of a table that was multiplied beforehand.
        """
        weights, products, place = self.weight.t(), [], 0
        width, column = self.table.embedding_dim, self.shape.columns
        for size in self.shape.cardinalities:
            rows = self.table.weight[place : place + size + 1]
            products.append(rows @ weights[column : column + width])
            place, column = place + size + 1, column + width
        columns = weights[: self.shape.columns].contiguous()
        return Folded(
            columns if factor is None else columns * factor.unsqueeze(1),
            torch.cat([*products, columns.new_zeros(0, columns.shape[1])]),
            columns.new_zeros(columns.shape[1]) if self.bias is None else self.bias,
        )


class Baseline(nn.Module):
    """What users do without a message: a network on the user block, of all heads.

    Each numeric column goes through a learned factor, which moves faster than the weights (the scaling
    layer of RealMLP, Holzmueller et al. 2024): columns that say nothing add less noise.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.gate = nn.Parameter(torch.full((shape.user.columns,), _GATE / _GATE_RATE))
        self.first = Block(shape.user, shape.embedding, self.heads + shape.hidden[0], bias=True)
        self.tail = _tail(shape)
        self.mute(range(self.heads))  # the linear path starts at 0, as the tail does

    @torch.no_grad()
    def mute(self, heads: Sequence[int]) -> None:
        """Make the outputs of these heads 0."""
        for weight in (*self.first.parameters(recurse=False), linear_layers(self.tail)[-1].weight):
            weight[list(heads)] = 0

    def folded(self) -> Folded:
        """Return the first layer, its factors multiplied."""
        return self.first.folded(self.gate * _GATE_RATE)

    def forward(self, columns: Tensor, places: Tensor) -> Tensor:
        """Return [n, heads] of float [n, columns] and int [n, categorical columns]."""
        return self.outputs(self.first(columns, places, self.gate * _GATE_RATE))

    def outputs(self, first: Tensor) -> Tensor:
        """Return [n, heads] of the first layer's [n, heads + width]."""
        return first[:, : self.heads] + self.tail(first[:, self.heads :])  # type: ignore[no-any-return]


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
        self._baselines = nn.ModuleList(Baseline(shape) for _ in range(shape.baselines))
        self.user = Block(shape.user, shape.embedding, self.width, bias=True)
        self.message = Block(shape.message, shape.embedding, outputs, bias=False)
        self.candidate = Block(shape.candidate, shape.embedding, outputs, bias=True)
        self.delta_tail = _tail(shape)
        for block in (self.message, self.candidate):
            with torch.no_grad():
                block.weight[: self.heads] = 0  # the linear paths start at 0, as the tails do
                if block.bias is not None:
                    block.bias[: self.heads] = 0

    @property
    def baselines(self) -> list[Baseline]:
        """Return the baselines, whose sum is the prediction of hold."""
        return cast("list[Baseline]", list(self._baselines))

    def of_users(self, columns: Tensor, places: Tensor) -> UserPart:
        """Return the rows' part, once a row."""
        baselines = [part(columns, places) for part in self.baselines]
        return UserPart(torch.stack(baselines).sum(0), self.user(columns, places))

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


@torch.no_grad()
def _draw(table: Tensor, places: Tensor) -> None:
    """Give the codes at `places` embeddings to start from; without, equal inputs would learn alike.

    Every other code keeps its zeros: one that training never sees counts as nothing.
    """
    seen = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    seen[places.flatten().long()] = True
    table[seen] = _DRAWN * torch.randn(int(seen.sum()), table.shape[1]).to(table.device)


def linear_layers(tail: nn.Sequential) -> list[nn.Linear]:
    """Return those of a tail, the output layer last."""
    return [layer for layer in tail if isinstance(layer, nn.Linear)]


def _tail(shape: NetworkShape) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(shape.dropout)]
    for wide, narrow in itertools.pairwise(shape.hidden):
        layers += [nn.Linear(wide, narrow), nn.ReLU(), nn.Dropout(shape.dropout)]
    last = nn.Linear(shape.hidden[-1], shape.heads, bias=False)
    nn.init.zeros_(last.weight)  # training starts from the best constant, with no delta
    return nn.Sequential(*layers, last)
