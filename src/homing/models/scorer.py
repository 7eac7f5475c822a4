"""The network for scoring, with all that can be multiplied beforehand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from homing.models.network import Folded, Network, UserPart


class Scorer:
    """`Network.of_users` and `delta`: what codes and messages add is multiplied and gathered in one table."""

    def __init__(self, network: Network, messages: Tensor) -> None:
        """Take the `of_messages` [messages, heads + width] of all messages that candidates may have."""
        self._heads, self._tail = network.heads, network.delta_tail
        self._baselines = network.baselines
        blocks = [*(baseline.folded() for baseline in self._baselines), network.user.folded()]
        self._sizes = [len(block.bias) for block in blocks]
        self._user = Folded(*(torch.cat(each, -1) for each in zip(*blocks, strict=True)))
        candidate = network.candidate.folded()
        self._weight = candidate.columns
        self.message = len(candidate.places)  # where the messages' rows begin
        self.hold = self.message + len(messages)
        own = functional.pad(messages, (0, 0, 0, 1))  # the last row is hold's
        self._table = torch.cat([candidate.places, own + candidate.bias])  # each candidate has one of these

    def of_users(self, columns: Tensor, places: Tensor) -> UserPart:
        """Return the rows' part, once a row."""
        first = torch.addmm(self._user.bias, columns, self._user.columns)
        if places.shape[1]:
            first += functional.embedding_bag(places, self._user.places, mode="sum")
        *parts, hidden = torch.split(first, self._sizes, 1)
        outputs = [own.outputs(part) for own, part in zip(self._baselines, parts, strict=True)]
        return UserPart(torch.stack(outputs).sum(0), hidden)

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
