import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from small_world import SmallWorld

from homing.decision import Context, Policy
from homing.decision.contract import PolicyContract
from homing.decision.replay import replay
from homing.lifecycle.policies import Habit, Released, habit_of, logging_releases, make_policy, policy_names
from homing.lifecycle.worlds.entrants import CautiousRandom
from homing.schema import Candidates, InputError, Instants, Shard
from homing.store import Workspace, load_shard


def candidates(message: list[list[int]], channel: list[list[int]]) -> Candidates:
    counts = [len(row) for row in message]
    n, rows = sum(counts), len(counts)
    flat = np.array([code for row in message for code in row], np.int32)
    at = np.zeros(n, np.int64)
    return Candidates(
        rows=Instants(np.arange(rows, dtype=np.int32), np.zeros(rows, np.int64)),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        opportunity=flat,
        message=flat,
        channel=np.array([code for row in channel for code in row], np.int16),
        slot_start=at,
        slot_end=at,
        hour_of_week=at.astype(np.int16),
    )


def test_a_habit_by_hand(small_world: SmallWorld) -> None:
    """Of 10 decisions, 5 held, 3 sent message 0 by push and 2 message 1 by e-mail; none of message 2.

    Row 0 has all of it, message 0 in two slots. Row 1 cannot get message 1: 5 and 3 of 8. Row 2 has hold
    and message 2 only. Row 3 is a log that never holds, below.
    """
    chosen = np.zeros((4, 3), np.int64)
    chosen[-1, -1], chosen[0, 0], chosen[1, 1] = 5, 3, 2
    offered = candidates(
        [[-1, 0, 0, 1], [-1, 0], [-1, 2]],
        [[-1, 0, 0, 1], [-1, 0], [-1, 0]],
    )
    share = Habit("other", chosen).probabilities(Context(_no_shard(small_world), offered))
    assert share.tolist() == pytest.approx([0.5, 0.15, 0.15, 0.2, 5 / 8, 3 / 8, 1.0, 0.0])


def test_a_habit_holds_where_it_never_chose_anything_on_offer(small_world: SmallWorld) -> None:
    chosen = np.zeros((4, 3), np.int64)
    chosen[0, 0] = 7
    offered = candidates([[-1, 0], [-1, 1, 1]], [[-1, 0], [-1, 0, 1]])
    share = Habit("never holds", chosen).probabilities(Context(_no_shard(small_world), offered))
    assert share.tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]


def test_names_become_policies(small_world: SmallWorld) -> None:
    workspace, release = small_world.workspace, small_world.trained.release
    vocabularies = workspace.ledger.vocabularies()
    names = policy_names(workspace.config, release, vocabularies)
    assert names[:4] == ("hold", "uniform", "learned", "greedy")
    assert "learned:annoyance" in names
    message = vocabularies.messages.names[3]
    for name in (*names, f"constant:{message}", "greedy:conversion", f"release:{release.id}"):
        assert make_policy(name, workspace, release, vocabularies, []).name == name


def test_a_release_decides_by_the_values_of_its_own_model(small_world: SmallWorld) -> None:
    release, workspace = small_world.trained.release, small_world.workspace
    shard = load_shard(workspace, 0).shard
    seen = replay(shard, np.arange(50), release.view.config)
    features = release.view.features(shard, seen.candidates)
    values = release.model.predict(features)
    own = Context(shard, seen.candidates, values)
    others = Context(shard, seen.candidates, np.zeros_like(values))
    policy = Released("release:r-1", release)
    np.testing.assert_array_equal(policy.probabilities(others), release.policy().probabilities(own))
    assert policy.floor == release.config.exploration.floor


def test_releases_that_wrote_the_log_can_be_asked_again(
    small_world: SmallWorld, copied: Callable[[], Workspace]
) -> None:
    workspace, release = copied(), small_world.trained.release
    vocabularies = workspace.ledger.vocabularies()
    logs = [load_shard(workspace, part).shard.decisions for part in range(workspace.ledger.partitions)]
    code = vocabularies.releases.code(release.id)
    found = logging_releases(workspace, release, vocabularies, logs)
    assert {place: policy.name for place, policy in found.items()} == {code: f"release:{release.id}"}
    (workspace.releases_path / release.id / "release.json").write_text("{}")
    other = dataclasses.replace(release, id="r-other")  # the log's has to be read
    assert logging_releases(workspace, other, vocabularies, logs) == {}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("holdd", r"must be one of hold, .*did you mean 'hold'\?"),
        ("learned:conversoin", r"no such learned; did you mean 'conversion'\?"),
        ("constant:zzz", "no such constant; there are .*[a-z]"),
        ("release:zzz", "no such release"),
    ],
)
def test_a_name_that_is_no_policy_is_an_error(small_world: SmallWorld, name: str, says: str) -> None:
    workspace = small_world.workspace
    with pytest.raises(InputError, match=says):
        make_policy(name, workspace, small_world.trained.release, workspace.ledger.vocabularies(), [])


def _no_shard(world: SmallWorld):  # type: ignore[no-untyped-def]
    from homing.store import load_shard

    return load_shard(world.workspace, 0).shard


class TestRandom(PolicyContract):
    def make(self, shard: Shard) -> Policy:
        return CautiousRandom()


class TestHabit(PolicyContract):
    def make(self, shard: Shard) -> Policy:
        return habit_of("foreign", [shard.decisions], -1, shard.vocabularies)  # of no release
