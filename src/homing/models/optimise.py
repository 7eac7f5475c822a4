"""Gradient steps: AdamW, one-cycle learning rate, averaged weights, early stopping."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch.optim.lr_scheduler import OneCycleLR

from homing.models.losses import HeadLosses
from homing.models.network import Network
from homing.models.summary import EpochLoss
from homing.models.tensors import Examples
from homing.schema.config import Training

_LEAST_STEPS: Final = 64  # gradient steps an epoch; a log too small for that is passed several times in one
_LEAST_BATCH: Final = 256
_THREADED_BATCH: Final = 2_048  # smaller steps lose more to waiting for threads than they gain
_RISE: Final = 0.2  # share of the steps in which the learning rate rises
_AVERAGED_SHARE: Final = 0.5  # of an epoch: time constant of the averaged weights
_PATIENCE: Final = 2  # epochs without a better validation loss of any head before stopping
_EVALUATION_BATCH: Final = 16_384
_PROGRESS_STEPS: Final = 50


@dataclass(frozen=True)
class Optimised:
    """The averaged weights after each epoch, and what they say of the validation rows."""

    losses: tuple[EpochLoss, ...]
    weights: tuple[dict[str, torch.Tensor], ...]
    baseline: torch.Tensor  # [epochs, validation rows, heads], less each head's start
    delta: torch.Tensor  # [epochs, validation rows, heads]
    outcome: torch.Tensor  # [validation rows, heads] in units of the head
    known: torch.Tensor  # [validation rows, heads] 1 where the outcome is known, else 0
    rows_per_second: float


def batch_size(rows: int, config: Training) -> int:
    """Return rows in a gradient step: the configured number, less on logs too small for enough steps."""
    return min(config.batch_size, max(_LEAST_BATCH, rows // _LEAST_STEPS))


def optimise(
    network: Network,
    losses: HeadLosses,
    examples: Examples,
    train: torch.Tensor,
    validation: torch.Tensor,
    config: Training,
    progress: Callable[[float, str], None],
) -> Optimised:
    """Take gradient steps until the validation loss of no head improves, at most the configured epochs.

    Args:
        network: in its initial state, on the examples' device.
        losses: of its heads.
        examples: that both index sets refer to.
        train: int64 [m] rows to learn from.
        validation: int64 [v] rows that say when to stop.
        config: epochs, batch size, rates and seed.
        progress: called with the share done and a short text.
    """
    size = min(batch_size(len(train), config), len(train))
    if size < _THREADED_BATCH:
        torch.set_num_threads(1)
    passes = -(-_LEAST_STEPS // max(1, len(train) // size))
    steps = passes * len(train) // size
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    total_steps = steps * config.epochs + 1
    # a rise of no steps is a division by zero in the schedule, so it takes one at least
    rise = max(_RISE, 2 / total_steps)
    schedule = OneCycleLR(optimiser, config.learning_rate, total_steps=total_steps, pct_start=rise)
    decay = 1 - 1 / max(1.0, steps * _AVERAGED_SHARE)
    averaged = copy.deepcopy(network)
    pairs = list(zip(averaged.parameters(), network.parameters(), strict=True))
    shuffle = torch.Generator().manual_seed(config.seed)
    heads = examples.outcome.shape[1]
    history: list[EpochLoss] = []
    weights, baselines, deltas, each_found = [], [], [], []
    later = examples.outcome[validation], examples.known[validation]
    constant = mean_losses(losses, losses.start.expand_as(later[0]), *later)
    learned = examples.outcome[train]
    learned_constant = mean_losses(losses, losses.start.expand_as(learned), learned, examples.known[train])
    started = time.perf_counter()
    for epoch in range(config.epochs):
        shuffled = [torch.randperm(len(train), generator=shuffle) for _ in range(passes)]
        order = train[torch.cat(shuffled).to(train.device)]
        total = torch.zeros(heads, device=train.device)
        for step in range(steps):
            rows = order[step * size : (step + 1) * size]
            raw = examples.raw(network, rows) + losses.start
            each = mean_losses(losses, raw, examples.outcome[rows], examples.known[rows])
            optimiser.zero_grad(set_to_none=True)
            each.sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                for mean, value in pairs:
                    mean.lerp_(value, 1 - decay)
            total += each.detach()
            if step % _PROGRESS_STEPS == 0:
                progress((epoch + step / steps) / config.epochs, f"epoch {epoch + 1}")
        baseline, delta = _parts(averaged, examples, validation)
        each_found.append(mean_losses(losses, losses.start + baseline + delta, *later) - constant)
        found = float(each_found[-1].mean())
        history.append(EpochLoss(float((total / steps - learned_constant).mean()), found))
        progress((epoch + 1) / config.epochs, f"epoch {epoch + 1}: validation {found:.5f}")
        weights.append({name: value.clone() for name, value in averaged.state_dict().items()})
        baselines.append(baseline)
        deltas.append(delta)
        best = torch.stack(each_found).argmin(0).max()  # of the head that improved last
        if epoch - int(best) >= _PATIENCE:
            break
    seconds = time.perf_counter() - started
    speed = len(weights) * steps * size / seconds
    return Optimised(
        tuple(history), tuple(weights), torch.stack(baselines), torch.stack(deltas), *later, speed
    )


def mean_losses(
    losses: HeadLosses, raw: torch.Tensor, outcome: torch.Tensor, known: torch.Tensor
) -> torch.Tensor:
    """Return the mean loss of each head [heads] over the rows where its outcome is known."""
    return losses(raw, outcome, known) / known.sum(0).clamp(min=1)


@torch.no_grad()
def _parts(network: Network, examples: Examples, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return baselines and deltas [rows, heads]."""
    network.eval()
    parts = [examples.parts(network, part) for part in torch.split(rows, _EVALUATION_BATCH)]
    network.train()
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
