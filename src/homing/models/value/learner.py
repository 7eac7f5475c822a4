"""One gradient step, the same for every algorithm, source of batches and device."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from homing.models.value.algorithms import Algorithm
from homing.models.value.batches import Batch
from homing.models.value.network import ValueNetwork
from homing.models.value.settings import ValueSettings
from homing.schema.errors import InputError

_POISSON: Final = tuple(float(x) for x in np.cumsum(np.exp(-1) / np.array([1, 1, 2, 6, 24, 120, 720, 5040])))
_ODD: Final = (-7046029254386353131, -4658895280553007687, -7723592293110705685)  # of splitmix64


class Learner:
    """A network that learns, its slow copy, and the optimiser. `step(batch)` is all there is to training."""

    def __init__(
        self,
        network: ValueNetwork,
        algorithm: Algorithm,
        horizons: NDArray[np.float64],
        settings: ValueSettings,
    ) -> None:
        """Take a network in its initial state, which moves to the settings' device.

        Args:
            network: with its scales measured.
            algorithm: what to learn.
            horizons: float64 [K] in the unit of `elapsed`; 0: the reward until the next epoch alone.
            settings: of the training.

        Raises:
            InputError: a horizon is negative or not finite, or their number is not the objectives'.
        """
        wrong = len(horizons) != network.shape.objectives or not (
            np.isfinite(horizons).all() and (horizons >= 0).all()
        )
        if wrong:
            raise InputError(
                f"horizons == {horizons}, must be {network.shape.objectives} finite numbers >= 0"
            )
        self.algorithm, self.settings = algorithm, settings
        self.network = network.to(settings.device)
        self.module: nn.Module = self.network
        self.target = copy.deepcopy(self.network).requires_grad_(False)
        self.steps = 0
        rate = np.divide(1.0, horizons, out=np.zeros(len(horizons)), where=horizons > 0)
        self._rate = torch.as_tensor(-rate, dtype=torch.float32, device=settings.device)
        self._counts = torch.as_tensor(horizons > 0, device=settings.device)
        self._ahead = bool((horizons > 0).any())
        of_delta = self.network.delta_parameters() if settings.delta_decay else []
        known = {id(weight) for weight in of_delta}
        rest = [weight for weight in self.network.parameters() if id(weight) not in known]
        groups = [
            {"params": rest, "weight_decay": settings.weight_decay},
            {"params": of_delta, "weight_decay": settings.weight_decay + settings.delta_decay},
        ]
        groups = [group for group in groups if group["params"]]  # each costs time at every step
        self._optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self._fast: list[Tensor] = list(self.network.parameters())
        self._slow: list[Tensor] = list(self.target.parameters())

    def share(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        """Learn together with other processes, each from batches of its own; to be called before any step.

        Args:
            wrap: makes the network one whose gradients are means over the processes, and whose state is that
                of the first one: `torch.nn.parallel.DistributedDataParallel`, or
                `ray.train.torch.prepare_model`.
        """
        for parameter in self._fast:
            parameter.register_hook(_plain)  # type: ignore[no-untyped-call]  # of PyTorch
        self.module = wrap(self.network)
        self.target.load_state_dict(self.network.state_dict())

    def step(self, batch: Batch) -> Tensor:
        """Learn from a batch; return the mean loss of its rows, a tensor without gradient."""
        settings = self.settings
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * max(0.0, 1 - self.steps / settings.steps)
        half = settings.precision == "bfloat16"
        with torch.autocast(batch.reward.device.type, torch.bfloat16, enabled=half):
            wanted = self.wanted(batch)
            values, second = self.module(batch.now)
            outputs = values.float(), second.float()
        losses = self.algorithm.losses(self.network, outputs, wanted, batch, self.target)
        if len(losses) > 1:
            losses = losses * user_weights(batch.user, len(losses))
        loss = losses.mean(1).sum()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(self._slow, self._fast, settings.target_rate)
        self.steps += 1
        return losses.detach().mean()

    @torch.no_grad()
    def wanted(self, batch: Batch) -> Tensor:
        """Return the target of each choice's value, [members, n, K], in the network's units."""
        if not self._ahead:
            return self.network.scaled(batch.reward).unsqueeze(0)
        kept = (batch.elapsed * self._rate).exp() * (self._counts & ~batch.ended)
        after = self.algorithm.after(self.target, batch)
        return self.network.scaled(torch.addcmul(batch.reward, kept, after))


def _plain(gradient: Tensor) -> Tensor:
    """Return the same numbers with the strides of a new tensor, which processes exchange without a copy.

    A part of joined layers has others where a dimension is 1.
    """
    return gradient.reshape(-1).view(gradient.shape)


def user_weights(user: Tensor, members: int) -> Tensor:
    """Return how often each member's resampling holds each row's user: [members, n], Poisson(1).

    The online bootstrap (Oza & Russell 2001), of whole users: the same user has the same weight in every
    batch.
    """
    salt = torch.arange(1, members + 1, device=user.device).unsqueeze(1) * _ODD[0]
    x = user.unsqueeze(0) + salt
    for shift, odd in ((30, _ODD[1]), (27, _ODD[2])):
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * odd
    x = x ^ ((x >> 31) & ((1 << 33) - 1))
    uniform = ((x >> 11) & ((1 << 53) - 1)).double() * 2.0**-53
    return torch.searchsorted(uniform.new_tensor(_POISSON), uniform).float()
