"""d3rlpy's learners on the transitions of a ledger, and their policies in worlds, without d3rlpy.

Their actions are hold and the channels: a network has one output for each. Within the channel that it takes,
short-term values take the candidate. A state is the user's part of Homing's features, codes as one-hot, and
how many candidates each channel has; all of it standardised. An action without candidates is never taken.
The reward of a day is its configured utility; a day is a step, and a discount of exp(-1 / 28) is the horizon.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context
from homing.decision.baselines.choice import certain
from homing.decision.decide import Score
from homing.decision.replay import batches, replay
from homing.lifecycle.estimates import worth
from homing.lifecycle.horizons import with_objectives
from homing.lifecycle.replay import outcomes_of
from homing.lifecycle.splits import CALIBRATION, TRAIN
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.ground import Ground
from homing.schema import Candidates, Features, Shard

Floats = NDArray[np.float32]

DAYS = 28
SCRIPT = Path(__file__).with_name("long_term_d3rlpy.py")


def state_of(features: Features, candidates: Candidates, channels: int) -> Floats:
    """Return what a learner sees of each row, NaN where it is missing: float32 [rows, columns]."""
    sends = np.flatnonzero(~candidates.is_hold)
    cell = candidates.row[sends] * channels + candidates.channel[sends]
    offered = np.bincount(cell, minlength=len(candidates.rows) * channels).reshape(-1, channels)
    sizes = (size for _, size in features.spec.user_codes)
    codes = [
        np.eye(size + 1)[codes][:, :size] for codes, size in zip(features.user_codes.T, sizes, strict=True)
    ]
    return np.column_stack([features.user, *codes, np.log1p(offered)]).astype(np.float32)


@dataclass(frozen=True)
class ByChannel:
    """Takes hold or the channel by one column of the values, and in it the candidate of largest utility."""

    name: str
    weights: NDArray[np.float64]  # [objectives]
    column: int  # of an objective without weight: the value of hold or of the candidate's channel
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: 1 for one candidate of each row."""
        assert context.values is not None
        return certain(context, context.values[:, self.column], context.values @ self.weights)


@dataclass(frozen=True)
class Peer:
    """A network over states, with an output for hold and one for each channel."""

    name: str
    layers: tuple[tuple[Floats, Floats], ...]  # weight [out, in] and bias [out]
    mean: Floats  # [columns]
    scale: Floats  # [columns]
    cpu_s: float

    def values(self, state: Floats) -> Floats:
        """Return float32 [rows, 1 + channels]."""
        found = np.nan_to_num((state - self.mean) / self.scale)
        for place, (weight, bias) in enumerate(self.layers):
            found = found @ weight.T + bias
            if place + 1 < len(self.layers):
                found = np.maximum(found, 0)
        return found

    def contender(self, short: Ground) -> Contender:
        """Return the policy; `short` has the values that take the candidate within a channel."""
        weights = short.release.weights
        column = int(np.flatnonzero(weights == 0)[0])

        def score(shard: Shard) -> Score:
            def values(candidates: Candidates) -> Floats:
                features = short.release.view.features(shard, candidates)
                own = self.values(state_of(features, candidates, len(shard.vocabularies.channels)))
                action = np.where(candidates.is_hold, 0, candidates.channel + 1)
                found = short.release.model.predict(features)
                found[:, column] = own[candidates.row, action]
                return found

            return values

        return Contender(self.name, ByChannel(self.name, weights, column), score)


def write_transitions(ground: Ground, path: Path) -> tuple[Floats, Floats]:
    """Write the steps of all users that training saw, and return mean and scale of the states' columns."""
    release, channels = ground.release, len(ground.vocabularies.channels)
    config = release.config
    daily = {name: o if o.scope == "decision" else o.within("1d") for name, o in config.objectives.items()}
    state, action, reward, cut = [], [], [], []
    for shard in ground.shards():
        log = shard.decisions
        part = release.split.assign(shard.users, log.user, log.epoch_at)
        for row in batches(log, (part == TRAIN) | (part == CALIBRATION)):
            seen = replay(shard, row, config)
            gained = outcomes_of(shard, seen.row, with_objectives(config, daily), release.watermark)
            gained = worth(gained, release.weights)
            known = np.isfinite(gained)
            user = log.user[seen.row[known]]
            state.append(
                state_of(release.view.features(shard, seen.candidates), seen.candidates, channels)[known]
            )
            action.append(np.where(log.message[seen.row] < 0, 0, log.channel[seen.row] + 1)[known])
            reward.append(gained[known].astype(np.float32))
            cut.append(np.append(user[1:] != user[:-1], True))
    states = np.concatenate(state)
    mean, scale = moments(states)
    np.savez(
        path,
        state=np.nan_to_num((states - mean) / scale),
        action=np.concatenate(action),
        reward=np.concatenate(reward),
        cut=np.concatenate(cut),
        actions=channels + 1,
        gamma=np.exp(-1 / DAYS),
    )
    return mean, scale


def moments(states: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column's known values, 0 and 1 where there are none."""
    known = np.isfinite(states)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, states, 0).sum(axis=0, dtype=np.float64) / count
    scale = np.sqrt((np.where(known, states - mean, 0) ** 2).sum(axis=0) / count)
    return mean.astype(np.float32), np.where(scale > 0, scale, 1).astype(np.float32)


def train_peer(
    algorithm: str, python: Path, steps: int, seed: int, transitions: Path, mean: Floats, scale: Floats
) -> Peer:
    """Train `cql` or `dqn` by another interpreter, which has d3rlpy."""
    target = transitions.with_name(f"{algorithm}.npz")
    told = [algorithm, str(steps), str(seed), str(transitions), str(target)]
    subprocess.run([str(python), "-W", "ignore", str(SCRIPT), *told], check=True, stdout=sys.stderr)
    found = np.load(target)
    layers = tuple((found[f"weight{k}"], found[f"bias{k}"]) for k in range(len(found.files) // 2))
    return Peer(f"d3rlpy-{algorithm}", layers, mean, scale, float(found["cpu_s"]))
