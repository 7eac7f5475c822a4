"""A log whose truth is known: does learning find it, and do the estimates tell its worth?

Message a converts users with x_a = 1 only, message b those with x_a = 0 only; half of the users are of each
kind. The log draws hold, a and b alike.

    rate(kind, choice):  0.30 for the message of one's kind, 0.05 for the other one, 0.05 for hold
    logging              0.05 + 0.25 / 3 = 0.1333
    a or b to all        0.05 + 0.25 / 2 = 0.1750
    to each their own    0.30
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from homing.decision import Context
from homing.decision.replay import replay
from homing.lifecycle.evaluate import Evaluated, evaluate
from homing.lifecycle.report import make_report
from homing.lifecycle.splits import TEST
from homing.lifecycle.train import Trained, train
from homing.report.facts import PolicyValue
from homing.schema.times import DAY, HOUR, MISSING, parse_time
from homing.store import Workspace, ingest, load_shard, write_tables

pytestmark = pytest.mark.slow

USERS = 6_000
EPOCH = parse_time("2026-03-02T00:00Z")
BASE, LIFT = 0.05, 0.25
TOML = """\
[workspace]
partitions = 2

[channels.push]

[slots]
starts = ["09:00"]

[objectives.sales]
event = "converted"
window = "2d"

[events]
complete_until = "2026-03-05T00:00Z"

[training]
split = "user"
test_share = 0.5
members = 1
hidden = [32]

[engine]
threads = 1
"""


@dataclass(frozen=True)
class Learned:
    workspace: Workspace
    trained: Trained
    evaluated: Evaluated


def write_log(folder: Path) -> None:
    random = np.random.default_rng(11)
    users = np.array([f"u{n:05d}" for n in range(USERS)])
    likes_a = np.arange(USERS) % 2
    choice = random.integers(0, 3, USERS)  # 0: hold, 1: a, 2: b
    suits = (choice == 1) & (likes_a == 1) | (choice == 2) & (likes_a == 0)
    bought = random.random(USERS) < BASE + LIFT * suits
    message = np.array(["", "a", "b"])[choice]
    sent = choice > 0
    both = np.repeat(users, 2)
    named = np.tile(["a", "b"], USERS)

    def at(instant: int, rows: int) -> np.ndarray:
        return np.full(rows, instant, np.int64)

    write_tables(
        folder,
        {
            "users": {"user_id": users, "x_a": likes_a.astype(np.float64)},
            "messages": {
                "message_id": np.array(["a", "b"]),
                "domain": np.array(["shop", "shop"]),
                "category": np.array(["a", "b"]),
                "channels": np.array([["push"], ["push"], None], dtype=object)[:2],
            },
            "consents": {
                "user_id": users,
                "channel": np.full(USERS, "push"),
                "at": at(EPOCH - DAY, USERS),
                "reachable": np.ones(USERS, np.bool_),
            },
            "opportunities": {
                "opportunity_id": np.char.add(np.char.add(both, "-"), named),
                "user_id": both,
                "message_id": named,
                "generator": np.full(2 * USERS, "trial"),
                "created_at": at(EPOCH - HOUR, 2 * USERS),
                "expires_at": at(EPOCH + DAY, 2 * USERS),
            },
            "decisions": {
                "decision_id": np.char.add("d-", users),
                "release_id": np.full(USERS, "trial"),
                "epoch_at": at(EPOCH, USERS),
                "user_id": users,
                "opportunity_id": np.where(sent, np.char.add(np.char.add(users, "-"), message), ""),
                "message_id": message,
                "channel": np.where(sent, "push", ""),
                "slot_start": np.where(sent, EPOCH + 9 * HOUR, MISSING),
                "slot_end": np.where(sent, EPOCH + 10 * HOUR, MISSING),
                "action": np.where(sent, "send", "hold"),
                "propensity": np.full(USERS, 1 / 3),
                "candidates": np.full(USERS, 3),
            },
            "events": {
                "event_id": np.char.add("e-", users[bought]),
                "user_id": users[bought],
                "at": at(EPOCH + 20 * HOUR, int(bought.sum())),
                "type": np.full(int(bought.sum()), "converted"),
            },
        },
    )


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    folder = tmp_path_factory.mktemp("known")
    workspace = Workspace.create(folder / "workspace", TOML)
    write_log(folder / "log")
    summary = ingest(workspace, [folder / "log"])
    assert all(table.quarantined == 0 for table in summary.tables.values())
    return Learned(workspace, train(workspace), evaluate(workspace))


@pytest.fixture
def policies(learned: Learned) -> dict[str, PolicyValue]:
    return {policy.policy: policy for policy in learned.evaluated.values.objectives[0].policies}


def true_value(learned: Learned, greedy: bool) -> float:
    """Return the exact mean of the policy's known conversion rates over the held-out users."""
    release, worth = learned.trained.release, []
    for partition in range(learned.workspace.ledger.partitions):
        shard = load_shard(learned.workspace, partition).shard
        log = shard.decisions
        rows = np.flatnonzero(release.split.assign(shard.users, log.user, log.epoch_at) == TEST)
        seen = replay(shard, rows, release.config)
        assert (seen.candidates.counts == 3).all()
        values = release.model.predict(release.view.features(shard, seen.candidates))
        policy = release.greedy() if greedy else release.policy()
        share = policy.probabilities(Context(shard, seen.candidates, values)).reshape(-1, 3)
        likes_a = shard.users.numeric[log.user[rows], 0] == 1
        a, b = (shard.vocabularies.messages.code(name) for name in ("a", "b"))
        suits = np.where(likes_a, a, b)[:, None] == seen.candidates.message.reshape(-1, 3)
        worth.append((share * (BASE + LIFT * suits)).sum(axis=1))
    return float(np.concatenate(worth).mean())


def test_the_policy_finds_to_each_their_own(learned: Learned) -> None:
    best = BASE + LIFT
    assert true_value(learned, greedy=True) > best - 0.01
    share = learned.trained.release.config.exploration.best_share
    assert true_value(learned, greedy=False) == pytest.approx(BASE + LIFT * share, abs=0.02)


@pytest.mark.parametrize("name", ["learned", "greedy"])
def test_it_is_judged_better_than_the_log_and_than_both_constants(
    policies: dict[str, PolicyValue], name: str
) -> None:
    found = policies[name]
    assert found.judgement == "better"
    assert found.versus_constant is not None
    assert found.versus_constant.low > 0
    for constant in ("constant:a", "constant:b", "hold", "uniform"):
        assert found.value.low > policies[constant].value.value


@pytest.mark.parametrize("name", ["learned", "greedy"])
def test_the_intervals_hold_the_exact_value(
    learned: Learned, policies: dict[str, PolicyValue], name: str
) -> None:
    truth = true_value(learned, greedy=name == "greedy")
    for estimator in policies[name].estimators:
        if estimator.name != "DM":  # it has no interval for the model's own error
            assert estimator.estimate.low < truth < estimator.estimate.high, estimator.name


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("logging", BASE + LIFT / 3),
        ("uniform", BASE + LIFT / 3),
        ("hold", BASE),
        ("constant:a", BASE + LIFT / 2),
        ("constant:b", BASE + LIFT / 2),
    ],
)
def test_policies_of_a_known_worth(policies: dict[str, PolicyValue], name: str, truth: float) -> None:
    value = policies[name].value
    assert value.low < truth < value.high


def test_the_report_says_so(learned: Learned) -> None:
    header = make_report(learned.workspace).facts.header
    assert "The learned policy is better than the log" in header.verdict
    assert "It beats the best constant policy, sending " in header.verdict
    assert header.tone == "good"
