"""Algorithms: what a transition's target is, and what is minimised.

FittedQ       evaluation of a policy: Le, Voloshin & Yue (2019), Batch policy learning under constraints.
ConservativeQ Kumar, Zhou, Tucker & Levine (2020), Conservative Q-learning, here over candidate sets.
ImplicitQ     Kostrikov, Nair & Levine (2022), Offline reinforcement learning with implicit Q-learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from homing.models.value.batches import Batch, Needs
from homing.models.value.network import ValueNetwork
from homing.models.value.policies import Policy, Softmax, masked
from homing.schema.errors import InputError


class Algorithm(Protocol):
    """One gradient step's mathematics."""

    @property
    def needs(self) -> Needs:
        """Which candidates batches have to bring."""
        ...

    @property
    def expectile_value(self) -> bool:
        """Whether the network has a second value of the state."""
        ...

    def after(self, target: ValueNetwork, batch: Batch) -> Tensor:
        """Return the value of the next epoch's state, in outcomes: [members, n, K]."""
        ...

    def losses(
        self,
        network: ValueNetwork,
        outputs: tuple[Tensor, Tensor],
        wanted: Tensor,
        batch: Batch,
        target: ValueNetwork,
    ) -> Tensor:
        """Return the loss of each row, [members, n].

        Args:
            network: that learns, for its units.
            outputs: of it for the rows of now.
            wanted: [members, n, K] the target of the chosen candidate's value, in the network's units.
            batch: the transitions.
            target: the slow copy.
        """
        ...


@dataclass(frozen=True)
class FittedQ:
    """Q of a given policy: the mean of reward and what the policy would make of the next state.

    With a `Softmax`, the policy follows the values that are being learned.
    """

    policy: Policy
    expectile_value: bool = False

    @property
    def needs(self) -> Needs:
        """All candidates of the next epoch, unless the policy can do without."""
        return Needs(now=False, later=self.policy.whole)

    def after(self, target: ValueNetwork, batch: Batch) -> Tensor:
        """Return sum_a pi(a | s') q(s', a)."""
        values = target.raw(target(batch.later)[0])
        chance = self.policy.distribution(values, batch.later)
        return (chance.unsqueeze(3) * values).sum(2)

    def losses(
        self,
        network: ValueNetwork,
        outputs: tuple[Tensor, Tensor],
        wanted: Tensor,
        batch: Batch,
        target: ValueNetwork,
    ) -> Tensor:
        """Return half the squared error, over objectives."""
        del network, target
        return squared_error(of_choice(outputs[0], batch), wanted)


@dataclass(frozen=True)
class ConservativeQ:
    """FittedQ plus `strength` times how far the softmax of the values stands above the chosen value.

    With `anchored`, the softmax weighs candidates by their propensities: where all values are equal the
    penalty is 0 and pulls nowhere, and else it pulls differences between candidates to 0. Without, as in the
    paper (its equation 4), it pulls values of often chosen candidates up, such as hold's.
    """

    policy: Softmax  # of the backup
    strength: float  # alpha, >= 0
    anchored: bool = True  # needs propensities
    per_objective: bool = False  # penalise each objective's value rather than the utility
    expectile_value: bool = False

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise InputError(f"strength == {self.strength}, must be >= 0")

    @property
    def needs(self) -> Needs:
        """All candidates of both epochs."""
        return Needs(now=True, later=True)

    def after(self, target: ValueNetwork, batch: Batch) -> Tensor:
        """Return sum_a pi(a | s') q(s', a)."""
        return FittedQ(self.policy).after(target, batch)

    def losses(
        self,
        network: ValueNetwork,
        outputs: tuple[Tensor, Tensor],
        wanted: Tensor,
        batch: Batch,
        target: ValueNetwork,
    ) -> Tensor:
        """Return half the squared error, over objectives, and the penalty."""
        del target
        sets, values = batch.now.sets, outputs[0]
        prior = None
        if self.anchored:
            if sets.propensity is None:
                raise InputError(
                    "propensity is None, must be there for anchored=True; pass it to make_transitions()"
                )
            prior = sets.propensity.log()
        error = squared_error(of_choice(values, batch), wanted)
        if self.per_objective:
            scores = list(values.unbind(3))
        else:
            weights = values.new_tensor(self.policy.weights) * network.unit
            scores = [values @ (weights / weights.norm())]
        for score in scores:
            spread = masked(score if prior is None else score + prior, sets).logsumexp(2)
            chosen = score.gather(2, batch.now.choice.expand(len(score), -1, -1)).squeeze(2)
            error = error + self.strength / len(scores) * (spread - chosen)
        return error


@dataclass(frozen=True)
class ImplicitQ:
    """The value of the state is an expectile over the logged choices, so no other choice is ever valued.

    The paper's value is a number. Here each objective's value is the mean of its q with the weights
    `|expectile - 1(w . q < w . v)|`, so that w . v is the expectile of the utility and all of them belong to
    one policy.
    """

    weights: tuple[float, ...]  # [K] utility per unit of outcome
    expectile: float = 0.7  # tau, in [0.5, 1): 0.5 is the logging policy's value
    expectile_value: bool = True

    def __post_init__(self) -> None:
        if not 0.5 <= self.expectile < 1:
            raise InputError(f"expectile == {self.expectile}, must be in [0.5, 1)")

    @property
    def needs(self) -> Needs:
        """Chosen candidates alone."""
        return Needs(now=False, later=False)

    def after(self, target: ValueNetwork, batch: Batch) -> Tensor:
        """Return v(s')."""
        return target.raw(target(batch.later)[1])

    def losses(
        self,
        network: ValueNetwork,
        outputs: tuple[Tensor, Tensor],
        wanted: Tensor,
        batch: Batch,
        target: ValueNetwork,
    ) -> Tensor:
        """Return half the squared error of q and the expectile loss of v, over objectives."""
        with torch.no_grad():
            slow = of_choice(target(batch.now)[0], batch)
        gap = slow - outputs[1]
        weights = gap.new_tensor(self.weights) * network.unit
        share = torch.where((gap.detach() @ weights) < 0, 1 - self.expectile, self.expectile)
        return squared_error(of_choice(outputs[0], batch), wanted) + share * gap.square().sum(2)


def of_choice(values: Tensor, batch: Batch) -> Tensor:
    """Return [members, n, K], the chosen candidate's of [members, n, C, K]."""
    if values.shape[2] == 1:
        return values.squeeze(2)
    members, n, _, K = values.shape
    return values.gather(2, batch.now.choice.view(1, n, 1, 1).expand(members, n, 1, K)).squeeze(2)


def squared_error(values: Tensor, wanted: Tensor) -> Tensor:
    """Return half the squared error summed over objectives, [members, n]."""
    return (values - wanted).square().sum(2) / 2
