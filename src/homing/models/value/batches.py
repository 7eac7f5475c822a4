"""Batches of transitions as tensors, from memory or from parts of a log that is larger.

Sets of candidates are padded to the widest one. Blocks that all rows share are not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.models.value.transitions import Transitions
from homing.schema.errors import InputError

_SHARED: Final = 256  # blocks in a table up to which every row is scored against the whole table


@dataclass(frozen=True)
class Sets:
    """Candidates of n rows, padded to C places."""

    blocks: Tensor  # [m, A] the action blocks that the rows point to
    hold: Tensor  # bool [m]
    shared: bool  # whether every row may point to every block
    complete: bool  # whether every row has every block, in order
    index: Tensor  # int64 [n, C] row of `blocks`
    present: Tensor | None  # bool [n, C], false where padded; None: all are there
    propensity: Tensor | None  # [n, C] 0 where padded
    charge: Tensor | None  # [n, C] 0 where padded
    probability: Tensor | None  # [n, C] 0 where padded

    @property
    def counts(self) -> Tensor | int:
        """Candidates of each row: [n, 1], or C for all."""
        return self.index.shape[1] if self.present is None else self.present.sum(1, keepdim=True)


@dataclass(frozen=True)
class Rows:
    """States with candidates."""

    state: Tensor  # [n, S]
    sets: Sets
    choice: Tensor  # int64 [n, 1] place in the set


@dataclass(frozen=True)
class Batch:
    """n transitions."""

    now: Rows
    later: Rows  # of the next epoch; of a row after which nothing comes, anything
    reward: Tensor  # [n, K]
    elapsed: Tensor  # [n, 1]
    ended: Tensor  # bool [n, 1] nothing comes after
    user: Tensor  # int64 [n]


@dataclass(frozen=True)
class Needs:
    """Which rows come with all of their candidates, rather than the chosen one alone."""

    now: bool
    later: bool


class Source(Protocol):
    """Where batches come from."""

    def batches(self, needs: Needs) -> Iterator[Batch]:
        """Return the batches of one pass, in an order that differs between passes."""
        ...

    def sample(self) -> Transitions:
        """Return some of the log, to measure columns on."""
        ...


class Table:
    """Rows with their candidates, on a device."""

    def __init__(
        self,
        state: NDArray[np.float32],
        offsets: NDArray[np.int64],
        action: NDArray[np.int32],
        actions: NDArray[np.float32],
        hold: NDArray[np.bool_],
        choice: NDArray[np.int32] | None = None,
        propensity: NDArray[np.float32] | None = None,
        charge: NDArray[np.float32] | None = None,
        probability: NDArray[np.float32] | None = None,
        device: str = "cpu",
    ) -> None:
        """Take columns as `Transitions` has them."""
        self._device = device
        counts = np.diff(offsets)
        self._widest = int(counts.max())
        self._uniform = bool((counts == self._widest).all())
        self._state, self._offsets = self.put(state), self.put(offsets)
        self._action, self._actions, self._hold = self.put(action), self.put(actions), self.put(hold)
        self._choice = None if choice is None else self.put(choice)
        self._columns = [
            None if column is None else self.put(column) for column in (propensity, charge, probability)
        ]
        self._places = torch.arange(self._widest, device=device)
        self._complete = (
            self._uniform
            and self._widest == len(actions) <= _SHARED
            and bool((action.reshape(-1, self._widest) == np.arange(self._widest)).all())
        )

    def put(self, values: NDArray[np.generic]) -> Tensor:
        """Return an array on the device."""
        if not values.flags.writeable:  # PyTorch shares memory, and warns of what it must not write to
            values = np.array(values)
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def rows(self, index: Tensor, whole: bool) -> Rows:
        """Return rows (int64 [n]) with all of their candidates, or with the chosen one alone."""
        first = self._offsets.index_select(0, index).unsqueeze(1)
        choice = torch.zeros_like(first)
        if self._choice is not None:
            choice = self._choice.index_select(0, index).unsqueeze(1).long()
        present = None
        if whole:
            place = first + self._places
            if not self._uniform:
                last = self._offsets.index_select(0, index + 1).unsqueeze(1)
                present = place < last
                place = torch.where(present, place, first)
        else:
            place, choice = first + choice, torch.zeros_like(choice)
        sets = self._sets(place, present, whole and self._complete)
        return Rows(self._state.index_select(0, index), sets, choice)

    def _sets(self, place: Tensor, present: Tensor | None, complete: bool) -> Sets:
        shared = len(self._actions) <= _SHARED
        blocks, hold = self._actions, self._hold
        if complete:
            index = self._places.expand_as(place)
        elif shared:
            index = self._action.index_select(0, place.flatten()).view_as(place).long()
        else:
            used = place.flatten() if present is None else place[present]
            rows = self._action.index_select(0, used)
            blocks, hold = self._actions.index_select(0, rows), self._hold.index_select(0, rows)
            if present is None:
                index = torch.arange(len(used), device=used.device).view_as(place)
            else:
                index = (present.flatten().cumsum(0) - 1).clamp_(min=0).view_as(place)

        def of_candidates(column: Tensor | None) -> Tensor | None:
            if column is None:
                return None
            values = column.index_select(0, place.flatten()).view_as(place)
            return values if present is None else values * present

        return Sets(blocks, hold, shared, complete, index, present, *map(of_candidates, self._columns))


class _Part:
    """Transitions as tensors."""

    def __init__(self, data: Transitions, device: str) -> None:
        self._table = Table(
            data.state,
            data.offsets,
            data.action,
            data.actions,
            data.hold,
            data.choice,
            data.propensity,
            data.charge,
            data.probability,
            device,
        )
        put = self._table.put
        self._reward, self._elapsed = put(data.reward), put(data.elapsed).unsqueeze(1)
        self._following, self._user = put(data.following), put(data.user)

    def batch(self, index: Tensor, needs: Needs) -> Batch:
        following = self._following.index_select(0, index)
        ended = following < 0
        return Batch(
            now=self._table.rows(index, needs.now),
            later=self._table.rows(torch.where(ended, index, following), needs.later),
            reward=self._reward.index_select(0, index),
            elapsed=self._elapsed.index_select(0, index),
            ended=ended.unsqueeze(1),
            user=self._user.index_select(0, index),
        )


class InMemory:
    """A log that is put on the device whole; each pass is a permutation of its transitions."""

    def __init__(self, data: Transitions, batch_size: int, seed: int = 0, device: str = "cpu") -> None:
        """Take the log.

        Args:
            data: of the log.
            batch_size: transitions in a batch; what is left over at the end of a pass waits for the next.
            seed: of the order.
            device: of PyTorch.
        """
        self._data, self._part = data, _Part(data, device)
        self._rows = torch.from_numpy(data.learnable).to(device)
        self._size = max(1, min(batch_size, len(self._rows)))
        self._random = torch.Generator().manual_seed(seed)

    def sample(self) -> Transitions:
        """Return the log."""
        return self._data

    def batches(self, needs: Needs) -> Iterator[Batch]:
        """Return the batches of one pass."""
        order = torch.randperm(len(self._rows), generator=self._random).to(self._rows.device)
        order = self._rows.index_select(0, order)
        for first in range(0, len(order) - self._size + 1, self._size):
            yield self._part.batch(order[first : first + self._size], needs)


class Streamed:
    """A log in parts that are read one after another, and shuffled within."""

    def __init__(
        self,
        parts: Callable[[int], Iterable[Transitions]],
        batch_size: int,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        """Take a function that reads parts.

        Args:
            parts: given the number of the pass, yields its parts, each with users from all over the log and
                small enough for memory (`mapped_parts`).
            batch_size: transitions in a batch; what is left over at the end of a part is left out.
            seed: of the order within parts.
            device: of PyTorch.
        """
        self._parts, self._size, self._seed, self._device = parts, batch_size, seed, device
        self._pass = 0

    def sample(self) -> Transitions:
        """Return the first part.

        Raises:
            InputError: there is none.
        """
        for part in self._parts(0):
            return part
        raise InputError("parts yields nothing, must yield transitions; check what it reads")

    def batches(self, needs: Needs) -> Iterator[Batch]:
        """Return the batches of one pass."""
        for place, part in enumerate(self._parts(self._pass)):
            seed = hash((self._seed, self._pass, place)) & 0x7FFFFFFF
            yield from InMemory(part, self._size, seed, self._device).batches(needs)
        self._pass += 1
