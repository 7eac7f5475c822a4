from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from homing.models.value import (
    ConservativeQ,
    FittedQ,
    Given,
    ImplicitQ,
    InMemory,
    Logged,
    Sampled,
    Softmax,
    Streamed,
    Transitions,
    ValueSettings,
    fit_values,
    horizon_of,
    improve,
)
from homing.models.value.algorithms import Algorithm
from homing.models.value.mapped import mapped_parts, open_transitions, save_transitions
from homing.schema import InputError
from homing.simulator.solvable import tilted

from .logs import EVERY, GAMMA, LOGGER, PROCESS, messaging, ragged

# states are one-hot, so this network is a table of them by candidates
TABULAR = ValueSettings(
    hidden=(), action_hidden=0, rank=4, steps=200, batch_size=512, learning_rate=0.03, target_rate=0.05
)
HORIZONS = (horizon_of(GAMMA),) * 2
WEIGHTS = (1.0, 5.0)
FREE = Softmax(WEIGHTS, 0.05)
HELD = Softmax(WEIGHTS, 0.05, held=True)


@pytest.fixture(scope="module")
def log() -> Transitions:
    return messaging(users=3000, days=30)


def by_state(values: np.ndarray) -> np.ndarray:
    return values.reshape(*LOGGER.shape, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "error"), [(Logged(), 0.15), (Sampled(), 0.2)])
def test_fitted_q_of_the_log_is_that_of_dynamic_programming(
    log: Transitions, policy: Logged | Sampled, error: float
) -> None:
    found = fit_values(FittedQ(policy), log, HORIZONS, TABULAR)
    truth = PROCESS.values(LOGGER, GAMMA)
    q = by_state(found.values(**EVERY).mean)
    assert (q - truth)[:3] @ WEIGHTS == pytest.approx(0, abs=error)
    gain = by_state(found.advantages(**EVERY).mean)
    assert np.allclose(gain, q - q[:, :1], atol=1e-5)
    assert np.corrcoef(gain[:3, 1:].ravel(), (truth - truth[:, :1])[:3, 1:].ravel())[0, 1] > 0.9


@pytest.mark.slow
def test_fitted_q_of_another_policy(log: Transitions) -> None:
    target = np.tile([0.1, 0.1, 0.1, 0.7], (5, 1))
    carried = dataclasses.replace(log, probability=np.tile(target[0], len(log)).astype(np.float32))
    found = fit_values(FittedQ(Given()), carried, HORIZONS, TABULAR)
    truth, logged = (PROCESS.values(policy, GAMMA)[0] @ WEIGHTS for policy in (target, LOGGER))
    q = by_state(found.values(**EVERY).mean)[0] @ WEIGHTS
    assert q == pytest.approx(truth, abs=0.25)
    assert np.abs(q - truth).max() < 0.5 * np.abs(truth - logged).min()


