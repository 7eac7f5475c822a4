"""Passes in PyTorch, on a GPU or another device that has float64.

Values and arms are read as they are, 8 bytes a candidate; worth, weights and sums are float64 as in compiled
code, so the results are the same but for the order of sums, which on a GPU also differs from run to run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.allocation.demand import Demand, Uses
from homing.allocation.dual import Softmaxes
from homing.allocation.rows import Own, Ragged, Rows, as_rows
from homing.allocation.sweep import ByLimit
from homing.schema.errors import InputError

_NEGLIGIBLE: Final = math.exp(-40)  # as in compiled code
_LAYING_OUT: Final = 3  # times the candidates' bytes, while they are put in rows


@dataclass(frozen=True)
class DeviceUses:
    """Entries of `Uses` on a device."""

    row: Tensor  # int64 [entries]
    limit: Tensor  # int64 [entries]
    amount: Tensor  # float32 [entries]
    host: Uses  # the same in the host's memory
    limits: int

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.host)

    @classmethod
    def put(cls, uses: Uses, limits: int, device: torch.device) -> Self:
        """Copy to a device."""
        row = torch.from_numpy(np.repeat(np.arange(len(uses)), np.diff(uses.offsets)))
        limit = torch.from_numpy(uses.limit.astype(np.int64))
        amount = torch.from_numpy(uses.amount)
        return cls(row.to(device), limit.to(device), amount.to(device), uses, limits)

    def prices(self, prices: Tensor) -> Tensor:
        """Return p . c of every row: float64 [rows]."""
        priced = torch.zeros(self.rows, dtype=torch.float64, device=self.row.device)
        return priced.index_add_(0, self.row, self.amount * prices[self.limit])

    def totals(self, mass: Tensor, power: int = 1) -> Tensor:
        """Return the sum over rows of mass times use to a power: float64 [limits]."""
        totals = torch.zeros(self.limits, dtype=torch.float64, device=self.row.device)
        return totals.index_add_(0, self.limit, self.amount**power * mass[self.row])


@dataclass(frozen=True)
class OnDevice:
    """Users with their candidates, laid out for a device.

    Blocks stay in the host's memory where all together do not fit, and are copied over in every pass; what
    `screened` and `take` return always stays on the device.
    """

    users: int
    blocks: tuple[Rows, ...]
    uses: DeviceUses
    device: torch.device

    @classmethod
    def put(cls, demand: Demand, limits: int, device: str, memory: int | None = None) -> Self:
        """Copy to a device.

        Args:
            demand: users with their candidates.
            limits: number of limits.
            device: PyTorch's name of it.
            memory: bytes of it that candidates may take; None: half of what is free on a GPU, and no
                bound elsewhere.

        Raises:
            InputError: a device that is not there or has no float64.
        """
        where = _device(device)
        if memory is None and where.type == "cuda":
            memory = torch.cuda.mem_get_info(where)[0] // 2
        size = demand.values.nbytes + demand.arm.nbytes
        if demand.own is not None:
            size += demand.own.amount.nbytes * 5  # place and limit are int64
        fits = memory is None or _LAYING_OUT * size <= memory
        blocks = as_rows(Ragged.of(demand, where if fits else torch.device("cpu")))
        if not fits and where.type == "cuda":
            blocks = tuple(rows.pinned() for rows in blocks)
        return cls(len(demand), blocks, DeviceUses.put(demand.uses, limits, where), where)

    def __len__(self) -> int:
        return self.users

    def size(self) -> float:
        """Return the mean of the values' absolutes, of candidates that a user may choose."""
        total, count = 0.0, 0
        for rows in self.blocks:
            there = rows.values[rows.there].abs()
            total, count = total + float(there.sum(dtype=torch.float64)), count + len(there)
        return total / count if count else 0.0

    def take(self, users: NDArray[np.int64]) -> Self:
        """Return some users, given in rising order."""
        number = torch.full((self.users,), -1)
        number[torch.from_numpy(users)] = torch.arange(len(users))
        blocks = []
        for rows in self.blocks:
            new = number.to(rows.device)[rows.user]
            some = torch.nonzero(new >= 0).squeeze(1)
            if len(some):
                part = rows.only(some)
                blocks.append(Rows(new[some], part.values, part.arm, part.own).to(self.device))
        return type(self)(len(users), tuple(blocks), self.uses, self.device)

    def softmaxes(self, prices: NDArray[np.float64], temperature: float) -> Softmaxes:
        """Return sums over all users."""
        per_limit = self._tensor(prices)
        arm_price, inverse = self.uses.prices(per_limit), self._tensor(1 / temperature)
        mass, own_totals, sums = self._zeros(self.uses.rows), self._zeros(len(prices)), self._zeros(3)
        for block in self.blocks:
            rows = block.to(self.device)
            chance, added = softmax_rows(
                rows.values, rows.arm, arm_price, _own_price(rows, per_limit), inverse
            )
            sums += added
            _scatter(mass, rows.arm, chance)
            _add_own(own_totals, rows.own, chance)
        totals = self.uses.totals(mass) + own_totals
        smooth, worth, best = (temperature * sums).tolist()
        paid = float(totals @ per_limit)
        return Softmaxes(smooth, worth + paid, best, _array(totals), _array(mass))

    def screened(
        self,
        prices: NDArray[np.float64],
        margin: float,
        rise: NDArray[np.float64],
        fall: NDArray[np.float64],
    ) -> tuple[Self, NDArray[np.float64]]:
        """Return what may matter near the prices and the use of the rest."""
        per_limit, up, down = self._tensor(prices), self._tensor(rise), self._tensor(fall)
        arm_price = self.uses.prices(per_limit)
        arm_up, arm_down = margin + self.uses.prices(up), margin + self.uses.prices(down)
        mass, own_totals = self._zeros(self.uses.rows), self._zeros(len(prices))
        parts = []
        for block in self.blocks:
            rows = block.to(self.device)
            worth = rows.values - _paid(arm_price, per_limit, rows)
            highest, lowest = worth + _paid(arm_down, down, rows), worth - _paid(arm_up, up, rows)
            there = rows.there
            surest = torch.where(there, lowest, -torch.inf).amax(1, keepdim=True)
            near = there & (highest >= surest)
            alone = near & (near.sum(1, keepdim=True) == 1)
            _scatter(mass, rows.arm, alone.double())
            _add_own(own_totals, rows.own, alone.double())
            several = torch.nonzero(~alone.any(1)).squeeze(1)
            parts.append(rows.only(several).kept(near[several]))
        totals = _array(self.uses.totals(mass) + own_totals)
        kept = Ragged.joined(parts)
        among = torch.zeros(self.users, dtype=torch.bool, device=self.device)
        among[kept.user] = True
        number = among.cumsum(0) - 1
        kept = Ragged(number[kept.user], kept.counts, kept.values, kept.arm, kept.own)
        return type(self)(len(kept.user), as_rows(kept), self.uses, self.device), totals

    def covariance(self, prices: NDArray[np.float64], temperature: float) -> DeviceCovariance:
        """Return the covariance of use under the softmax at some prices."""
        per_limit = self._tensor(prices)
        arm_price, inverse = self.uses.prices(per_limit), self._tensor(1 / temperature)
        parts, chances = [], []
        for block in self.blocks:
            rows = block.to(self.device)
            chance, _ = softmax_rows(rows.values, rows.arm, arm_price, _own_price(rows, per_limit), inverse)
            weighs = chance > _NEGLIGIBLE
            parts.append(rows.kept(weighs))
            chances.append(chance[weighs])
        kept = Ragged.joined(parts)
        user = torch.repeat_interleave(torch.arange(len(kept.counts), device=self.device), kept.counts)
        return DeviceCovariance(self.uses, torch.cat(chances), kept.arm, user, len(kept.counts), kept.own)

    def by_limit(self, some: NDArray[np.bool_]) -> ByLimit:
        """Return the candidates of some limits, in the host's memory."""
        parts = [rows.kept(rows.there) for rows in self.blocks]
        return ByLimit.of(Ragged.joined(parts).in_order(self.uses.host), some)

    def _tensor(self, numbers: NDArray[np.float64] | float) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.float64).to(self.device)

    def _zeros(self, size: int) -> Tensor:
        return torch.zeros(size, dtype=torch.float64, device=self.device)


