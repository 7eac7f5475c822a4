"""Gradient steps: AdamW, one-cycle learning rate, averaged weights; and which epochs' weights are kept."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
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
_EVALUATION_BATCH: Final = 16_384
_PROGRESS_STEPS: Final = 50


@dataclass(frozen=True)
class Optimised:
    """What `optimise` did."""

    losses: tuple[EpochLoss, ...]
    validation: torch.Tensor  # [epochs, heads] loss of the averaged weights
    weights: tuple[dict[str, torch.Tensor], ...]  # the averaged weights after each epoch
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
    """Fit the network in place.

    Args:
        network: in its initial state, on the examples' device.
        losses: of its heads.
        examples: that both index sets refer to.
        train: int64 [m] rows to learn from.
        validation: int64 [v] rows that say which epoch is best.
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
    weights: list[dict[str, torch.Tensor]] = []
    validated: list[torch.Tensor] = []
    learned_constant = evaluate(None, losses, examples, train)
    constant = evaluate(None, losses, examples, validation)
    started = time.perf_counter()
    for epoch in range(config.epochs):
        shuffled = [torch.randperm(len(train), generator=shuffle) for _ in range(passes)]
        order = train[torch.cat(shuffled).to(train.device)]
        total = torch.zeros(heads, device=train.device)
        for step in range(steps):
            rows = order[step * size : (step + 1) * size]
            known, outcome = examples.known[rows], examples.outcome[rows]
            raw = examples.raw(network, rows) + losses.start
            each = losses(raw, outcome, known) / known.sum(0).clamp(min=1)
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
        found = evaluate(averaged, losses, examples, validation) - constant
        validated.append(found)
        weights.append({name: value.clone() for name, value in averaged.state_dict().items()})
        history.append(EpochLoss(float((total / steps - learned_constant).mean()), float(found.mean())))
        progress((epoch + 1) / config.epochs, f"epoch {epoch + 1}: validation {history[-1].validation:.5f}")
    seconds = time.perf_counter() - started
    return Optimised(
        tuple(history), torch.stack(validated), tuple(weights), len(history) * steps * size / seconds
    )


def keep_best(
    networks: Sequence[Network],
    runs: Sequence[Optimised],
    losses: HeadLosses,
    examples: Examples,
    validations: Sequence[torch.Tensor],
) -> tuple[int, ...]:
    """Give each member its best weights: of each head's baseline its best epoch, then of the delta its own.

    All members keep the same epochs, chosen by the sum of their validation losses: one member's validation
    part of a rare outcome is too small to choose on. The delta serves all heads, so its epoch is the one
    whose mean over heads is best beside the baselines that were chosen.

    Returns:
        The baseline's best epoch of each head, from 0.
    """
    best = torch.stack([run.validation for run in runs]).sum(0).argmin(0)
    beside = torch.zeros(len(runs[0].weights))
    for network, run, validation in zip(networks, runs, validations, strict=True):
        network.eval()
        for epoch, weights in enumerate(run.weights):
            network.load_state_dict(_composed(network, run, best, weights))
            beside[epoch] += float(evaluate(network, losses, examples, validation).mean())
    chosen = int(beside.argmin())
    for network, run in zip(networks, runs, strict=True):
        network.load_state_dict(_composed(network, run, best, run.weights[chosen]))
        network.eval()
    return tuple(best.tolist())


def _composed(
    network: Network, run: Optimised, best: torch.Tensor, delta: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return each head's baseline of its best epoch, and all else of `delta`."""
    heads = range(len(best))
    own = {
        name: torch.stack([run.weights[int(best[head])][name][head] for head in heads])
        for name in network.names_by_head()
    }
    return {**delta, **own}


def evaluate(
    network: Network | None, losses: HeadLosses, examples: Examples, rows: torch.Tensor
) -> torch.Tensor:
    """Return the mean loss of each head [heads] over the rows; of the best constants without a network."""
    total = torch.zeros(examples.outcome.shape[1], device=rows.device)
    count = torch.zeros_like(total)
    if network is not None:
        network.eval()
    with torch.no_grad():
        for part in torch.split(rows, _EVALUATION_BATCH):
            known, outcome = examples.known[part], examples.outcome[part]
            raw = losses.start.expand_as(outcome)
            if network is not None:
                raw = raw + examples.raw(network, part)
            total += losses(raw, outcome, known)
            count += known.sum(0)
    if network is not None:
        network.train()
    return total / count.clamp(min=1)
