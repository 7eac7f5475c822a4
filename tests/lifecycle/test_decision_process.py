from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_world import SmallWorld

from homing.decision.policies import Uniform
from homing.lifecycle import decision_process
from homing.lifecycle.decision_process import (
    DecisionProcess,
    open_decision_process,
    save_decision_process,
)
from homing.lifecycle.horizons import with_objectives
from homing.lifecycle.release import Release
from homing.lifecycle.splits import CALIBRATION, TRAIN
from homing.lifecycle.worlds.entrants import CautiousRandom
from homing.models.value import CUT, FittedQ, Logged, Streamed, ValueSettings, fit_values, mapped_parts
from homing.schema import InputError, Shard
from homing.schema.times import DAY
from homing.store import load_shard


@pytest.fixture(scope="module")
def release(small_world: SmallWorld) -> Release:
    """The small world's release, with a horizon for minutes."""
    known = small_world.trained.release
    objectives = dict(known.config.objectives)
    objectives["engagement"] = objectives["engagement"].model_copy(update={"horizon": "14d"})
    return dataclasses.replace(known, config=with_objectives(known.config, objectives))


@pytest.fixture(scope="module")
def process(
    small_world: SmallWorld, release: Release, tmp_path_factory: pytest.TempPathFactory
) -> DecisionProcess:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision_process, "load_release", lambda *_: release)
        patch.setattr(decision_process, "_ROWS", 1_000)
        folder = tmp_path_factory.mktemp("process") / "saved"
        return save_decision_process(small_world.workspace, folder, CautiousRandom())


def values(shard: Shard, name: str, user: int, start: int, end: int) -> np.ndarray:
    """What a user's events of a type are worth, from one instant up to another."""
    events = shard.events
    own = slice(events.offsets[user], events.offsets[user + 1])
    inside = (events.at[own] >= start) & (events.at[own] < end)
    inside &= events.type[own] == shard.vocabularies.event_types.code(name)
    return events.value[own][inside]


def test_rows_are_the_decisions_of_the_ledger(
    small_world: SmallWorld, release: Release, process: DecisionProcess
) -> None:
    data, end = process.data, release.split.outcomes_until(release.watermark)
    assert process.objectives == ("conversion", "engagement", "annoyance")
    assert process.horizons == (0, 14, 0)
    first = 0
    for partition in range(small_world.workspace.ledger.partitions):
        shard = load_shard(small_world.workspace, partition).shard
        log = shard.decisions
        part = release.split.assign(shard.users, log.user, log.epoch_at)
        rows = np.flatnonzero((part == TRAIN) | (part == CALIBRATION)).tolist()
        for place, row in enumerate(rows[:400], first):
            user, at = log.user[row], log.epoch_at[row]
            assert data.user[place] == shard.users.hash[user, 0].astype(np.int64)
            own = data.action[slice(*data.offsets[place : place + 2])]
            assert len(own) == log.candidates[row]
            assert data.hold[own[data.choice[place]]] == (log.message[row] < 0)
            chance = data.propensity[data.offsets[place] + data.choice[place]]
            assert chance == pytest.approx(log.propensity[row], rel=1e-6)
            leads = row + 1 in rows and log.user[row + 1] == user
            if not leads or at + 3 * DAY > end:
                assert data.following[place] == CUT
                continue
            later = log.epoch_at[row + 1]
            assert data.following[place] == place + 1 and data.elapsed[place] == (later - at) / DAY
            want = [
                float(len(values(shard, "converted", user, at, at + 3 * DAY)) > 0),
                values(shard, "session", user, at, later).sum(),
                float(len(values(shard, "dismissed", user, at, at + DAY)) > 0),
            ]
            assert data.reward[place].tolist() == pytest.approx(want, rel=1e-5)
        first += len(rows)
    assert first == len(data)
    assert (data.reward[:, 1] > 0).any() and len(data.learnable) > len(data) / 2


def test_a_network_learns_from_it(
    small_world: SmallWorld, release: Release, process: DecisionProcess
) -> None:
    settings = ValueSettings(hidden=(8,), action_hidden=4, rank=2, steps=20, batch_size=256)
    source = Streamed(mapped_parts(process.data, rows=2_048, block=256), settings.batch_size)
    model = fit_values(FittedQ(Logged()), source, process.horizons, settings)
    assert model.horizons.tolist() == [0, 14, 0]
    own = slice(0, int(process.data.offsets[50]))
    found = model.advantages(
        process.data.state[:50],
        process.data.offsets[:51],
        process.data.action[own],
        process.data.actions,
        process.data.hold,
    )
    held = process.data.hold[process.data.action[own]]
    assert (found.mean[held] == 0).all() and np.isfinite(found.mean).all() and found.mean[~held].any()


def test_another_policy_than_the_log_s_is_an_error(small_world: SmallWorld, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="logger == 'uniform' chooses with probability"):
        save_decision_process(small_world.workspace, tmp_path / "saved", Uniform())
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="has no decision process"):
        open_decision_process(tmp_path / "saved")
