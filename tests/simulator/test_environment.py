import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, InputError
from homing.schema.times import DAY, HOUR, to_datetime
from homing.simulator import Setup, SimulatedWorld, World, world_maker
from homing.simulator.environment import Rewards, WorldVectorEnv
from homing.simulator.presets.streaming import STREAMING

SETUP = Setup(users=150, days=5, seed=7)
Agent = Callable[[NDArray[np.int8]], NDArray[np.int64]]


def random_agent(seed: int = 0) -> Agent:
    rng = np.random.default_rng(seed)
    return lambda mask: (rng.random(mask.shape) * mask).argmax(axis=1)


def hold(mask: NDArray[np.int8]) -> NDArray[np.int64]:
    return np.zeros(len(mask), np.int64)


def episode(env: WorldVectorEnv, agent: Agent, seed: int | None = None) -> list[tuple]:
    """Return what every step returned, the reset first."""
    observation, info = env.reset(seed=seed)
    steps = [(observation, np.zeros(env.num_envs), None, None, info)]
    for _ in range(env.world.days):
        steps.append(env.step(agent(steps[-1][-1]["action_mask"])))
    return steps


def counted(world: World, name: str, user: int | None = None) -> int:
    events = world.events()
    mine = events["type"] == EVENT_TYPES.index(name)
    return int((mine if user is None else mine & (events["user"] == user)).sum())


def test_spaces_hold_what_is_returned() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    assert env.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert env.observation_space.shape == (150, len(env.observation_names))
    assert env.single_action_space.n == 1 + 4 * 3 * 3
    for observation, reward, terminated, truncated, info in episode(env, random_agent())[1:]:
        assert observation in env.observation_space and observation.dtype == np.float32
        assert np.isfinite(observation).all()
        for column, dtype in ((reward, np.float64), (terminated, np.bool_), (truncated, np.bool_)):
            assert column.shape == (150,) and column.dtype == dtype
        assert info["action_mask"].shape == (150, 37) and (info["action_mask"][:, 0] == 1).all()
        assert {name for name in info if name.startswith("_")} == {
            f"_{name}" for name in info if not name.startswith("_")
        }
    assert env.action_space.sample(tuple(info["action_mask"])) in env.action_space
    assert len(set(env.observation_names)) == len(env.observation_names)


@pytest.mark.parametrize("agent", [random_agent, lambda: hold], ids=["random", "hold"])
def test_rewards_are_the_events_of_the_world(agent: Callable[[], Agent]) -> None:
    weights = Rewards(active_day=1.0, minute=0.25, conversion=3.0, opt_out=-5.0)
    env = WorldVectorEnv("streaming", replace(SETUP, users=400), rewards=weights)
    steps = episode(env, agent())
    total = np.sum([reward for _, reward, *_ in steps], axis=0)
    events = env.world.events()
    session = events["type"] == EVENT_TYPES.index("session")
    day = (events["at"] - env.world.start) // DAY
    active = len({(user, at) for user, at in zip(events["user"][session], day[session], strict=True)})
    minutes = events["value"][session].sum(dtype=np.float64)
    expected = active + 0.25 * minutes
    expected += 3 * counted(env.world, "converted") - 5 * counted(env.world, "opted_out")
    assert total.sum() == pytest.approx(expected)
    user = int(total.argmax())
    mine = {int(at) for at in day[session & (events["user"] == user)]}
    assert sum(step[-1]["active"][user] for step in steps[1:]) == len(mine) > 0
    assert (counted(env.world, "delivered") > 100) == (agent is random_agent)


def test_same_seed_and_actions_same_episode_and_another_seed_another() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    first, again = episode(env, random_agent(), 11), episode(env, random_agent(), 11)
    other = episode(WorldVectorEnv("streaming", SETUP), random_agent(), 11)
    for one, two, three in zip(first, again, other, strict=True):
        assert data_equivalence(one, two, exact=True) and data_equivalence(one, three, exact=True)
    assert not data_equivalence(first[-1][0], episode(env, random_agent(), 12)[-1][0])


def test_an_episode_of_holding_is_the_world_of_that_seed_without_sends() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    episode(env, hold, seed=3)
    world = world_maker("streaming")(replace(SETUP, seed=3))
    none = {name: np.empty(0, np.int64) for name in ("user", "message", "channel", "slot_start", "slot_end")}
    for day in range(SETUP.days):
        world.respond(day, **none, decision_id=np.empty((0, 2), np.uint64))
    for name, column in world.events().items():
        np.testing.assert_array_equal(column, env.world.events()[name])


