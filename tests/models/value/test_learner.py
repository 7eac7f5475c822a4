from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from homing.models.value import (
    ConservativeQ,
    FittedQ,
    ImplicitQ,
    InMemory,
    Learner,
    Logged,
    Softmax,
    ValueSettings,
)
from homing.models.value.algorithms import Algorithm, of_choice
from homing.models.value.batches import Batch, Needs
from homing.models.value.fit import new_network
from homing.models.value.learner import user_weights
from homing.schema import InputError

from .logs import ragged

WHOLE = Needs(now=True, later=True)
SMALL = ValueSettings(hidden=(8,), action_hidden=0, rank=4, steps=10)
FREE = Softmax((1.0, 2.0), 1.0)


def learner(
    algorithm: Algorithm, horizons: tuple[float, float] = (2.0, 0.0), settings: ValueSettings = SMALL
) -> tuple[Learner, Batch]:
    """A learner whose weights are not at their start, and a batch."""
    log = ragged(60)
    ahead = np.array(horizons)
    network = new_network(algorithm, log, ahead, settings)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.3, generator=draw)
    return Learner(network, algorithm, ahead, settings), next(InMemory(log, 30).batches(WHOLE))


def test_the_target_by_hand() -> None:
    found, batch = learner(FittedQ(Logged()))
    network = found.network
    q = network.raw(network(batch.later)[0])[0].detach()
    assert batch.later.sets.propensity is not None
    v = (batch.later.sets.propensity.unsqueeze(2) * q).sum(1)
    kept = torch.exp(-batch.elapsed / 2) * ~batch.ended
    wanted = batch.reward + torch.cat([kept, torch.zeros_like(kept)], 1) * v
    assert batch.ended.any()
    assert torch.allclose(network.raw(found.wanted(batch))[0], wanted, atol=1e-5)


def test_horizon_0_is_the_reward() -> None:
    for algorithm in (FittedQ(FREE), ImplicitQ((1.0, 2.0)), ConservativeQ(FREE, 1.0)):
        found, batch = learner(algorithm, (0.0, 0.0))
        assert torch.allclose(found.network.raw(found.wanted(batch))[0], batch.reward, atol=1e-5)


def penalty(algorithm: ConservativeQ, values: Tensor, batch: Batch) -> Tensor:
    """What `algorithm` adds to the squared error."""
    found, _ = learner(algorithm)
    outputs, wanted = (values, values[:, :, 0, :0]), torch.zeros(1, len(batch.reward), 2)
    plain = FittedQ(FREE).losses(found.network, outputs, wanted, batch, found.target)
    return algorithm.losses(found.network, outputs, wanted, batch, found.target) - plain


def test_the_penalty_where_values_are_equal() -> None:
    found, batch = learner(ConservativeQ(FREE, 2.0))
    sets = batch.now.sets
    assert sets.present is not None and sets.propensity is not None
    equal = torch.full((1, 30, 4, 2), 3.0, requires_grad=True)
    published = penalty(ConservativeQ(FREE, 2.0, anchored=False), equal, batch)
    assert torch.allclose(published[0], 2 * sets.present.sum(1).log(), atol=1e-5)
    anchored = penalty(ConservativeQ(FREE, 2.0), equal, batch)
    assert torch.allclose(anchored, torch.zeros(1, 30), atol=1e-5)
    # and over what the log may have drawn, the anchored one pulls nowhere: its gradient is b - 1(a)
    (slope,) = torch.autograd.grad(anchored.sum(), equal)
    drawn = torch.zeros_like(sets.propensity).scatter_(1, batch.now.choice, 1.0)
    weights = torch.tensor([1.0, 2.0]) * found.network.unit
    hand = 2 * (sets.propensity - drawn).unsqueeze(2) * weights / weights.norm()
    assert torch.allclose(slope[0], hand, atol=1e-5)


