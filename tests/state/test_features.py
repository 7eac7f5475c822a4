"""The feature matrix: every column by hand, and what older specs do."""

from dataclasses import replace

import numpy as np
import pytest

from homing.schema import (
    Candidates,
    Features,
    FeatureSpec,
    InputError,
    Instants,
    Opportunities,
    Shard,
    Vocabulary,
)
from homing.schema.times import DAY, HOUR
from homing.state import StateLayout, build_features, feature_spec, fold
from state.state_world import START, VOCABULARIES, config, cut_events, event, make_shard

LAYOUT = StateLayout.from_config(config(), VOCABULARIES)
SPEC = feature_spec(LAYOUT, VOCABULARIES)
EVEN = np.ones(168, np.float32)
NOW = START + 10 * DAY  # a Wednesday, 00h


def world() -> tuple[Shard, Candidates]:
    opportunities = Opportunities(
        offsets=np.array([0, 2, 2]),
        hash=np.arange(2, dtype=np.uint64),
        message=np.array([1, 3], np.int32),
        generator=np.array([1, 0], np.int32),
        domain_value=np.array([-3.0, np.nan], np.float32),
        created_at=np.array([NOW - 2 * HOUR, NOW]),
        earliest_at=np.array([NOW - 2 * HOUR, NOW]),
        expires_at=np.array([NOW + DAY, NOW + 2 * DAY]),
        numeric=np.array([[0.25], [np.nan]], np.float32),
        categorical=np.array([[1], [-1]], np.int32),
    )
    own = [
        event(NOW - 7 * DAY, "delivered", 0, 1),
        event(NOW - 7 * DAY + HOUR, "opened", 0, 1),
        event(NOW - DAY, "session", value=30.0),
        event(NOW - 29 * DAY, "delivered", 1, 3),
        event(NOW + HOUR, "delivered", 0, 3),
    ]
    shard = make_shard([own, []], [[(START, 0, True)], []], opportunities=opportunities, zones=[0, 2])
    candidates = Candidates(
        rows=Instants(np.array([0, 1], np.int32), np.array([NOW, NOW])),
        offsets=np.array([0, 4, 5]),
        opportunity=np.array([-1, 0, 0, 1, -1], np.int32),
        message=np.array([-1, 1, 1, 3, -1], np.int32),
        channel=np.array([-1, 0, 1, 0, -1], np.int16),
        slot_start=np.array([NOW, NOW + 9 * HOUR, NOW + 9 * HOUR, NOW, NOW]),
        slot_end=np.array([NOW, NOW + 10 * HOUR, NOW + 10 * HOUR, NOW + HOUR, NOW]),
        hour_of_week=np.array([48, 57, 57, 48, 53], np.int16),
    )
    return shard, candidates


def build(shard: Shard, candidates: Candidates, spec: FeatureSpec = SPEC) -> Features:
    return build_features(shard, candidates, fold(shard, candidates.rows, LAYOUT, EVEN), LAYOUT, spec)


def column(features: Features, name: str) -> np.ndarray:
    return features.candidate[:, features.spec.candidate.index(name)]


def code(features: Features, name: str) -> list[int]:
    names = [known for known, _ in features.spec.candidate_codes]
    return features.candidate_codes[:, names.index(name)].tolist()


def test_shapes_and_names() -> None:
    features = build(*world())
    assert features.user.shape == (2, len(SPEC.user))
    assert features.candidate.shape == (5, len(SPEC.candidate))
    assert features.messages.shape == (5, 1)
    assert features.messages_codes.shape == (5, 4)
    names = [*SPEC.user, *SPEC.candidate, *SPEC.message]
    assert len(set(names)) == len(names)
    assert {"opened.push.7d", "since.session.organic", "reachable.email", "user.x_age"} <= set(SPEC.user)
    assert dict(SPEC.message_codes) == {"message": 5, "domain": 2, "category": 3, "message.x_mood": 3}
    assert features.message.tolist() == [-1, 1, 1, 3, -1]


def test_hold_has_no_values_of_a_candidate() -> None:
    features = build(*world())
    assert np.isnan(features.candidate[[0, 4]]).all()
    assert (features.candidate_codes[[0, 4]] == -1).all()
    assert not np.isnan(column(features, "slot.activity")[[1, 2, 3]]).any()


def test_candidate_columns_by_hand() -> None:
    features = build(*world())
    week = 7 * 24

    def check(name: str, expected: list[float]) -> None:
        np.testing.assert_allclose(column(features, name)[1:4], expected, rtol=1e-5, err_msg=name)

    check("domain_value", [-np.log(4), -np.log(4), np.nan])
    check("opportunity.age", np.log1p([11, 11, 0]))
    check("opportunity.expires_in", np.log1p([15, 15, 48]))
    check("slot.delay", np.log1p([9, 9, 0]))
    check("channel.since.delivered", np.log1p([week, 29 * 24, week]))
    check("channel.since.opened", [np.log(week), np.nan, np.log(week)])
    check("channel.delivered.1d", np.log1p([2**-7, 2**-29, 2**-7]))
    check("channel.delivered.28d", np.log1p([2**-0.25, 2 ** (-29 / 28), 2**-0.25]))
    opened = 2 ** (-(7 - 1 / 24) / 28) / (1 + 2**-0.25)
    check("channel.opened_rate.28d", [opened, 0, opened])
    check("category.exposure", np.log1p([2**-0.5, 2**-0.5, 2 ** (-29 / 14)]))
    response = 2 ** (-(7 - 1 / 24) / 14)
    check("category.response", [np.log1p(response), np.log1p(response), 0])
    check("category.response_rate", [response / (1 + 2**-0.5)] * 2 + [0])
    check("category.since.delivered", np.log1p([week, week, 29 * 24]))
    check("message.since.delivered", [np.log1p(week), np.log1p(week), np.nan])  # 29 days are too far back
    check("opportunity.x_fit", [0.25, 0.25, np.nan])
    # One session a day ago at hour 24, Tuesday 00h; the other 20 are spread over the week.
    weight = 2 ** (-1 / 28)
    even, busy = 20 / (20 + weight), (20 + 168 * weight) / (20 + weight)
    check("slot.activity", np.log1p([even, even, even]))
    check("slot.activity.hour", np.log1p([even, even, (6 * even + busy) / 7]))
    check("slot.activity.neighbours", np.log1p([even, even, even]))


