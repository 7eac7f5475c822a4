from __future__ import annotations

import math

import torch

from homing.models.heads import HeadScale
from homing.models.losses import HeadLosses
from homing.models.network import BlockShape, Network, NetworkShape
from homing.models.optimise import Optimised
from homing.models.snapshots import Kept, assemble, best_epochs

NONE = BlockShape(0, ())
SHAPE = NetworkShape(BlockShape(2, (3,)), NONE, NONE, heads=2, hidden=(4,), embedding=2, dropout=0.1)
LOSS, CPU = (HeadScale("identity", 1.0, 0.0, 1.0),), torch.device("cpu")
LOSSES = HeadLosses(LOSS * 2, CPU)


def a_run(baseline: list[list[float]], delta: list[list[float]], known: float = 1.0) -> Optimised:
    """Return a run with one validation row, whose outcomes are 0, of [epochs][heads] raw outputs."""
    weights = [Network(SHAPE).state_dict() for _ in baseline]
    one = torch.ones(1, len(baseline[0]))
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


def test_a_head_without_a_known_outcome_costs_nothing() -> None:
    run = a_run([[2, 0], [1, 9], [3, 0]], [[0, 0]] * 3)
    run.known[:, 1] = 0
    assert best_epochs([run], LOSSES).baselines[0] == 1


def test_two_epochs_serve_three_heads() -> None:
    # alone, each head is best after another epoch; 0 and 2 lose the least of all pairs: 1 of the second head
    run = a_run([[0, 3, 8], [3, 0, 8], [9, 1, 0]], [[0, 0, 0]] * 3)
    assert best_epochs([run], HeadLosses(LOSS * 3, CPU)) == Kept((0, 2, 2), 0)


def test_epochs_that_a_member_did_not_reach_are_not_chosen() -> None:
    short, long = a_run([[2, 2]], [[0, 0]]), a_run([[2, 2], [0, 0]], [[0, 0]] * 2)
    assert best_epochs([long, short], LOSSES) == Kept((0, 0), 0)


def test_assembled_baselines_have_the_heads_of_their_epochs() -> None:
    run = a_run([[0, 0]] * 3, [[0, 0]] * 3)
    for epoch, weights in enumerate(run.weights):
        for value in weights.values():
            value.fill_(epoch)
    network = assemble(SHAPE, run, Kept((2, 1), 0))
    inputs = torch.ones(1, 2), torch.zeros(1, 1).int()
    alone = [Network(SHAPE).eval() for _ in range(2)]
    for single, epoch in zip(alone, (2, 1), strict=True):
        single.load_state_dict(run.weights[epoch])
    found = network.of_users(*inputs)
    wanted = [single.of_users(*inputs).baseline[:, head] for head, single in enumerate(alone)]
    assert (torch.stack(wanted, 1) != 0).all()
    torch.testing.assert_close(found.baseline, torch.stack(wanted, 1))
    assert (found.hidden == 0).all()  # the delta's epoch
    assert len(assemble(SHAPE, run, Kept((1, 1), 0)).baselines) == 1
