from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from homing.models.value import InMemory, Transitions
from homing.models.value.batches import Needs, Rows
from homing.models.value.network import NetworkShape, ValueNetwork
from homing.schema import InputError

from .logs import messaging, ragged

WHOLE = Needs(now=True, later=True)
SHAPE = NetworkShape(2, 3, 2, (8, 8), 4, 5, members=1, centred=False, expectile=False)


def drawn(seed: int = 0, **changes: object) -> ValueNetwork:
    """A network with no weight at 0."""
    torch.manual_seed(seed)
    network = ValueNetwork(dataclasses.replace(SHAPE, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.5)
    return network


def first(log: Transitions, size: int = 10_000) -> Rows:
    return next(InMemory(log, size).batches(WHOLE)).now


def of_hold(rows: Rows) -> torch.Tensor:
    """[n, C] whether a place is hold."""
    found = rows.sets.hold[rows.sets.index]
    return found if rows.sets.present is None else found & rows.sets.present


@pytest.mark.parametrize("changes", [{}, {"hidden": ()}, {"action_hidden": 0}, {"members": 3}])
def test_hold_changes_nothing(changes: dict[str, object]) -> None:
    network, rows = drawn(**changes), first(ragged(30))
    q, second = network(rows)
    members = network.shape.members
    assert q.shape == (members, len(rows.state), 4, 2)
    assert second.shape == (members, len(rows.state), 0)
    delta = network.deltas(rows)
    assert (delta[:, of_hold(rows)] == 0).all()
    value = q[:, :, :1]  # hold comes first
    assert torch.allclose(q, value + delta, atol=1e-5)


def test_shared_blocks_and_blocks_of_their_own_agree() -> None:
    shared = ragged(200, own=False)
    own = dataclasses.replace(
        shared,
        actions=shared.actions[shared.action],
        hold=shared.hold[shared.action],
        action=np.arange(len(shared.action), dtype=np.int32),
    )
    rows = first(shared), first(own)
    assert not rows[0].sets.complete
    assert [each.sets.shared for each in rows] == [True, False]
    present = rows[0].sets.present
    assert present is not None
    for members in (1, 3):
        network = drawn(members=members)
        one, other = (network(each)[0][:, present] for each in rows)
        assert torch.allclose(one, other, atol=1e-5)


def test_complete_sets_need_no_picking() -> None:
    rows = first(messaging(20, 5))
    assert rows.sets.complete and rows.sets.present is None
    picked = dataclasses.replace(rows, sets=dataclasses.replace(rows.sets, complete=False))
    network = drawn(states=5, actions=4, members=2)
    assert torch.equal(network(rows)[0], network(picked)[0])
    turned = dataclasses.replace(messaging(20, 5), actions=np.eye(4, dtype=np.float32)[::-1])
    assert first(turned).sets.complete
    order = np.tile(np.array([1, 0, 2, 3], np.int32), len(turned))
    assert not first(dataclasses.replace(turned, action=order)).sets.complete


def test_members_are_networks_of_their_own() -> None:
    together, rows = drawn(members=3, expectile=True), first(ragged(30))
    alone = drawn(expectile=True)
    for member in range(3):
        state = together.state_dict()
        weights = dict(alone.named_parameters())
        alone.load_state_dict(
            {name: value[[member]] if name in weights else value for name, value in state.items()}
        )
        for many, one in zip(together(rows), alone(rows), strict=True):
            assert torch.allclose(many[[member]], one, atol=1e-5)


def test_centred_values_average_to_the_states_part_under_the_log() -> None:
    log = ragged(30)
    network, plain, rows = drawn(centred=True), drawn(), first(log)
    assert rows.sets.propensity is not None
    q = network(rows)[0]
    mean = torch.einsum("nc,mnck->mnk", rows.sets.propensity, q)
    assert torch.allclose(mean, plain(rows)[0][:, :, 0], atol=1e-5)  # hold comes first
    assert torch.allclose(network.deltas(rows), plain.deltas(rows))
    with pytest.raises(InputError, match="propensity is None"):
        network(first(dataclasses.replace(log, propensity=None)))
