"""Ragged candidates as dense blocks of rows about as wide as one another, which a GPU reads in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.allocation.demand import Demand, Uses

#: The worth of a candidate that fills up a row: below every other, and finite, so that 0 times it is 0.
NOBODY: Final = float(np.finfo(np.float32).min)
#: Candidates of a block; what a pass keeps of a block besides is a few times 8 bytes for each.
_BLOCK: Final = 1 << 24
_STEPS_AN_OCTAVE: Final = 4  # widths: at most a quarter of a row is filled up


@dataclass(frozen=True)
class Own:
    """What candidates use of their own, one entry a candidate and limit."""

    place: Tensor  # int64 [entries] of the candidate, rising
    limit: Tensor  # int64 [entries]
    amount: Tensor  # float32 [entries]

    def of(self, number: Tensor) -> Self:
        """Return the entries of candidates that go on, int64 [n] their new places, -1 of others."""
        place = number[self.place]
        stays = place >= 0
        return type(self)(place[stays], self.limit[stays], self.amount[stays])

    def rows(self, candidates: Tensor) -> Uses:
        """Return the rows of all candidates in another order, int64 [n], in the host's memory."""
        number = torch.empty_like(candidates)
        number[candidates] = torch.arange(len(candidates), device=candidates.device)
        order = torch.argsort(number[self.place], stable=True)
        counts = torch.bincount(number[self.place], minlength=len(candidates))
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Uses(_host(offsets), _host(self.limit[order].int()), _host(self.amount[order]))


@dataclass(frozen=True)
class Ragged:
    """Users with candidates one after the other."""

    user: Tensor  # int64 [users] number of each
    counts: Tensor  # int64 [users]
    values: Tensor  # float32 [n]
    arm: Tensor  # int32 [n]
    own: Own | None

    @classmethod
    def of(cls, demand: Demand, device: torch.device) -> Self:
        """Return a demand's candidates on a device."""

        def put(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.require(array, requirements="W")).to(device)

        own = None
        if demand.own is not None:
            entries = torch.from_numpy(np.diff(demand.own.offsets)).to(device)
            place = torch.repeat_interleave(torch.arange(len(entries), device=device), entries)
            own = Own(place, put(demand.own.limit).long(), put(demand.own.amount))
        user = torch.arange(len(demand), device=device)
        return cls(user, put(demand.counts), put(demand.values), put(demand.arm), own)

    @classmethod
    def joined(cls, parts: Sequence[Ragged]) -> Self:
        """Return the users of all parts."""
        own = None
        if parts[0].own is not None:
            shifted, shift = [], 0
            for part in parts:
                assert part.own is not None
                shifted.append(replace(part.own, place=part.own.place + shift))
                shift += len(part.values)
            own = Own(
                torch.cat([entries.place for entries in shifted]),
                torch.cat([entries.limit for entries in shifted]),
                torch.cat([entries.amount for entries in shifted]),
            )
        return cls(
            torch.cat([part.user for part in parts]),
            torch.cat([part.counts for part in parts]),
            torch.cat([part.values for part in parts]),
            torch.cat([part.arm for part in parts]),
            own,
        )

    def in_order(self, uses: Uses) -> Demand:
        """Return the candidates in the host's memory, in the order of their users' numbers."""
        order, first = torch.argsort(self.user), self.counts.cumsum(0) - self.counts
        counts = self.counts[order]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        place = torch.arange(len(self.values), device=counts.device)
        place += torch.repeat_interleave(first[order] - offsets[:-1], counts)
        own = None if self.own is None else self.own.rows(place)
        return Demand(_host(offsets), _host(self.values[place]), _host(self.arm[place]), uses, own)


@dataclass(frozen=True)
class Rows:
    """A block of users with about as many candidates each; short rows are filled up at the end."""

    user: Tensor  # int64 [rows] number of each
    values: Tensor  # float32 [rows, width]
    arm: Tensor  # int32 [rows, width]
    own: Own | None  # of places row * width + column

    @property
    def there(self) -> Tensor:
        """Which are candidates: bool [rows, width]."""
        return self.values > NOBODY

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.values.device

    def to(self, device: torch.device) -> Rows:
        """Return it on a device; itself where it is there."""
        return self if self.device == device else self._each(lambda part: part.to(device, non_blocking=True))

    def pinned(self) -> Rows:
        """Return it in memory of the host that a GPU reads at full speed."""
        return self._each(Tensor.pin_memory)

    def _each(self, function: Callable[[Tensor], Tensor]) -> Rows:
        own = self.own
        if own is not None:
            own = Own(function(own.place), function(own.limit), function(own.amount))
        return Rows(function(self.user), function(self.values), function(self.arm), own)

    def only(self, some: Tensor) -> Rows:
        """Return some rows, int64 rising."""
        width, own = self.values.shape[1], self.own
        if own is not None:
            number = torch.full((len(self.user), width), -1, device=self.device)
            number[some] = torch.arange(len(some) * width, device=self.device).view(-1, width)
            own = own.of(number.view(-1))
        return Rows(self.user[some], self.values[some], self.arm[some], own)

    def kept(self, which: Tensor) -> Ragged:
        """Return the marked candidates, bool [rows, width]."""
        own = self.own
        if own is not None:
            flat = which.view(-1)
            own = own.of(torch.where(flat, flat.cumsum(0) - 1, -1))
        return Ragged(self.user, which.sum(1), self.values[which], self.arm[which], own)


def as_rows(ragged: Ragged) -> tuple[Rows, ...]:
    """Return all users in blocks; of nobody one of no rows."""
    if not len(ragged.user):
        return (_block(ragged, ragged.user, ragged.user, 1),)
    widths = _widths(ragged.counts)
    first = ragged.counts.cumsum(0) - ragged.counts
    return tuple(
        _block(ragged, users, first[users], width)
        for width in torch.unique(widths).tolist()
        for users in torch.split(torch.nonzero(widths == width).squeeze(1), max(1, _BLOCK // width))
    )


def _host(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.cpu().numpy()
    return array


def _widths(counts: Tensor) -> Tensor:
    """Return counts rounded up to the next of a few widths."""
    octave = torch.floor(torch.log2((counts - 1).clamp(min=1).double()))
    step = torch.exp2(octave).long().div(_STEPS_AN_OCTAVE, rounding_mode="floor").clamp(min=1)
    return (counts + step - 1).div(step, rounding_mode="floor") * step


def _block(ragged: Ragged, users: Tensor, first: Tensor, width: int) -> Rows:
    column = torch.arange(width, device=users.device)
    there = column < ragged.counts[users, None]
    place = torch.where(there, first[:, None] + column, 0)
    own = ragged.own
    if own is not None:
        number = torch.full((len(ragged.values),), -1, device=users.device)
        number[place[there]] = torch.nonzero(there.view(-1)).squeeze(1)
        own = own.of(number)
    return Rows(
        ragged.user[users],
        torch.where(there, ragged.values[place], NOBODY),
        torch.where(there, ragged.arm[place], 0),
        own,
    )