def test_codes_by_hand() -> None:
    features = build(*world())
    assert code(features, "channel") == [-1, 0, 1, 0, -1]
    assert code(features, "generator") == [-1, 1, 1, 0, -1]
    assert code(features, "slot.hour") == [-1, 9, 9, 0, -1]
    assert code(features, "slot.weekday") == [-1, 2, 2, 2, -1]
    assert code(features, "opportunity.x_why") == [-1, 1, 1, -1, -1]
    assert features.user_codes.tolist() == [[2, -1], [2, 0]]
    assert features.messages_codes[2].tolist() == [2, 1, 2, 2]


def test_row_columns_by_hand() -> None:
    features = build(*world())
    one = dict(zip(SPEC.user, features.user[0].tolist(), strict=True))
    assert one["opened.push.7d"] == pytest.approx(np.log1p(2 ** (-(7 - 1 / 24) / 7)))
    assert one["value.session.1d"] == pytest.approx(np.log1p(15))
    assert one["since.session.organic"] == pytest.approx(np.log1p(24))
    assert np.isnan(one["since.converted.push"])
    assert one["reachable.push"] == 1
    assert np.isnan(one["reachable.email"])
    assert np.isnan(one["tenure"])
    assert one["epoch.hour.cos"] == 1
    other = dict(zip(SPEC.user, features.user[1].tolist(), strict=True))
    assert other["epoch.hour.sin"] == pytest.approx(np.sin(2 * np.pi * 5 / 24))  # 05:45 in Kathmandu
    assert other["user.x_age"] == 1


def test_a_spec_from_before_clips_new_codes_and_maps_columns_by_name() -> None:
    shard, candidates = world()
    older = replace(
        SPEC,
        message=("message.x_gone", "message.x_tempo"),
        message_codes=(("message", 3), ("domain", 2), ("category", 2), ("message.x_gone", 4)),
        candidate_codes=tuple((name, 1 if name == "generator" else n) for name, n in SPEC.candidate_codes),
    )
    features = build(shard, candidates, older)
    assert features.messages_codes[:, 0].tolist() == [0, 1, 2, -1, -1]
    assert features.messages_codes[:, 2].tolist() == [0, 1, -1, 0, 1]
    assert (features.messages_codes[:, 3] == -1).all()
    assert np.isnan(features.messages[:, 0]).all()
    np.testing.assert_array_equal(features.messages[:, 1], shard.messages.numeric[:, 0])
    assert code(features, "generator") == [-1, -1, -1, 0, -1]


def test_a_state_of_another_shape_is_refused() -> None:
    shard, candidates = world()
    with pytest.raises(InputError, match=r"spec\.user\[0\]"):
        build(shard, candidates, replace(SPEC, user=("other", *SPEC.user[1:])))
    moved = replace(candidates, rows=Instants(candidates.rows.user, candidates.rows.at + 1))
    states = fold(shard, moved.rows, LAYOUT, EVEN)
    with pytest.raises(InputError, match=r"candidates\.rows"):
        build_features(shard, candidates, states, LAYOUT, SPEC)


def test_categories_beyond_the_layout_share_the_last() -> None:
    names = Vocabulary(tuple(f"c{i}" for i in range(100)))
    wide = replace(VOCABULARIES, categories=names)
    assert StateLayout.from_config(config(), wide).categories == 64
    assert LAYOUT.categories == 8
    layout = StateLayout.from_config(config(state={"categories": 2}), VOCABULARIES)
    shard = make_shard([[event(START, "delivered", 0, 1), event(START, "delivered", 0, 2)]])
    states = fold(shard, Instants(np.zeros(1, np.int32), np.array([START + 1])), layout, EVEN)
    assert states.exposure[0].tolist() == pytest.approx([0, 2])


def test_nothing_after_the_instant_reaches_a_feature() -> None:
    shard, candidates = world()
    ours, cut = build(shard, candidates), build(cut_events(shard, NOW), candidates)
    assert len(cut_events(shard, NOW).events) == len(shard.events) - 1
    np.testing.assert_array_equal(ours.candidate, cut.candidate)
    np.testing.assert_array_equal(ours.user, cut.user)


def test_a_row_alone_has_the_features_that_it_has_among_others() -> None:
    shard, candidates = world()
    together = build(shard, candidates)
    first = replace(
        candidates.pick(np.arange(4)),
        rows=Instants(candidates.rows.user[:1], candidates.rows.at[:1]),
        offsets=np.array([0, 4]),
    )
    alone, expected = build(shard, first), together.take_rows(np.array([0]))
    for name in ("user", "user_codes", "candidate", "candidate_codes", "message"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(expected, name), err_msg=name)


def test_no_rows_give_empty_features() -> None:
    shard, candidates = world()
    nobody = replace(
        candidates.pick(np.empty(0, np.int64)),
        rows=Instants(candidates.rows.user[:0], candidates.rows.at[:0]),
        offsets=np.zeros(1, np.int64),
    )
    features = build(shard, nobody)
    assert features.user.shape == (0, len(SPEC.user))
    assert features.candidate.shape == (0, len(SPEC.candidate))
