from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homing.schema import InputError
from homing.schema.times import DAY
from homing.store.lookup import find_decision, find_user, history
from homing.store.shards import load_shard

from .tables import random_log, write


def test_every_user_and_decision_is_found_where_the_shards_have_it(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w", random_log(np.random.default_rng(4), 15))
    found = 0
    for partition in range(2):
        loaded = load_shard(workspace, partition)
        for row, user_id in enumerate(loaded.ids.users):
            place = find_user(workspace, user_id)
            assert (place.partition, place.row) == (partition, row)
        for row, decision_id in enumerate(loaded.ids.decisions):
            decision = find_decision(workspace, decision_id)
            assert decision.user.row == loaded.shard.decisions.user[row]
            assert decision.columns["propensity"] == loaded.shard.decisions.propensity[row]
            assert decision.columns["decision_id"] == decision_id
            found += 1
    assert found > 5


def test_a_user_who_came_twice_has_one_row(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(4), 15)
    workspace = write(tmp_path / "w", log, type(log)(users=log.users[::2]))
    for partition in range(2):
        for row, user_id in enumerate(load_shard(workspace, partition).ids.users):
            assert find_user(workspace, user_id).row == row


def test_history_has_the_newest_first_and_stops_before_an_instant(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(9), 5)
    workspace = write(tmp_path / "w", log)
    user = find_user(workspace, "user-2")
    whole = history(workspace, user)
    decisions = [row["decision_id"] for row in log.decisions if row["user_id"] == "user-2"]
    events = [row["event_id"] for row in log.events if row["user_id"] == "user-2"]
    assert {h.columns["decision_id"] for h in whole if h.table == "decisions"} == set(decisions)
    assert {h.columns["event_id"] for h in whole if h.table == "events"} == set(events)
    assert len(whole) == len(decisions) + len(events) > 5
    instants = [happening.at for happening in whole]
    assert instants == sorted(instants, reverse=True)
    assert history(workspace, user, until=2 * DAY) == tuple(h for h in whole if h.at < 2 * DAY)
    assert history(workspace, user, limit=3) == whole[:3]


def test_what_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w", random_log(np.random.default_rng(4), 5))
    with pytest.raises(InputError, match=r"user 'User-1' is not in the ledger.*case-sensitive"):
        find_user(workspace, "User-1")
    with pytest.raises(InputError, match=r"decision 'nope' is not in the ledger.*homing explain --user"):
        find_decision(workspace, "nope")
