"""Which epochs' weights a model keeps: two of the baseline, the better one for each head, one of delta."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from homing.models.losses import HeadLosses
from homing.models.network import Network, NetworkShape
from homing.models.optimise import Optimised, mean_losses

_SNAPSHOTS: Final = 2  # epochs of the baseline that a model keeps at most; each costs time in scoring


@dataclass(frozen=True)
class Kept:
    """Places of the epochs whose weights a model keeps."""

    baselines: tuple[int, ...]  # of each head, at most `_SNAPSHOTS` different ones
    delta: int


def best_epochs(runs: Sequence[Optimised], losses: HeadLosses) -> Kept:
    """Return which epochs to keep, the same ones of all members, by the sum of their validation losses.

    Rare outcomes are overfitted many epochs before habits are learned, so two epochs of the baseline and one
    of the delta are kept: those with the least sum of losses, where each head has the better baseline. One
    member's part of a rare outcome alone would be too small to choose on.

    Args:
        runs: one a member; epochs that one of them did not reach are not chosen.
        losses: of the heads.
    """
    outcome, known = (torch.cat([getattr(run, name) for run in runs]) for name in ("outcome", "known"))
    epochs = range(min(len(run.weights) for run in runs))
    baselines = [torch.cat([run.baseline[epoch] for run in runs]) for epoch in epochs]
    deltas = [torch.cat([run.delta[epoch] for run in runs]) for epoch in epochs]

    def loss(baseline: Tensor, delta: Tensor) -> Tensor:
        return mean_losses(losses, losses.start + baseline + delta, outcome, known)

    def best(delta: int) -> tuple[float, Kept]:
        found = torch.stack([loss(baseline, deltas[delta]) for baseline in baselines])
        pairs = itertools.combinations_with_replacement(epochs, _SNAPSHOTS)
        least, pair = min((float(found[list(pair)].amin(0).sum()), pair) for pair in pairs)
        return least, Kept(tuple(pair[place] for place in found[list(pair)].argmin(0).tolist()), delta)

    return min((best(delta) for delta in epochs), key=lambda kept: kept[0])[1]


def assemble(shape: NetworkShape, run: Optimised, kept: Kept) -> Network:
    """Return a network with the weights of the epochs that are kept.

    Args:
        shape: of the network that was trained.
        run: its weights.
        kept: the epochs.
    """
    epochs = sorted(set(kept.baselines))
    network = Network(dataclasses.replace(shape, baselines=len(epochs)))
    weights = dict(run.weights[kept.delta])
    for place, epoch in enumerate(epochs):
        for name, value in run.weights[epoch].items():
            if name.startswith("_baselines.0."):
                weights[name.replace("0", str(place), 1)] = value
    network.load_state_dict(weights)
    for baseline, epoch in zip(network.baselines, epochs, strict=True):
        baseline.mute([head for head, own in enumerate(kept.baselines) if own != epoch])
    return network.eval()
