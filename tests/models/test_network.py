from __future__ import annotations

import pytest
import torch

from homing.models.network import BlockShape, Network, NetworkShape, Scorer, Towers


@pytest.mark.parametrize("cardinalities", [(), (3,), (3, 1, 5)])
def test_scorer_equals_delta(cardinalities: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    shape = NetworkShape(
        user=BlockShape(2, ()),
        message=BlockShape(2, (4,)),
        candidate=BlockShape(3, cardinalities),
        heads=2,
        hidden=(16, 8),
        embedding=4,
        dropout=0.1,
    )
    network = Network(shape).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()  # training starts from zeros, of which any formula would be right
    rows, n = 5, 40
    hidden, columns = torch.randn(rows, 16), torch.randn(n, 3)
    row, message = torch.randint(rows, (n,)), torch.randint(-1, 4, (n,))
    starts = [sum(size + 1 for size in cardinalities[:place]) for place in range(len(cardinalities))]
    places = torch.stack(
        [
            torch.randint(start, start + size + 1, (n,))
            for start, size in zip(starts, cardinalities, strict=True)
        ]
        or [torch.empty(n)],
        dim=1,
    ).int()[:, : len(cardinalities)]
    sent = (message >= 0).float().unsqueeze(1)
    with torch.inference_mode():
        messages = network.of_messages(torch.randn(4, 2), torch.arange(4).int().unsqueeze(1))
        wanted = network.delta(hidden[row], messages[message], columns, places, sent)
        scorer = Scorer(network, messages)
        place = torch.where(message < 0, scorer.hold, message + scorer.message).unsqueeze(1)
        found = scorer.delta(hidden, row, columns, torch.cat([places, place], dim=1), sent)
    assert (found[message < 0] == 0).all()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_each_head_has_a_baseline_of_its_own() -> None:
    torch.manual_seed(0)
    towers = Towers(BlockShape(3, (2,)), embedding=4, heads=2, hidden=(8, 4), dropout=0.1).eval()
    with torch.no_grad():
        for parameter in towers.parameters():
            parameter.normal_()
    columns, places = torch.randn(6, 3), torch.randint(3, (6, 1)).int()
    inputs = torch.cat([columns * towers.gate[1].t() * 10, towers.table[1][places[:, 0].long()]], dim=1)
    first = inputs @ towers.weights[0][1] + towers.biases[0][1]
    second = first[:, 1:].relu() @ towers.weights[1][1] + towers.biases[1][1]
    wanted = first[:, :1] + second.relu() @ towers.last[1]
    found = towers(columns, places)
    assert found.shape == (6, 2)
    torch.testing.assert_close(found[:, 1:], wanted)
    found[:, 1].sum().backward()
    for parameter in towers.parameters():
        assert parameter.grad is not None
        assert (parameter.grad[0] == 0).all()