@pytest.mark.slow
def test_horizon_0_is_the_mean_reward(log: Transitions) -> None:
    found = fit_values(FittedQ(Logged()), log, (0, 0), TABULAR)
    assert by_state(found.values(**EVERY).mean)[:3] == pytest.approx(PROCESS.reward[:3], abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(
    "algorithm", [ConservativeQ(FREE, 0.1), FittedQ(HELD), FittedQ(FREE), ImplicitQ(WEIGHTS, 0.8)]
)
def test_learned_policies_beat_the_logging_policy(log: Transitions, algorithm: Algorithm) -> None:
    found = fit_values(algorithm, log, HORIZONS, TABULAR)
    learned = tilted(by_state(found.advantages(**EVERY).mean) @ WEIGHTS, FREE.temperature, LOGGER)
    weights = np.array(WEIGHTS)
    low = PROCESS.worth(LOGGER, GAMMA) @ weights
    high = PROCESS.worth(PROCESS.best(weights, GAMMA), GAMMA) @ weights
    assert PROCESS.worth(learned, GAMMA) @ weights > low + 0.5 * (high - low)


@pytest.mark.slow
def test_rounds_of_improvement(log: Transitions) -> None:
    model, carried = improve(log, HELD, HORIZONS, TABULAR, rounds=2)
    utility = by_state(model.advantages(**EVERY).mean) @ WEIGHTS
    assert carried.probability is not None
    for fatigue in range(3):
        row = int(np.flatnonzero(log.state[:, fatigue])[0])
        assert carried.probability.reshape(-1, 4)[row] == pytest.approx(
            tilted(utility, HELD.temperature, LOGGER)[fatigue], abs=1e-4
        )
    # the values are those of the first round's policy, which the second improves upon
    values = by_state(model.values(**EVERY).mean)[0] @ WEIGHTS
    assert (values > PROCESS.values(LOGGER, GAMMA)[0] @ WEIGHTS).all()
    with pytest.raises(InputError, match="rounds == 0"):
        improve(log, HELD, HORIZONS, TABULAR, rounds=0)


@pytest.mark.slow
def test_a_centred_ensemble(log: Transitions) -> None:
    settings = dataclasses.replace(TABULAR, centred=True, members=4, steps=300)
    found = fit_values(FittedQ(Logged()), log, HORIZONS, settings)
    every = {**EVERY, "propensity": LOGGER.astype(np.float32).ravel()}
    values, gain = found.values(**every), found.advantages(**EVERY)  # type: ignore[arg-type]
    truth = PROCESS.values(LOGGER, GAMMA)
    assert (by_state(gain.mean) - (truth - truth[:, :1]))[:2] @ WEIGHTS == pytest.approx(0, abs=0.1)
    assert (gain.spread[np.tile(EVERY["hold"], 5)] == 0).all()
    assert (gain.spread[~np.tile(EVERY["hold"], 5)] > 0).all()
    # what all candidates of a state share is not known as well as what parts them
    assert gain.spread[1:4].mean() < values.spread[1:4].mean()
    assert (values.low(1) == values.mean - values.spread).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_values_and_a_stream_comes_close(tmp_path: Path) -> None:
    log = messaging(users=600)
    quick = dataclasses.replace(TABULAR, steps=60)

    def fitted(data: Transitions | Streamed, seed: int = 0) -> np.ndarray:
        settings = dataclasses.replace(quick, seed=seed)
        return fit_values(FittedQ(Logged()), data, HORIZONS, settings).values(**EVERY).mean

    first, again, other = fitted(log), fitted(log), fitted(log, 1)
    assert (first == again).all()
    assert (first != other).any()
    save_transitions([log], tmp_path / "log")
    mapped = open_transitions(tmp_path / "log")
    source = Streamed(mapped_parts(mapped, rows=4096, block=256), quick.batch_size)
    streamed = fitted(source)
    assert np.abs(streamed - first)[:12].max() < 3 * np.abs(other - first)[:12].max() + 0.1


def test_ragged_sets_are_valued_in_their_places() -> None:
    log = ragged(200)
    quick = dataclasses.replace(TABULAR, steps=20, batch_size=16, hidden=(8,), members=2)
    model = fit_values(FittedQ(HELD), log, (1.0, 3.0), quick)
    together = model.values(log.state, log.offsets, log.action, log.actions, log.hold)
    for row in (0, 57, 199):
        own = slice(*log.offsets[row : row + 2])
        count = np.array([0, own.stop - own.start])
        alone = model.values(log.state[[row]], count, log.action[own], log.actions, log.hold)
        assert together.mean[own] == pytest.approx(alone.mean, abs=1e-5)
        assert together.spread[own] == pytest.approx(alone.spread, abs=1e-5)


def test_going_on_from_a_model() -> None:
    log = messaging(users=300)
    quick = dataclasses.replace(TABULAR, steps=50)
    first = fit_values(FittedQ(Logged()), log, HORIZONS, quick)
    still = dataclasses.replace(quick, steps=1, learning_rate=1e-9)
    again = fit_values(FittedQ(Logged()), log, HORIZONS, still, first)
    assert again.values(**EVERY).mean == pytest.approx(first.values(**EVERY).mean, abs=1e-4)
    with pytest.raises(InputError, match="start has NetworkShape"):
        fit_values(FittedQ(Logged()), log, HORIZONS, dataclasses.replace(quick, rank=2), first)


def test_progress_and_what_cannot_be_fitted() -> None:
    log = messaging(users=100)
    told: list[float] = []
    quick = dataclasses.replace(TABULAR, steps=200, batch_size=64)
    fit_values(FittedQ(Logged()), log, HORIZONS, quick, progress=lambda done, note: told.append(done))
    assert told == [0.5, 1.0]
    with pytest.raises(InputError, match="3 horizons meet 2 objectives"):
        fit_values(FittedQ(Logged()), log, (1.0, 1.0, 1.0), quick)
    empty = dataclasses.replace(log, following=np.full(len(log), -2))
    source = Streamed(lambda number: iter([log] if number == 0 else [empty]), 64)
    source._pass = 1
    with pytest.raises(InputError, match="a pass over the log has no batch"):
        fit_values(FittedQ(Logged()), source, HORIZONS, quick)
    with pytest.raises(InputError, match="propensity is None"):
        fit_values(FittedQ(Logged()), dataclasses.replace(log, propensity=None), HORIZONS, quick)


def test_in_memory_source_equals_the_log() -> None:
    log = messaging(users=100)
    quick = dataclasses.replace(TABULAR, steps=5, batch_size=64)
    one, other = (
        fit_values(FittedQ(Logged()), data, HORIZONS, quick).values(**EVERY).mean
        for data in (log, InMemory(log, 64, quick.seed))
    )
    assert (one == other).all()
