from __future__ import annotations

import math

import torch

from homing.models.heads import HeadScale
from homing.models.losses import HeadLosses
from homing.models.network import BlockShape, Network, NetworkShape
from homing.models.optimise import Kept, Optimised, best_epochs, keep

NONE = BlockShape(0, ())
SHAPE = NetworkShape(BlockShape(2, (3,)), NONE, NONE, heads=2, hidden=(4,), embedding=2, dropout=0.1)
LOSSES = HeadLosses((HeadScale("identity", 1.0, 0.0, 1.0),) * 2, torch.device("cpu"))


def a_run(baseline: list[list[float]], delta: list[list[float]], known: float = 1.0) -> Optimised:
    """Return a run with one validation row, whose outcomes are 0, of [epochs][heads] raw outputs."""
    weights = []
    for epoch in range(len(baseline)):
        network = Network(SHAPE)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(epoch)
        weights.append(network.state_dict())
    one = torch.ones(1, 2)
    parts = (torch.tensor(part).unsqueeze(1) for part in (baseline, delta))
    return Optimised((), tuple(weights), *parts, one * 0, one * known, math.nan)


def test_each_baseline_and_the_delta_have_their_own_best_epoch() -> None:
    # errors of the first head: 0, 2, 3; of the second: 3, 2, 0; beside baselines 0 and 2 deltas alone count
    run = a_run([[0, 3], [2, 1], [3, 0]], [[0, 0], [0, 1], [0, 0]])
    assert best_epochs([run], LOSSES) == Kept((0, 2), 0)
    # the delta of epoch 1 makes good what both kept baselines miss
    run = a_run([[1, 9], [9, 9], [9, 1]], [[0, 0], [-1, -1], [0, 0]])
    assert best_epochs([run], LOSSES) == Kept((0, 2), 1)


def test_members_choose_together() -> None:
    first = a_run([[0, 0], [1, 1]], [[0, 0], [0, 0]])
    second = a_run([[2, 2], [0, 0]], [[0, 0], [0, 0]])
    assert best_epochs([first], LOSSES) == Kept((0, 0), 0)
    assert best_epochs([first, second], LOSSES) == Kept((1, 1), 0)


def test_a_head_without_a_known_outcome_follows_the_others() -> None:
    run = a_run([[2, 0], [1, 0], [3, 0]], [[0, 0]] * 3)
    run.known[:, 1] = 0
    assert best_epochs([run], LOSSES).baselines == (1, 1)


def test_kept_weights_are_those_of_the_epochs() -> None:
    network = Network(SHAPE)
    keep(network, a_run([[0, 0]] * 3, [[0, 0]] * 3), Kept((2, 0), 1))
    for name, value in network.named_parameters():
        if name.startswith("baseline."):
            assert (value[0] == 2).all()
            assert (value[1] == 0).all()
        else:
            assert (value == 1).all()
