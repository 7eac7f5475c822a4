import hashlib

import numpy as np

from homing.schema import (
    EVENT_TYPES,
    Candidates,
    Consents,
    Decisions,
    Events,
    Instants,
    Messages,
    Opportunities,
    Shard,
    Users,
    Vocabularies,
    format_ids,
)
from homing.schema.times import DAY, HOUR, MISSING


def test_ids_are_the_hexadecimal_digits_of_both_words() -> None:
    digest = hashlib.md5(b"u1").hexdigest()
    ids = np.array([[int(digest[:16], 16), int(digest[16:], 16)], [0, 1]], np.uint64)
    assert format_ids(ids).tolist() == [digest, "0" * 31 + "1"]
    assert format_ids(ids[:0]).tolist() == []


def test_one_candidate_is_picked_in_each_row() -> None:
    candidates = Candidates(
        rows=Instants(np.array([3, 7], np.int32), np.array([10, 20])),
        offsets=np.array([0, 1, 4]),
        opportunity=np.array([-1, -1, 5, 6], np.int32),
        message=np.array([-1, -1, 2, 3], np.int32),
        channel=np.array([-1, -1, 0, 1], np.int16),
        slot_start=np.array([10, 20, 30, 40]),
        slot_end=np.array([10, 20, 35, 45]),
        hour_of_week=np.array([0, 1, 2, 3], np.int16),
    )
    assert candidates.counts.tolist() == [1, 3]
    assert candidates.row.tolist() == [0, 1, 1, 1]
    assert candidates.is_hold.tolist() == [True, True, False, False]
    picked = candidates.pick(np.array([0, 3]))
    assert picked.offsets.tolist() == [0, 1, 2]
    assert picked.rows is candidates.rows
    assert picked.opportunity.tolist() == [-1, 6]
    assert picked.message.tolist() == [-1, 3]
    assert picked.channel.tolist() == [-1, 1]
    assert picked.slot_start.tolist() == [10, 40]
    assert picked.slot_end.tolist() == [10, 45]
    assert picked.hour_of_week.tolist() == [0, 3]


def test_sends_are_logged_ones_and_deliveries_that_no_decision_explains() -> None:
    """User 0: a logged send with its delivery, and a delivery from elsewhere. User 1: a hold and an open."""
    delivered, opened = EVENT_TYPES.index("delivered"), EVENT_TYPES.index("opened")
    decisions = Decisions(
        offsets=np.array([0, 1, 2]),
        id=np.zeros((2, 2), np.uint64),
        epoch_at=np.array([10 * DAY, 10 * DAY]),
        opportunity=np.array([0, -1], np.int32),
        message=np.array([0, -1], np.int32),
        channel=np.array([1, -1], np.int16),
        slot_start=np.array([10 * DAY + 9 * HOUR, MISSING]),
        slot_end=np.array([10 * DAY + 10 * HOUR, MISSING]),
        propensity=np.full(2, 0.5),
        candidates=np.full(2, 2, np.int32),
        candidate_set=np.zeros((2, 2), np.uint64),
        values=np.zeros((2, 0), np.float32),
        release=np.zeros(2, np.int32),
        reason=np.zeros(2, np.int8),
    )
    events = Events(
        offsets=np.array([0, 3, 4]),
        at=np.array([10 * DAY - HOUR, 10 * DAY + 9 * HOUR, 11 * DAY, 11 * DAY]),
        type=np.array([delivered, delivered, delivered, opened], np.int16),
        channel=np.array([0, 1, -1, 0], np.int16),  # the third came through no channel that is known
        message=np.array([0, 0, 0, 0], np.int32),
        decision=np.array([-1, 0, -1, -1], np.int32),
        value=np.ones(4, np.float32),
    )
    none = np.zeros((0, 0), np.float32)
    shard = Shard(
        vocabularies=Vocabularies(),
        messages=Messages(*[np.zeros(0, np.int32)] * 8),
        users=Users(np.zeros((2, 2), np.uint64), np.zeros(2, np.int32), np.zeros(2, np.int64), none, none),
        consents=Consents(np.zeros(3, np.int64), *[np.zeros(0, np.int64)] * 3),
        opportunities=Opportunities(np.zeros(3, np.int64), *[np.zeros(0, np.int64)] * 9),
        events=events,
        decisions=decisions,
    )
    sends = shard.sends()
    assert sends.offsets.tolist() == [0, 2, 2]
    assert sends.at.tolist() == [10 * DAY - HOUR, 10 * DAY + 9 * HOUR]
    assert sends.channel.tolist() == [0, 1]
    assert sends.known_at.tolist() == [10 * DAY - HOUR, 10 * DAY]