@dataclass(frozen=True)
class DeviceCovariance:
    """The covariance of use, in few operations whatever the number of users."""

    uses: DeviceUses
    probability: Tensor  # float64 [n]
    arm: Tensor  # int32 [n]
    user: Tensor  # int64 [n]
    users: int
    own: Own | None

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """About the diagonal."""
        spread = self.probability * (1 - self.probability)
        totals = self.uses.totals(self._by_arm(spread), power=2)
        if self.own is not None:
            totals.index_add_(0, self.own.limit, spread[self.own.place] * self.own.amount**2)
        return _array(totals)

    def product(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance times a step."""
        per_limit = torch.from_numpy(step).to(self.arm.device)
        change = _gathered(self.uses.prices(per_limit), self.arm)
        if self.own is not None:
            change.index_add_(0, self.own.place, self.own.amount * per_limit[self.own.limit])
        mean = torch.zeros(self.users, dtype=torch.float64, device=change.device)
        mean.index_add_(0, self.user, self.probability * change)
        share = self.probability * (change - mean[self.user])
        totals = self.uses.totals(self._by_arm(share))
        _add_own(totals, self.own, share)
        return _array(totals)

    def _by_arm(self, share: Tensor) -> Tensor:
        mass = torch.zeros(self.uses.rows, dtype=torch.float64, device=share.device)
        return mass.index_add_(0, self.arm, share)


def softmax_rows(
    values: Tensor, arm: Tensor, arm_price: Tensor, own_price: Tensor | None, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the softmax of every row, and its sums over rows.

    Args:
        values: float32 [rows, width].
        arm: int32 [rows, width].
        arm_price: float64 [arms].
        own_price: float64 [rows, width] of candidates' own uses, None where there is none.
        inverse: float64 [] one over the temperature.

    Returns:
        float64 [rows, width] probabilities; float64 [3], each over the temperature: log sum exp, expected
        worth, and the largest worth.
    """
    paid = _gathered(arm_price * -inverse, arm)
    if own_price is not None:
        paid = paid - own_price * inverse
    scaled = torch.addcmul(paid, values, inverse)
    chance = torch.softmax(scaled, 1)
    best = scaled.amax(1)
    smooth = best - torch.log(chance.amax(1))  # the likeliest has one over the sum of exp(scaled - best)
    return chance, torch.stack([smooth.sum(), torch.dot(chance.view(-1), scaled.view(-1)), best.sum()])


def _gathered(per_arm: Tensor, arm: Tensor) -> Tensor:
    return per_arm.index_select(0, arm.reshape(-1)).view(arm.shape)


def _scatter(mass: Tensor, arm: Tensor, chance: Tensor) -> None:
    """Add probabilities to their arms; most are negligible, and adding in one place takes turns."""
    flat = chance.view(-1)
    some = torch.nonzero(flat > _NEGLIGIBLE).squeeze(1)
    mass.index_add_(0, arm.view(-1)[some], flat[some])


def _paid(per_arm: Tensor, per_limit: Tensor, rows: Rows) -> Tensor:
    """Return what each candidate uses, times a number per limit: float64 [rows, width]."""
    paid, own = _gathered(per_arm, rows.arm), _own_price(rows, per_limit)
    return paid if own is None else paid + own


def _own_price(rows: Rows, per_limit: Tensor) -> Tensor | None:
    if rows.own is None:
        return None
    price = torch.zeros(rows.values.numel(), dtype=torch.float64, device=rows.device)
    price.index_add_(0, rows.own.place, rows.own.amount * per_limit[rows.own.limit])
    return price.view(rows.values.shape)


def _add_own(totals: Tensor, own: Own | None, chance: Tensor) -> None:
    if own is not None:
        totals.index_add_(0, own.limit, own.amount * chance.view(-1)[own.place])


def _array(tensor: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.cpu().numpy()
    return array


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device).tolist()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"device == {name!r}, must be one that PyTorch has here, with float64; "
            "pass None for the processor"
        ) from error
    return torch.empty(0, device=device).device  # with its index
