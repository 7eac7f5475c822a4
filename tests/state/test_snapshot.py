"""A snapshot never changes a state, whatever came between."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import InputError, Instants
from homing.schema.times import DAY, HOUR
from homing.state import Snapshot, StateLayout, fold, snapshot
from state.state_world import (
    START,
    VOCABULARIES,
    config,
    cut_events,
    event,
    make_shard,
    random_instants,
    random_shard,
)
from state.test_fold import EVEN, LAYOUT, assert_same, at_one

seeds = st.integers(0, 2**32 - 1)
laws = settings(max_examples=40, deadline=None)


@laws
@given(seeds, st.lists(st.integers(-24, 45 * 24), min_size=1, max_size=4))
def test_any_chunking_gives_the_same_bits(seed: int, hours: list[int]) -> None:
    shard = random_shard(seed)
    kept = None
    for hour in sorted(hours):
        until = START + hour * HOUR
        kept = snapshot(cut_events(shard, until), until, LAYOUT, kept)
    instants = random_instants(seed, shard)
    assert_same(fold(shard, instants, LAYOUT, EVEN), fold(shard, instants, LAYOUT, EVEN, kept))


@laws
@given(seeds, seeds)
def test_late_events_re_fold_their_user(seed: int, other: int) -> None:
    shard = random_shard(seed)
    until = START + 20 * DAY
    kept = snapshot(random_shard(other), until, LAYOUT)
    instants = random_instants(seed, shard)
    # Another history under the same ids: where the numbers of rows differ, the snapshot must not be used.
    mine = np.array([before(shard, user, until) for user in range(len(shard.users))])
    theirs = np.array([before(random_shard(other), user, until) for user in range(len(shard.users))])
    late = np.flatnonzero((mine != theirs).any(axis=1) | (shard.users.zone != random_shard(other).users.zone))
    rows = np.isin(instants.user, late)
    chosen = Instants(instants.user[rows], instants.at[rows])
    assert_same(fold(shard, chosen, LAYOUT, EVEN), fold(shard, chosen, LAYOUT, EVEN, kept))


def before(shard, user: int, until: int) -> tuple[int, int]:
    events, consents = shard.events, shard.consents
    return (
        int((events.at[events.offsets[user] : events.offsets[user + 1]] < until).sum()),
        int((consents.at[consents.offsets[user] : consents.offsets[user + 1]] < until).sum()),
    )


def test_a_kept_accumulator_is_what_is_read() -> None:
    shard = make_shard([[event(START, "session")]])
    kept = snapshot(shard, START + DAY, LAYOUT)
    kept.sums[:] *= 2
    place = LAYOUT.count_names.index("session.organic.1d")
    later, earlier = at_one(0, START + DAY), at_one(0, START + HOUR)
    assert fold(shard, later, LAYOUT, EVEN, kept).counts[0, place] == 1.0
    assert fold(shard, earlier, LAYOUT, EVEN, kept).counts[0, place] < 1.0


def test_users_are_found_by_id_and_new_ones_start_empty() -> None:
    a, b, c = ([event(START + i * HOUR, "session")] * (i + 1) for i in range(3))
    kept = snapshot(make_shard([a, b], ids=[10, 20]), START + DAY, LAYOUT)
    shard = make_shard([c, b, a], ids=[5, 20, 10])
    rows = Instants(np.arange(3, dtype=np.int32), np.full(3, START + 2 * DAY))
    assert_same(fold(shard, rows, LAYOUT, EVEN), fold(shard, rows, LAYOUT, EVEN, kept))


def test_a_message_in_another_category_makes_the_snapshot_void() -> None:
    shard = make_shard([[event(START, "delivered", 0, 2)]])
    kept = snapshot(shard, START + DAY, LAYOUT)
    category = np.array([0, 1, 0, 0, 1], np.int32)
    moved = replace(shard, messages=replace(shard.messages, category=category))
    rows = at_one(0, START + DAY)
    assert_same(fold(moved, rows, LAYOUT, EVEN), fold(moved, rows, LAYOUT, EVEN, kept))


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    shard = random_shard(5)
    kept = snapshot(shard, START + 20 * DAY, LAYOUT)
    kept.save(tmp_path / "state.npz")
    loaded = Snapshot.load(tmp_path / "state.npz")
    for column in ("hash", "category", "sums", "marks"):
        np.testing.assert_array_equal(getattr(loaded, column), getattr(kept, column))
    assert (loaded.layout, loaded.watermark) == (kept.layout, kept.watermark)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def test_broken_files_and_other_layouts_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.npz"
    snapshot(random_shard(5), START, LAYOUT).save(broken)
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(InputError, match="no snapshot"):
        Snapshot.load(broken)
    shard = make_shard([[]])
    kept = snapshot(shard, START, LAYOUT)
    other = StateLayout.from_config(config(state={"half_lives": ["2d"]}), VOCABULARIES)
    with pytest.raises(InputError, match="another"):
        fold(shard, at_one(0, START), other, EVEN, kept)
    with pytest.raises(InputError, match="watermark"):
        snapshot(shard, START - 1, LAYOUT, kept)
