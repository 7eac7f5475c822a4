"""Fit values to a log, and improve on its policy in rounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from homing.models.value.algorithms import Algorithm, FittedQ
from homing.models.value.batches import InMemory, Source
from homing.models.value.learner import Learner
from homing.models.value.model import ValueModel
from homing.models.value.network import NetworkShape, ValueNetwork
from homing.models.value.policies import Given, Logged, Policy, Softmax
from homing.models.value.settings import ValueSettings
from homing.models.value.transitions import Transitions, discounts
from homing.schema.errors import InputError

_TOLD_EVERY = 100  # steps
_BLOCK = 1 << 16  # rows


def fit_values(
    algorithm: Algorithm,
    data: Transitions | Source,
    horizons: Sequence[float],
    settings: ValueSettings | None = None,
    start: ValueModel | None = None,
    progress: Callable[[float, str], None] | None = None,
    wrap: Callable[[nn.Module], nn.Module] | None = None,
) -> ValueModel:
    """Fit long-term values of every objective to a log.

    The same arguments give the same model, on one device. It is the slow copy of the network, which averages
    its last steps.

    Args:
        algorithm: `FittedQ`, `ConservativeQ` or `ImplicitQ`.
        data: the log, or a `Source` of batches for one that is larger than memory.
        horizons: [K] in the unit of `elapsed`, >= 0: what comes t later counts exp(-t / horizon).
        settings: of network and training.
        start: a model of the same shape to go on from.
        progress: called with the share done in [0, 1] and a short text.
        wrap: of `Learner.share`, where several processes call this, each with its own part of the log.

    Raises:
        InputError: the horizons are not one finite number >= 0 an objective, what the algorithm or the
            network needs is not in the log, or `start` has another shape.
    """
    chosen = settings or ValueSettings()
    source = (
        InMemory(data, chosen.batch_size, chosen.seed, chosen.device)
        if isinstance(data, Transitions)
        else data
    )
    ahead = np.asarray(horizons, np.float64).reshape(-1)
    learner = Learner(new_network(algorithm, source.sample(), ahead, chosen, start), algorithm, ahead, chosen)
    if wrap is not None:
        learner.share(wrap)
    needs = algorithm.needs
    if chosen.centred:
        needs = dataclasses.replace(needs, now=True, later=True)
    loss = torch.zeros((), device=chosen.device)
    while learner.steps < chosen.steps:
        before = learner.steps
        for batch in source.batches(needs):
            loss += learner.step(batch)
            if progress is not None and learner.steps % _TOLD_EVERY == 0:
                progress(learner.steps / chosen.steps, f"loss {float(loss) / _TOLD_EVERY:.5f}")
                loss.zero_()
            if learner.steps == chosen.steps:
                break
        if learner.steps == before:
            raise InputError(
                "a pass over the log has no batch, must have one; bring more rows or a smaller batch"
            )
    return ValueModel(learner.target, ahead)


def improve(
    data: Transitions,
    policy: Softmax,
    horizons: Sequence[float],
    settings: ValueSettings | None = None,
    rounds: int = 1,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[ValueModel, Transitions]:
    """Improve on the logging policy: value a policy, take the softmax of its values, and so on.

    Round 1 values the logging policy, each further one the softmax of the values before it. One round is
    often best: its values never rest on what the log has not seen (Brandfonbrener et al. 2021, Offline RL
    without off-policy evaluation). With `policy.held`, every softmax stays near the logging policy.

    Args:
        data: the log, with propensities.
        policy: the softmax that turns values into the next policy.
        horizons: as for `fit_values`.
        settings: of network and training, of each round.
        rounds: >= 1.
        progress: called with the share done in [0, 1] and a short text.

    Returns:
        The last round's values, and the log with the probabilities of the policy that they make
        (`probability`), ready for `FittedQ(Given())`.

    Raises:
        InputError: as `fit_values`, or no rounds.
    """
    if rounds < 1:
        raise InputError(f"rounds == {rounds}, must be >= 1")
    model: ValueModel | None = None
    backup: Policy = Logged()
    for number in range(rounds):

        def told(done: float, note: str, number: int = number) -> None:
            if progress is not None:
                progress((number + done) / rounds, f"round {number + 1}: {note}")

        model = fit_values(FittedQ(backup), data, horizons, settings, model, told)
        data = dataclasses.replace(data, probability=model.probabilities(policy, data))
        backup = Given()
    assert model is not None
    return model, data


def new_network(
    algorithm: Algorithm,
    sample: Transitions,
    horizons: NDArray[np.float64],
    settings: ValueSettings,
    start: ValueModel | None = None,
) -> ValueNetwork:
    """Return a network in its initial state: its scales measured, its values the best constant.

    Args:
        algorithm: that it is for.
        sample: of the log.
        horizons: float64 [K].
        settings: of the network.
        start: a model of the same shape to go on from.

    Raises:
        InputError: `start` has another shape.
    """
    shape = NetworkShape(
        states=sample.state.shape[1],
        actions=sample.actions.shape[1],
        objectives=sample.objectives,
        hidden=settings.hidden,
        action_hidden=settings.action_hidden,
        rank=settings.rank,
        members=settings.members,
        centred=settings.centred,
        expectile=algorithm.expectile_value,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = ValueNetwork(shape)
    if start is not None:
        if start.network.shape != shape:
            raise InputError(
                f"start has {start.network.shape}, must be {shape}; fit both with the same settings"
            )
        network.load_state_dict(start.network.state_dict())
        return network
    if len(horizons) != sample.objectives:
        raise InputError(f"{len(horizons)} horizons meet {sample.objectives} objectives, must be as many")
    rows = sample.learnable
    _measure(network.state_centre, network.state_scale, sample.state)
    _measure(network.action_centre, network.action_scale, sample.actions[~sample.hold])
    kept = discounts(sample.elapsed[rows], sample.following[rows], horizons)
    reward = sample.reward[rows].astype(np.float64)
    constant = reward.mean(0) / np.maximum(1 - kept.mean(0), 1e-3)  # solves c = mean of reward + kept c
    deviation = (reward + kept * constant).std(0)
    network.start.copy_(torch.from_numpy(constant))
    network.unit.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)))
    return network


def _measure(centre: torch.Tensor, scale: torch.Tensor, values: NDArray[np.float32]) -> None:
    """Write the means of columns and one by their deviations, 1 for a column that never varies."""
    if not len(values):
        return
    mean = values.mean(0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for first in range(0, len(values), _BLOCK):  # in blocks, as the difference from the mean is a copy
        squares += ((values[first : first + _BLOCK] - mean) ** 2).sum(0)
    deviation = np.sqrt(squares / len(values))
    centre.copy_(torch.from_numpy(mean))
    scale.copy_(torch.from_numpy(np.where(deviation > 1e-12, 1 / np.maximum(deviation, 1e-12), 1.0)))
