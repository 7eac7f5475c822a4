from pathlib import Path

import minari
import numpy as np
import pytest

from homing.schema import InputError
from homing.simulator import Setup
from homing.simulator.environment import WorldVectorEnv
from homing.simulator.minari_export import cautious, export_minari

pytestmark = pytest.mark.slow

NAME = "homing/streaming-cautious-v0"
DAYS, USERS = 4, 25


def env() -> WorldVectorEnv:
    return WorldVectorEnv("streaming", Setup(USERS, DAYS))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    return tmp_path / "minari"


def test_what_minari_loads_is_what_happened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_minari(folder, NAME, env(), seed=5)
    assert not (folder.parent / "home").exists()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    found = minari.load_dataset(NAME)
    assert (found.total_episodes, found.total_steps) == (USERS, USERS * DAYS)
    world = env()
    assert found.observation_space == world.single_observation_space
    assert found.action_space == world.single_action_space
    assert found.storage.metadata["observation_names"] == list(world.observation_names)

    episodes = list(found.iterate_episodes())
    observation, info = world.reset(seed=5)
    for day in range(DAYS):
        actions = np.array([episode.actions[day] for episode in episodes])
        mask = info["action_mask"]
        propensity = cautious(observation, mask)[np.arange(USERS), actions]
        for user, episode in enumerate(episodes):
            np.testing.assert_array_equal(episode.observations[day], observation[user])
            np.testing.assert_array_equal(episode.infos["action_mask"][day], mask[user])
            assert episode.infos["propensity"][day, 0] == propensity[user] > 0
        observation, reward, _, _, info = world.step(actions)
        assert [episode.rewards[day] for episode in episodes] == reward.tolist()
        assert not info["illegal"].any()
    for user, episode in enumerate(episodes):
        np.testing.assert_array_equal(episode.observations[-1], observation[user])
        assert episode.truncations.tolist() == [False] * (DAYS - 1) + [True]
        assert not episode.terminations.any()
        assert np.isnan(episode.infos["propensity"][-1, 0])
    assert 0.3 < np.mean([episode.actions > 0 for episode in episodes]) < 0.55


def test_the_behaviour_is_drawn_from(folder: Path) -> None:
    def often_last(observation, mask):
        """Draw the last possible action with probability 0.75, else the first, which is hold."""
        p = np.zeros(mask.shape)
        last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
        p[:, 0] += 0.25
        p[np.arange(len(mask)), last] += 0.75
        return p

    many = WorldVectorEnv("streaming", Setup(150, 2))
    path = export_minari(folder, "often-last-v1", many, often_last)
    found = minari.MinariDataset(path)
    assert found.storage.metadata["algorithm_name"] == "often_last"
    steps = [
        (action, episode.infos["propensity"][day, 0])
        for episode in found.iterate_episodes()
        for day, action in enumerate(episode.actions)
    ]
    assert {p for action, p in steps if action == 0} == {0.25, 1.0}
    assert {p for action, p in steps if action > 0} == {0.75}
    choice = [action > 0 for action, p in steps if p < 1]
    assert abs(np.mean(choice) - 0.75) < 4 * np.sqrt(0.75 * 0.25 / len(choice))


def test_a_relative_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    path = export_minari(Path("here"), NAME, env())
    assert path == folder.parent / "here" / NAME / "data"
    assert minari.MinariDataset(path).total_episodes == USERS


def test_a_data_set_is_not_written_twice(folder: Path) -> None:
    export_minari(folder, NAME, env())
    with pytest.raises(InputError, match="exists; write under another id"):
        export_minari(folder, NAME, env())


@pytest.mark.parametrize("name", ["", "../elsewhere-v0", "no spaces-v0"])
def test_names_that_minari_does_not_take_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="must be like"):
        export_minari(folder, name, env())
    assert not folder.exists()


@pytest.mark.parametrize(
    ("behaviour", "rule"),
    [
        (lambda observation, mask: mask / 2.0, "sum to"),
        (lambda observation, mask: np.full(mask.shape, 1 / mask.shape[1]), "be 0 where the mask is"),
        (lambda observation, mask: np.ones(len(mask)), "gave shape"),
    ],
)
def test_behaviours_that_are_no_distributions_are_refused(folder: Path, behaviour, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        export_minari(folder, NAME, env(), behaviour)
    assert not folder.exists()
