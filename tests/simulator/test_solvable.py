from __future__ import annotations

import itertools

import numpy as np
import pytest

from homing.simulator.solvable import CHOICES, FATIGUE, MessagingProcess, tilted

PROCESS = MessagingProcess()
LOGGER = np.tile([0.4, 0.3, 0.2, 0.1], (FATIGUE, 1))


def test_a_day_by_hand() -> None:
    # email, fatigue 1: a fifth of visits and conversions is lost
    assert PROCESS.reward[1, 2] == pytest.approx([0.8 * 0.5, 0.8 * 0.05])
    stays = 1 - 0.012
    assert PROCESS.moves[1, 2] == pytest.approx(
        [stays * 0.65 * 0.4, stays * 0.65 * 0.6, stays * 0.35, 0, 0, 0.012]
    )
    assert PROCESS.moves.sum(2) == pytest.approx(np.ones((FATIGUE, len(CHOICES))))
    assert PROCESS.moves.min() >= 0


def test_values_are_the_sum_over_days() -> None:
    state = np.zeros(FATIGUE)
    state[0] = 1
    total = np.zeros(2)
    for day in range(2000):
        total += 0.95**day * np.einsum("s,sa,sak->k", state, LOGGER, PROCESS.reward)
        state = np.einsum("s,sa,sat->t", state, LOGGER, PROCESS.moves)[:FATIGUE]
    assert PROCESS.worth(LOGGER, 0.95) == pytest.approx(total)


def test_the_best_policy_is_the_best_of_all() -> None:
    weights = np.array([1.0, 5.0])
    best = PROCESS.best(weights, 0.9)
    worth = PROCESS.worth(best, 0.9) @ weights
    found = [
        PROCESS.worth(np.eye(len(CHOICES))[list(choices)], 0.9) @ weights
        for choices in itertools.product(range(len(CHOICES)), repeat=FATIGUE)
    ]
    assert worth == pytest.approx(max(found))


def test_the_softmax_optimum_is_a_fixed_point() -> None:
    weights, temperature = np.array([1.0, 5.0]), 0.2
    soft = PROCESS.best(weights, 0.9, temperature, LOGGER)
    # its own soft values, by policy evaluation with the divergence as a cost, make it again
    cost = temperature * (soft * np.log(soft / LOGGER)).sum(1)
    stay = PROCESS.moves[:, :, :FATIGUE]
    gain = np.einsum("sa,sa->s", soft, PROCESS.reward @ weights) - cost
    v = np.linalg.solve(np.eye(FATIGUE) - 0.9 * np.einsum("sa,sat->st", soft, stay), gain)
    q = PROCESS.reward @ weights + 0.9 * stay @ v
    assert tilted(q, temperature, LOGGER) == pytest.approx(soft, abs=1e-6)
    cold = PROCESS.best(weights, 0.9, 1e-3)
    assert cold.argmax(1).tolist() == PROCESS.best(weights, 0.9).argmax(1).tolist()


def test_a_log_is_drawn_from_the_process() -> None:
    log = PROCESS.log(LOGGER, 4000, 10)
    same = PROCESS.log(LOGGER, 4000, 10)
    assert (log.choice == same.choice).all()
    tired = log.fatigue == 1
    assert np.bincount(log.choice[tired], minlength=4) / tired.sum() == pytest.approx(LOGGER[1], abs=0.03)
    pushed = (log.fatigue == 0) & (log.choice == 3)
    assert log.reward[pushed].mean(0) == pytest.approx(PROCESS.reward[0, 3], abs=0.04)
    goes_on = log.following >= 0
    after = log.following[goes_on]
    assert (after == np.flatnonzero(goes_on) + 1).all()
    assert (log.user[after] == log.user[goes_on]).all()
    moved = log.fatigue[log.following[pushed & goes_on]]
    assert np.mean(moved == 1) == pytest.approx(0.7, abs=0.04)
    assert (log.fatigue[np.unique(log.user, return_index=True)[1]] == 0).all()
    cut = np.bincount(log.user[log.following == -2], minlength=4000)
    churned = np.bincount(log.user[log.following == -1], minlength=4000)
    assert (cut + churned == 1).all()
