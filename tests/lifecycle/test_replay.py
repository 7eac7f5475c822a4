import dataclasses

import numpy as np
import pytest
from small_world import SmallWorld

from homing.decision import build_candidates
from homing.decision.replay import Replay, batches, replay, take_rows
from homing.lifecycle import replay as replay_module
from homing.lifecycle.release import load_release
from homing.lifecycle.replay import chosen_candidates
from homing.schema import Config, Features, Shard, parse_config
from homing.store import load_shard


def shard_of(world: SmallWorld) -> Shard:
    return load_shard(world.workspace, 0).shard


def changed(config: Config, **sections: object) -> Config:
    return parse_config(config.model_dump(mode="json") | sections)


def replay_all(shard: Shard, config: Config) -> Replay:
    return replay(shard, np.arange(len(shard.decisions)), config)


def test_a_replay_sees_exactly_the_logged_sets(small_world: SmallWorld) -> None:
    shard = shard_of(small_world)
    seen = replay_all(shard, small_world.workspace.config)
    log = shard.decisions
    assert len(log) > 5_000
    assert (log.candidate_set != 0).any(axis=1).all()  # there was a hash to compare with
    assert seen.same_set.all()
    assert seen.lost == 0
    assert np.array_equal(seen.candidates.counts, log.candidates)
    chosen = seen.candidates.pick(seen.chosen)
    assert np.array_equal(chosen.message, log.message)
    assert np.array_equal(chosen.channel, log.channel)
    sent = log.message >= 0
    assert np.array_equal(chosen.slot_start[sent], log.slot_start[sent])
    assert np.array_equal(chosen.opportunity, log.opportunity)


def test_the_logged_propensities_are_those_of_the_policy_that_logged(small_world: SmallWorld) -> None:
    """The demo's policy holds with 0.5, and else draws alike: 0.5 / (candidates - 1)."""
    log = shard_of(small_world).decisions
    log_only = log.epoch_at < small_world.end
    others = log.candidates - 1
    expected = np.where(log.message < 0, np.where(others == 0, 1.0, 0.5), 0.5 / np.maximum(others, 1))
    assert np.allclose(log.propensity[log_only], expected[log_only])


def test_a_tighter_rule_is_noticed_and_what_it_forbids_is_left_out(small_world: SmallWorld) -> None:
    shard, config = shard_of(small_world), small_world.workspace.config
    channels = config.model_dump(mode="json")["channels"]
    channels["in_app"]["caps"] = [{"max": 0, "per": "1d"}]
    seen = replay_all(shard, changed(config, channels=channels))
    in_app = shard.vocabularies.channels.code("in_app")
    forbidden = shard.decisions.channel == in_app
    assert seen.lost == forbidden.sum() > 0
    assert np.array_equal(seen.row, np.flatnonzero(~forbidden))
    assert not seen.same_set.all()
    assert not (seen.candidates.channel == in_app).any()
    assert np.array_equal(seen.candidates.pick(seen.chosen).message, shard.decisions.message[seen.row])


def test_a_looser_rule_is_noticed_and_loses_nothing(small_world: SmallWorld) -> None:
    shard, config = shard_of(small_world), small_world.workspace.config
    seen = replay_all(shard, changed(config, limits={}))
    assert seen.lost == 0
    assert not seen.same_set.all()
    assert (seen.candidates.counts >= shard.decisions.candidates).all()


def test_sets_without_a_logged_hash_are_not_accused(small_world: SmallWorld) -> None:
    shard = shard_of(small_world)
    unknown = dataclasses.replace(shard.decisions, candidate_set=np.zeros_like(shard.decisions.candidate_set))
    config = changed(small_world.workspace.config, limits={})
    assert replay_all(dataclasses.replace(shard, decisions=unknown), config).same_set.all()


def test_a_part_is_replayed_as_in_the_whole(small_world: SmallWorld) -> None:
    shard, config = shard_of(small_world), small_world.workspace.config
    whole, rows = replay_all(shard, config), np.arange(0, len(shard.decisions), 7)
    part, taken = replay(shard, rows, config), take_rows(whole.candidates, rows)
    for name in ("offsets", "opportunity", "message", "channel", "slot_start", "slot_end", "hour_of_week"):
        assert np.array_equal(getattr(part.candidates, name), getattr(taken, name)), name


def test_choices_alone_are_those_among_the_candidates(small_world: SmallWorld) -> None:
    shard, config = shard_of(small_world), small_world.workspace.config
    seen = replay_all(shard, config)
    alone, among = chosen_candidates(shard, seen.row), seen.candidates.pick(seen.chosen)
    for name in ("opportunity", "message", "channel", "slot_start", "slot_end", "hour_of_week"):
        assert np.array_equal(getattr(alone, name), getattr(among, name)), name


def test_batches_are_all_wanted_rows_in_order(small_world: SmallWorld) -> None:
    log = shard_of(small_world).decisions
    wanted = np.arange(len(log)) % 3 == 1
    assert np.concatenate(list(batches(log, wanted))).tolist() == np.flatnonzero(wanted).tolist()
    assert list(batches(log, np.zeros(len(log), np.bool_))) == []


def test_batches_are_the_features_in_parts(small_world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    shard, workspace = shard_of(small_world), small_world.workspace
    view = load_release(workspace, workspace.ledger.vocabularies()).view
    candidates, _ = build_candidates(shard, shard.decisions.instants, workspace.config)
    monkeypatch.setattr(replay_module, "_BATCH", 1_000)
    parts = list(view.batches(shard, candidates))
    assert [rows.start for rows, _ in parts] == list(range(0, len(candidates.rows), 1_000))
    whole, joined = view.features(shard, candidates), Features.concatenate([part for _, part in parts])
    for field in dataclasses.fields(Features):
        if field.name != "spec":
            np.testing.assert_array_equal(getattr(joined, field.name), getattr(whole, field.name))