def test_without_a_seed_the_first_episode_is_the_setups_and_later_ones_follow() -> None:
    def seeds(env: WorldVectorEnv) -> list[int]:
        found = []
        for _ in range(3):
            env.reset()
            found.append(env.world.setup.seed)
        return found

    first, again = (seeds(WorldVectorEnv("streaming", SETUP)) for _ in range(2))
    assert first == again and first[0] == 7 and len(set(first)) == 3
    env = WorldVectorEnv("streaming", SETUP)
    env.reset(seed=99)
    assert env.world.setup.seed == 99


def test_a_replicate_keeps_the_people() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    start, _ = env.reset(seed=1)
    one = [env.step(np.zeros(150, int))[0] for _ in range(3)]
    other, _ = env.reset(seed=1, options={"replicate": 2})
    np.testing.assert_array_equal(start, other)
    assert not np.array_equal(one[-1], [env.step(np.zeros(150, int))[0] for _ in range(3)][-1])


def test_episodes_end_together_and_the_next_step_begins_another() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    steps = episode(env, random_agent())
    assert not any(step[2].any() for step in steps[1:])
    assert [step[3].all() for step in steps[1:]] == [False] * 4 + [True]
    last = env.world
    observation, reward, terminated, truncated, info = env.step(np.full(150, 36))  # ignored
    assert env.world is not last and env.world.now == env.world.start
    assert not reward.any() and not terminated.any() and not truncated.any()
    assert "illegal" not in info and info["action_mask"].shape == (150, 37)
    fresh = WorldVectorEnv("streaming", replace(SETUP, seed=env.world.setup.seed))
    np.testing.assert_array_equal(observation, fresh.reset()[0])


def test_impossible_actions_become_hold_and_are_told() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    mask = env.reset()[1]["action_mask"]
    wrong = (mask == 0).any(axis=1) & (np.arange(150) < 60)
    impossible = mask.argmin(axis=1)
    assert wrong.sum() > 40
    info = env.step(np.where(wrong, impossible, 0))[-1]
    assert (info["illegal"] == wrong).all()
    assert counted(env.world, "delivered") + counted(env.world, "bounced") == 0


