"""Policies in a backup: a distribution over each row's candidates, from their values or from the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from homing.models.value.batches import Rows, Sets
from homing.schema.errors import InputError


class Policy(Protocol):
    """What a backup averages with."""

    @property
    def whole(self) -> bool:
        """Whether it needs all candidates, rather than the chosen one alone."""
        ...

    def distribution(self, values: Tensor, rows: Rows) -> Tensor:
        """Return [members or 1, n, C] of values [members, n, C, K], each in its own unit; 0 where padded."""
        ...


@dataclass(frozen=True)
class Logged:
    """The logging policy by its propensities (expected SARSA)."""

    whole: bool = True

    def distribution(self, values: Tensor, rows: Rows) -> Tensor:
        """Return the propensities."""
        del values
        return _known("propensity", rows.sets.propensity).unsqueeze(0)


@dataclass(frozen=True)
class Sampled:
    """The logging policy by the choice that it drew (SARSA): needs no propensities, and is noisier."""

    whole: bool = False

    def distribution(self, values: Tensor, rows: Rows) -> Tensor:
        """Return 1 for the choice."""
        return torch.zeros_like(values[:1, :, :, 0]).scatter_(2, rows.choice.unsqueeze(0), 1.0)


@dataclass(frozen=True)
class Given:
    """The policy whose probabilities the log carries (`Transitions.probability`)."""

    whole: bool = True

    def distribution(self, values: Tensor, rows: Rows) -> Tensor:
        """Return the probabilities."""
        del values
        return _known("probability", rows.sets.probability).unsqueeze(0)


@dataclass(frozen=True)
class Softmax:
    """`(1 - floor) softmax((w . q - p . c) / t + log b) + floor / |candidates|`.

    With `held`, b is the propensity: the optimum of utility less t times the divergence from the logging
    policy, KL(pi || b). Without, b = 1: the one softmax of decisions.
    """

    weights: tuple[float, ...]  # [K] utility per unit of outcome
    temperature: float  # > 0, in units of utility
    floor: float = 0.0  # share that is uniform, in [0, 1]
    held: bool = False  # near the logging policy; needs propensities
    whole: bool = True

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature == {self.temperature}, must be > 0")
        if not 0 <= self.floor <= 1:
            raise InputError(f"floor == {self.floor}, must be in [0, 1]")

    def distribution(self, values: Tensor, rows: Rows) -> Tensor:
        """Return the probabilities."""
        scores = utilities(values, self.weights, rows.sets) / self.temperature
        if self.held:
            scores = scores + _known("propensity", rows.sets.propensity).log()
        chance = masked(scores, rows.sets).softmax(2)
        if self.floor:
            even = self.floor / rows.sets.counts
            chance = (1 - self.floor) * chance + (
                even if rows.sets.present is None else even * rows.sets.present
            )
        return chance


def utilities(values: Tensor, weights: tuple[float, ...], sets: Sets) -> Tensor:
    """Return w . q - p . c: [members, n, C] of [members, n, C, K]."""
    if values.shape[-1] != len(weights):
        raise InputError(f"{len(weights)} weights meet {values.shape[-1]} objectives, must be as many")
    utility = values @ values.new_tensor(weights)
    return utility if sets.charge is None else utility - sets.charge


def masked(scores: Tensor, sets: Sets) -> Tensor:
    """Return scores [members, n, C], -inf where padded."""
    return scores if sets.present is None else scores.masked_fill(~sets.present, -torch.inf)


def _known(name: str, column: Tensor | None) -> Tensor:
    if column is None:
        raise InputError(f"{name} is None, must be there for this policy; pass it to make_transitions()")
    return column
