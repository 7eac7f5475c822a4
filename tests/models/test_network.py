from __future__ import annotations

import torch

from homing.models.network import Baseline, BlockShape, NetworkShape, linear_layers

NONE = BlockShape(0, ())
SHAPE = NetworkShape(BlockShape(3, (2,)), NONE, NONE, 2, (5, 4), embedding=4, dropout=0.1)


def made() -> Baseline:
    torch.manual_seed(0)
    baseline = Baseline(SHAPE).eval()
    with torch.no_grad():
        for parameter in baseline.parameters():
            parameter.normal_()
    return baseline


def test_baseline_is_a_linear_path_and_a_network_of_gated_columns() -> None:
    baseline = made()
    columns, places = torch.randn(6, 3), torch.randint(3, (6, 1)).int()
    first = baseline.first
    inputs = torch.cat([columns * baseline.gate * 10, first.table.weight[places[:, 0].long()]], dim=1)
    units = inputs @ first.weight.t() + first.bias
    second, last = linear_layers(baseline.tail)
    wanted = units[:, :2] + second(units[:, 2:].relu()).relu() @ last.weight.t()
    torch.testing.assert_close(baseline(columns, places), wanted)


def test_muted_heads_are_zero_and_others_stay() -> None:
    baseline = made()
    inputs = torch.randn(6, 3), torch.randint(3, (6, 1)).int()
    before = baseline(*inputs)
    baseline.mute([1])
    assert (before[:, 1] != 0).all()
    assert (baseline(*inputs)[:, 1] == 0).all()
    torch.testing.assert_close(baseline(*inputs)[:, 0], before[:, 0])


def test_training_starts_from_the_best_constant() -> None:
    baseline = Baseline(SHAPE).eval()
    assert (baseline(torch.randn(6, 3), torch.randint(3, (6, 1)).int()) == 0).all()
