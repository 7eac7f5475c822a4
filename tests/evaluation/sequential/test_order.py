"""The order of trajectories, and how states and users are named, make no difference to any estimate."""

import numpy as np
import pytest

from homing.evaluation.sequential import (
    choices,
    direct,
    double_reinforcement,
    doubly_robust,
    fitted_q,
    marginal_is,
    minimax_is,
    per_decision_is,
    state_density,
    tabular,
    trajectory_is,
    weighted_doubly_robust,
    weighted_per_decision_is,
    weighted_trajectory_is,
)

from .worlds import TARGET, simulate


def every_estimate(world, user, horizon, name):
    log = world.build(0.9, horizon, user=user)
    state = name[np.concatenate([world.state, world.end[log.cut]])]
    cell = (2 * state[:, None] + np.arange(2)).ravel()
    chance = TARGET[np.argsort(name)[state]].ravel()
    place = np.arange(0, len(cell) + 1, 2)
    q = fitted_q(log, choices(log, cell, chance, place, world.action), tabular(4), tolerance=1e-12)
    found = [
        direct(log, q),
        doubly_robust(log, q),
        weighted_doubly_robust(log, q),
        marginal_is(log, state),
        minimax_is(log, choices(log, np.eye(4)[cell], chance, place, world.action)),
        double_reinforcement(log, q, state_density(log, state)),
    ]
    if horizon:
        simple = (trajectory_is, weighted_trajectory_is, per_decision_is, weighted_per_decision_is)
        found += [estimator(log) for estimator in simple]
    return np.array([(each.value, each.std_error) for each in found])


@pytest.mark.parametrize("horizon", [4, None])
def test_order_and_names_make_no_difference(horizon):
    rng = np.random.default_rng(31)
    count = 300
    world, user = simulate(rng, count, 4), rng.integers(0, 120, count)
    order = rng.permutation(count)
    names = np.array([f"user-{7 * each % 120:03}" for each in user])
    plain = every_estimate(world, user, horizon, np.array([0, 1]))
    assert every_estimate(world.take(order), names[order], horizon, np.array([1, 0])) == pytest.approx(
        plain, rel=1e-6
    )
