"""The network for scoring, with all that can be multiplied beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from homing.models.network import Network, UserPart


class Scorer:
    """`Network.of_users` and `delta`: what codes and messages add is multiplied and gathered in one table."""

    def __init__(self, network: Network, messages: Tensor) -> None:
        """Take the `of_messages` [messages, heads + width] of all messages that candidates may have."""
        self._heads, self._tail = network.heads, network.delta_tail
        self._users = _UserScorer(network)
        candidate = network.candidate.folded()
        self._weight = candidate.columns
        self.message = len(candidate.places)  # where the messages' rows begin
        self.hold = self.message + len(messages)
        own = functional.pad(messages, (0, 0, 0, 1))  # the last row is hold's
        self._table = torch.cat([candidate.places, own + candidate.bias])  # each candidate has one of these

    def of_users(self, columns: Tensor, places: Tensor) -> UserPart:
        """Return the rows' part, once a row."""
        return self._users(columns, places)

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


class _UserScorer:
    """The baselines beside each other as one network, and the rows' share of delta's first layer.

    Outputs of the first layer: the linear path of all baselines [heads], their hidden units, delta's.
    """

    def __init__(self, network: Network) -> None:
        heads, delta = network.heads, network.user.folded()
        columns, places, biases = zip(*(part.folded() for part in network.baselines), strict=True)
        self._sizes = [heads, *[network.width] * (len(network.baselines) + 1)]
        self._columns = torch.cat([_join(columns, heads), delta.columns], 1)
        self._places = torch.cat([_join(places, heads), delta.places], 1)
        self._bias = torch.cat([_join(biases, heads), delta.bias])
        self._tails = [part.tail for part in network.baselines]

    def __call__(self, columns: Tensor, places: Tensor) -> UserPart:
        first = torch.addmm(self._bias, columns, self._columns)
        if places.shape[1]:
            first += functional.embedding_bag(places, self._places, mode="sum")
        linear, *hidden, delta = torch.split(first, self._sizes, 1)
        baseline = torch.stack([linear, *(tail(own) for tail, own in zip(self._tails, hidden, strict=True))])
        return UserPart(baseline.sum(0), delta)


def _join(parts: Sequence[Tensor], heads: int) -> Tensor:
    """Return [..., heads + all hidden units] of several [..., heads + hidden units]."""
    linear = torch.stack([part[..., :heads] for part in parts]).sum(0)
    return torch.cat([linear, *(part[..., heads:] for part in parts)], -1)