def test_the_mask_is_what_rules_allow_by_hand() -> None:
    env = WorldVectorEnv("streaming", SETUP, offers=3, hours=(9, 20))
    mask = env.reset()[1]["action_mask"]
    world, offers, allowed = env.world, env._offers, 0
    until = world.messages.valid_until
    for user in range(150):
        own = range(world.opportunities.offsets[user], world.opportunities.offsets[user + 1])
        alive = [
            row
            for row in own
            if world.opportunities.created_at[row] <= world.now < world.opportunities.expires_at[row]
        ]
        newest = sorted(alive, key=lambda row: -world.opportunities.created_at[row])[:3]
        assert offers[user].tolist() == newest + [-1] * (3 - len(newest))
        zone = ZoneInfo(world.vocabularies.zones.names[world.users.zone[user]])
        for place, row in enumerate(newest):
            message = world.opportunities.message[row]
            for channel in range(3):
                for slot, hour in enumerate((9, 20)):
                    (start,) = [
                        at
                        for at in range(world.now, world.now + DAY, HOUR // 4)
                        if (local := to_datetime(at).astimezone(zone)).hour == hour and local.minute == 0
                    ]
                    fits = (
                        world.messages.channels[message, channel]
                        and world.reachable()[user, channel]
                        and start >= world.opportunities.earliest_at[row]
                        and start + HOUR <= world.opportunities.expires_at[row]
                        and start >= world.messages.valid_from[message]
                        and (until[message] < 0 or start + HOUR <= until[message])
                    )
                    assert mask[user, 1 + (place * 3 + channel) * 2 + slot] == fits
                    allowed += bool(fits)
    assert allowed > 300


def test_what_is_sent_is_the_offer_through_the_channel_in_the_slot() -> None:
    env = WorldVectorEnv("streaming", SETUP, hours=(9, 20))
    mask = env.reset()[1]["action_mask"]
    offers, email = env._offers.copy(), env.world.vocabularies.channels.code("email")
    action = 1 + (1 * 3 + email) * 2 + 1  # the second offer, by e-mail, in the evening
    who = np.flatnonzero(mask[:, action])
    assert len(who) > 20
    env.step(np.where(mask[:, action] == 1, action, 0))
    events = env.world.events()
    got = (events["type"] == EVENT_TYPES.index("delivered")) | (
        events["type"] == EVENT_TYPES.index("bounced")
    )
    assert set(events["user"][got]) <= set(who) and got.sum() > 0.5 * len(who)
    for user, message, channel, at in zip(
        *(events[name][got] for name in ("user", "message", "channel", "at")), strict=True
    ):
        assert message == env.world.opportunities.message[offers[user, 1]] and channel == email
        zone = ZoneInfo(env.world.vocabularies.zones.names[env.world.users.zone[user]])
        assert to_datetime(int(at)).astimezone(zone).hour == 20


def test_counts_of_the_past_by_hand() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    place = {name: column for column, name in enumerate(env.observation_names)}
    observation = episode(env, random_agent())[-1][0]
    events, keeps = env.world.events(), 0.5 ** (1 / 7)
    age = env.world.days - 1 - (events["at"] - env.world.start) // DAY
    session = events["type"] == EVENT_TYPES.index("session")
    for column, weight in (("recent_session", 1.0), ("recent_minutes", events["value"][session])):
        recent = np.bincount(events["user"][session], weight * keeps ** age[session], minlength=150)
        np.testing.assert_allclose(observation[:, place[column]], np.log1p(recent), rtol=1e-5)
    last = np.full(150, 60)
    np.minimum.at(last, events["user"][session], age[session] + 1)
    np.testing.assert_allclose(observation[:, place["log_since_session"]], np.log1p(last), rtol=1e-6)
    sent = observation[:, [place[f"recent_sent={name}"] for name in SETUP.channels]]
    assert (sent.max(axis=1) > 0).mean() > 0.7 and np.expm1(sent).sum(axis=1).max() <= 5
    table = env.world.tables()["users"]
    np.testing.assert_array_equal(observation[:, place["x_plan=free"]], table["x_plan"] == "free")
    np.testing.assert_allclose(observation[:, place["x_library_size"]], table["x_library_size"])
    reachable = observation[:, [place[f"reachable={name}"] for name in SETUP.channels]]
    np.testing.assert_array_equal(reachable, env.world.reachable())


def test_observations_are_new_arrays() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    steps = episode(env, hold)
    kept = [(step[0].copy(), step[-1]["action_mask"].copy()) for step in steps]
    env.reset()
    for step, (observation, mask) in zip(steps, kept, strict=True):
        np.testing.assert_array_equal(step[0], observation)
        np.testing.assert_array_equal(step[-1]["action_mask"], mask)
    assert not any(np.shares_memory(steps[0][0], step[0]) for step in steps[1:])


def test_gymnasiums_wrappers_take_it() -> None:
    env = RecordEpisodeStatistics(WorldVectorEnv("streaming", SETUP))
    env.reset(seed=1)
    rewards = []
    for _ in range(SETUP.days):
        *_, info = step = env.step(np.zeros(150, int))
        rewards.append(step[1])
    np.testing.assert_allclose(info["episode"]["r"], np.sum(rewards, axis=0))
    assert (info["episode"]["l"] == SETUP.days).all()
    env.close()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"offers": 0}, "offers == 0"),
        ({"hours": ()}, "hours"),
        ({"hours": (9, 24)}, "hours"),
        ({"hours": (9, 9)}, "different hours"),
        ({"world": "steaming"}, "did you mean 'streaming'"),
        ({"setup": Setup(users=10_001, days=1)}, "must be <= 10,000"),
    ],
)
def test_impossible_environments_are_refused(arguments: dict[str, object], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        WorldVectorEnv(**({"world": "streaming", "setup": SETUP} | arguments))  # type: ignore[arg-type]


def test_impossible_calls_are_refused() -> None:
    env = WorldVectorEnv("streaming", SETUP)
    with pytest.raises(InputError, match="call reset first"):
        env.step(np.zeros(150, int))
    with pytest.raises(InputError, match="no key but 'replicate'"):
        env.reset(options={"seed": 1})
    env.reset()
    for wrong in (np.zeros(149, int), np.full(150, 37), np.full(150, -1)):
        with pytest.raises(InputError, match=r"must be \[150\], each in \[0, 36\]"):
            env.step(wrong)
    assert env.world.now == env.world.start


def test_names_that_depend_on_the_seed_are_refused() -> None:
    topics = {7: STREAMING.topics, 8: (*STREAMING.topics[:-1], "noise")}
    env = WorldVectorEnv(
        lambda setup: SimulatedWorld(replace(STREAMING, topics=topics[setup.seed]), setup), SETUP
    )
    with pytest.raises(InputError, match="must not depend on the seed"):
        env.reset(seed=8)


def test_the_simulator_does_without_gymnasium() -> None:
    code = (
        "import sys, homing.simulator, homing.app.cli; assert not {'gymnasium', 'minari'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
