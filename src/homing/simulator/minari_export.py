"""Logs of a behaviour policy in a world as a Minari data set, for offline reinforcement learning.

The extra `homing[gym]` installs Minari. Each user is an episode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minari
import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_dataset import parse_dataset_id
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from homing.schema import InputError
from homing.simulator.environment import WorldVectorEnv

Floats = NDArray[np.float32]

#: Observations [users, numbers] and the mask int8 [users, actions] to probabilities float64 [users, actions].
Behaviour = Callable[[Floats, NDArray[np.int8]], NDArray[np.float64]]


def cautious(observation: Floats, mask: NDArray[np.int8]) -> NDArray[np.float64]:
    """Hold with probability 1/2, and else draw alike from what is possible, [users, actions]."""
    others = mask[:, 1:].sum(axis=1, keepdims=True, dtype=np.float64)
    send = 0.5 * mask[:, 1:] / np.maximum(others, 1)
    return np.concatenate([1 - send.sum(axis=1, keepdims=True), send], axis=1)


def export_minari(
    folder: Path,
    dataset_id: str,
    env: WorldVectorEnv,
    behaviour: Behaviour = cautious,
    *,
    seed: int = 0,
    description: str = "",
) -> Path:
    """Run one episode of every user, and write it as a Minari data set.

    `infos` of an episode has, beside each action, its `propensity` (the exact probability with which it was
    drawn) and the `action_mask` that it was drawn under; at the last observation, which has no action, they
    are NaN and zeros. They have shapes [days + 1, 1] and [days + 1, actions].

    `minari.load_dataset(dataset_id)` finds the set where the environment variable MINARI_DATASETS_PATH is
    `folder`; `minari.MinariDataset(path)` needs no variable.

    Args:
        folder: of Minari data sets; made if it is not there.
        dataset_id: Minari's name for it, such as `homing/streaming-cautious-v0`.
        env: the world; it is reset to the population of `seed`.
        behaviour: who decides. Probabilities of what is not possible must be 0.
        seed: of the population and of the draws, >= 0.
        description: what Minari says of it.

    Returns:
        The folder of the data.

    Raises:
        InputError: the name is not one of Minari's, there is a data set of that name, or the behaviour's rows
            are not distributions over what is possible.
    """
    try:
        parse_dataset_id(dataset_id)
    except ValueError as error:
        raise InputError(
            f"dataset_id == {dataset_id!r}, must be like 'homing/streaming-cautious-v0'"
        ) from error
    path = folder.resolve() / dataset_id / "data"  # Minari does not count files below a relative path
    if path.exists():
        raise InputError(f"{path} exists; write under another id or version, or delete it")
    log = _run(env, behaviour, seed)
    path.mkdir(parents=True)
    storage = MinariStorage.new(
        path,
        observation_space=env.single_observation_space,
        action_space=env.single_action_space,
        data_format="hdf5",
    )
    storage.update_metadata(
        {
            "dataset_id": dataset_id,
            "minari_version": minari.__version__,
            "algorithm_name": getattr(behaviour, "__name__", type(behaviour).__name__),
            "description": description or f"{env.num_envs} users of a simulated world, {env.world.days} days",
            "observation_names": list(env.observation_names),
        }
    )
    storage.update_episodes(log.episodes(seed))
    return path


@dataclass(frozen=True)
class _Log:
    observations: Floats  # [days + 1, users, numbers]
    masks: NDArray[np.int8]  # [days + 1, users, actions]
    actions: NDArray[np.int64]  # [days, users]
    rewards: NDArray[np.float64]  # [days, users]
    propensities: NDArray[np.float64]  # [days + 1, users]

    def episodes(self, seed: int) -> Iterator[EpisodeBuffer]:
        days, users = self.actions.shape
        over = np.arange(days) == days - 1
        for user in range(users):
            infos: dict[str, Any] = {
                "propensity": np.ascontiguousarray(self.propensities[:, user, None]),
                "action_mask": np.ascontiguousarray(self.masks[:, user]),
            }
            yield EpisodeBuffer(
                id=user,
                seed=seed,
                observations=np.ascontiguousarray(self.observations[:, user]),
                actions=np.ascontiguousarray(self.actions[:, user]),
                rewards=np.ascontiguousarray(self.rewards[:, user]),
                terminations=np.zeros(days, np.bool_),
                truncations=over,
                infos=infos,
            )


def _run(env: WorldVectorEnv, behaviour: Behaviour, seed: int) -> _Log:
    """Run one episode; what a user draws on a day depends on (seed, day, user) only."""
    observation, info = env.reset(seed=seed)
    observations, masks = [observation], [info["action_mask"]]
    actions, rewards, propensities = [], [], []
    for day in range(env.world.days):
        p = behaviour(observations[-1], masks[-1])
        _check(p, masks[-1])
        uniform = np.random.default_rng([seed, day]).random(env.num_envs)
        edges = np.cumsum(p, axis=1)
        # beyond the last possible action there is only rounding
        chosen = np.minimum((uniform[:, None] >= edges).sum(axis=1), p.shape[1] - 1 - _zeros_behind(p))
        observation, reward, _, _, info = env.step(chosen)
        observations.append(observation)
        masks.append(info["action_mask"])
        actions.append(chosen)
        rewards.append(reward)
        propensities.append(p[np.arange(env.num_envs), chosen])
    masks[-1] = np.zeros_like(masks[-1])
    propensities.append(np.full(env.num_envs, np.nan))
    return _Log(*(np.stack(column) for column in (observations, masks, actions, rewards, propensities)))


def _zeros_behind(p: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many zeros end each row, [rows]."""
    return np.asarray((p[:, ::-1] > 0).argmax(axis=1))


def _check(p: NDArray[np.float64], mask: NDArray[np.int8]) -> None:
    if p.shape != mask.shape:
        raise InputError(f"behaviour gave shape {p.shape}, must be [users, actions]: {mask.shape}")
    bad = ~(p >= 0).all(axis=1) | (np.abs(p.sum(axis=1) - 1) > 1e-9) | ((p > 0) & (mask == 0)).any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"behaviour: probabilities of user {row} sum to {p[row].sum()} with {p[row].min()} as the least, "
            "must be >= 0, sum to 1, and be 0 where the mask is"
        )
