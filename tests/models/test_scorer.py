from __future__ import annotations

import pytest
import torch

from homing.models.network import BlockShape, Network, NetworkShape
from homing.models.scorer import Scorer


def network(user: BlockShape, candidate: BlockShape, hidden: tuple[int, ...] = (16, 8)) -> Network:
    torch.manual_seed(0)
    message = BlockShape(2, (4,))
    shape = NetworkShape(user, message, candidate, 2, hidden, embedding=4, dropout=0.1, baselines=2)
    made = Network(shape).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()  # training starts from zeros, of which any formula would be right
    return made


def some_places(cardinalities: tuple[int, ...], n: int) -> torch.Tensor:
    starts = [sum(size + 1 for size in cardinalities[:place]) for place in range(len(cardinalities))]
    columns = [
        torch.randint(start, start + size + 1, (n,))
        for start, size in zip(starts, cardinalities, strict=True)
    ]
    return torch.stack(columns or [torch.empty(n)], dim=1).int()[:, : len(cardinalities)]


@pytest.mark.parametrize("cardinalities", [(), (3,), (3, 1, 5)])
def test_scorer_equals_delta(cardinalities: tuple[int, ...]) -> None:
    made = network(BlockShape(2, ()), BlockShape(3, cardinalities))
    rows, n = 5, 40
    hidden, columns = torch.randn(rows, 16), torch.randn(n, 3)
    row, message = torch.randint(rows, (n,)), torch.randint(-1, 4, (n,))
    places, sent = some_places(cardinalities, n), (message >= 0).float().unsqueeze(1)
    with torch.inference_mode():
        messages = made.of_messages(torch.randn(4, 2), torch.arange(4).int().unsqueeze(1))
        wanted = made.delta(hidden[row], messages[message], columns, places, sent)
        scorer = Scorer(made, messages)
        place = torch.where(message < 0, scorer.hold, message + scorer.message).unsqueeze(1)
        found = scorer.delta(hidden, row, columns, torch.cat([places, place], dim=1), sent)
    assert (found[message < 0] == 0).all()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hidden", [(6,), (8, 4), (6, 5, 4)])
@pytest.mark.parametrize("cardinalities", [(), (3, 1, 5)])
def test_scorer_equals_of_users(cardinalities: tuple[int, ...], hidden: tuple[int, ...]) -> None:
    made = network(BlockShape(4, cardinalities), BlockShape(0, ()), hidden)
    columns, places = torch.randn(7, 4), some_places(cardinalities, 7)
    with torch.inference_mode():
        found = Scorer(made, torch.zeros(1, 2 + hidden[0])).of_users(columns, places)
        wanted = made.of_users(columns, places)
    torch.testing.assert_close(found.baseline, wanted.baseline, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.hidden, wanted.hidden, rtol=1e-4, atol=1e-4)