def test_the_penalty_by_hand() -> None:
    _, batch = learner(ConservativeQ(FREE, 1.0))
    values = torch.randn(1, 30, 4, 2, generator=torch.Generator().manual_seed(0))
    sets = batch.now.sets
    assert sets.present is not None
    hand = torch.zeros(30)
    for row in range(30):
        for head in range(2):
            scores = values[0, row, sets.present[row], head]
            hand[row] += (scores.exp().sum().log() - values[0, row, batch.now.choice[row, 0], head]) / 2
    found = penalty(ConservativeQ(FREE, 1.0, anchored=False, per_objective=True), values, batch)
    assert torch.allclose(found[0], hand, atol=1e-5)


def test_the_expectile_loss_by_hand() -> None:
    algorithm = ImplicitQ((1.0, -2.0), 0.8)
    found, batch = learner(algorithm)
    outputs = found.network(batch.now)
    wanted = found.wanted(batch)
    losses = algorithm.losses(found.network, outputs, wanted, batch, found.target)[0]
    q, v, unit = of_choice(outputs[0], batch)[0], outputs[1][0], found.network.unit
    gap = q - v  # the slow copy still equals the network
    above = gap[:, 0] * unit[0] - 2 * gap[:, 1] * unit[1] >= 0
    assert 0 < above.sum() < 30
    hand = (q - wanted[0]).square().sum(1) / 2 + torch.where(above, 0.8, 0.2) * gap.square().sum(1)
    assert torch.allclose(losses, hand, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [FittedQ(Logged()), ConservativeQ(FREE, 0.1), ImplicitQ((1.0, 2.0))])
@pytest.mark.parametrize("members", [1, 3])
def test_steps_lower_the_loss(algorithm: Algorithm, members: int) -> None:
    settings = dataclasses.replace(SMALL, members=members, steps=60, learning_rate=0.02, target_rate=1e-6)
    found, batch = learner(algorithm, settings=settings)
    losses = [float(found.step(batch)) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]  # a penalty does not go to 0


def test_the_slow_copy_follows() -> None:
    found, batch = learner(FittedQ(Logged()), settings=dataclasses.replace(SMALL, target_rate=0.25))
    before = [weight.clone() for weight in found.target.parameters()]
    found.step(batch)
    for old, fast, slow in zip(before, found.network.parameters(), found.target.parameters(), strict=True):
        assert torch.allclose(slow, old + 0.25 * (fast - old), atol=1e-6)
        assert not slow.requires_grad


def test_half_precision_products_come_close() -> None:
    plain, batch = learner(FittedQ(Logged()))
    half, _ = learner(FittedQ(Logged()), settings=dataclasses.replace(SMALL, precision="bfloat16"))
    half.network.load_state_dict(plain.network.state_dict())
    half.target.load_state_dict(plain.network.state_dict())
    assert float(half.step(batch)) == pytest.approx(float(plain.step(batch)), rel=0.05)
    assert all(weight.dtype == torch.float32 for weight in half.network.parameters())


def test_users_are_resampled_whole() -> None:
    user = torch.arange(20_000) // 2
    weight = user_weights(user, 4)
    assert (weight[:, ::2] == weight[:, 1::2]).all()
    each = weight[:, ::2]
    assert each.mean(1).tolist() == pytest.approx([1] * 4, abs=0.05)
    assert each.var(1).tolist() == pytest.approx([1] * 4, abs=0.1)
    assert np.abs(np.corrcoef(each.numpy()) - np.eye(4)).max() < 0.05
    assert (user_weights(user[7:9], 4) == weight[:, 7:9]).all()


@pytest.mark.parametrize("horizons", [(1.0,), (1.0, -1.0), (1.0, float("inf"))])
def test_horizons_that_cannot_be(horizons: tuple[float, ...]) -> None:
    found, _ = learner(FittedQ(Logged()))
    with pytest.raises(InputError, match="must be 2 finite numbers >= 0"):
        Learner(found.network, FittedQ(Logged()), np.array(horizons), SMALL)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rank", 0), ("hidden", (8, 0)), ("learning_rate", 0), ("target_rate", 2), ("precision", "half")],
)
def test_settings_out_of_range(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        ValueSettings(**{name: value})  # type: ignore[arg-type]
