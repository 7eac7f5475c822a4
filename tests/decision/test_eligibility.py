from dataclasses import replace

import numpy as np

from homing.decision.eligibility import frequency_limits, reachable
from homing.schema import EVENT_TYPES, Consents, Vocabularies, Vocabulary, parse_config
from homing.schema.times import DAY, HOUR

from .worlds import everyone, world


def test_limits_are_asked_channel_first_then_total_and_caps_before_spacing():
    config = parse_config(
        {
            "channels": {
                "push": {"caps": [{"max": 1, "per": "1d"}, {"max": 4, "per": "7d"}], "spacing": "4h"},
                "email": {"spacing": "2d"},
            },
            "limits": {"caps": [{"max": 5, "per": "7d"}], "spacing": "1h"},
        }
    )
    frequency = frequency_limits(config, Vocabularies(channels=Vocabulary(("email", "sms", "push"))))
    assert frequency.rules == ("cap:push", "spacing:push", "spacing:email", "cap:total", "spacing:total")
    assert frequency.limits.channel.tolist() == [2, 2, 2, 0, -1, -1]
    assert frequency.limits.maximum.tolist() == [1, 4, 1, 1, 5, 1]
    assert frequency.limits.window.tolist() == [DAY, 7 * DAY, 4 * HOUR, 2 * DAY, 7 * DAY, HOUR]
    assert frequency.rule_of.tolist() == [0, 0, 1, 2, 3, 4]


def test_a_channel_without_a_code_limits_nothing_rather_than_everything():
    config = parse_config({"channels": {"pigeon": {"caps": [{"max": 0, "per": "1d"}]}}})
    assert len(frequency_limits(config, Vocabularies(channels=Vocabulary(("push",)))).limits) == 0


def consenting(changes, events=(), users=1):
    """Return a shard of one user with (at, channel, reachable) consents and (at, channel, type) events."""
    shard, _ = world(0, users=users)
    consents = Consents(
        offsets=np.array([0, len(changes)]),
        at=np.array([at for at, _, _ in changes], np.int64),
        channel=np.array([channel for _, channel, _ in changes], np.int16),
        reachable=np.array([yes for *_, yes in changes], np.bool_),
    )
    n = len(events)
    return replace(
        shard,
        consents=consents,
        events=replace(
            shard.events,
            offsets=np.array([0, n]),
            at=np.array([at for at, _, _ in events], np.int64),
            channel=np.array([channel for _, channel, _ in events], np.int16),
            type=np.array([EVENT_TYPES.index(kind) for *_, kind in events], np.int16),
            message=np.full(n, -1, np.int32),
            decision=np.full(n, -1, np.int32),
            value=np.ones(n, np.float32),
        ),
    )


def reach(shard, at):
    return reachable(shard, everyone(shard, at))[0].tolist()


def test_without_consent_nobody_is_reachable():
    assert reach(consenting([]), 100) == [False, False, False]
    assert reach(consenting([(10, 1, True)]), 100) == [False, True, False]


def test_a_consent_holds_strictly_after_its_instant():
    shard = consenting([(10, 0, True), (20, 0, False)])
    assert [reach(shard, at)[0] for at in (9, 10, 11, 20, 21)] == [False, False, True, True, False]


def test_events_and_consents_are_one_history():
    shard = consenting([(10, 0, True), (30, 0, True)], [(20, 0, "opted_out"), (40, 1, "opted_in")])
    assert reach(shard, 25) == [False, False, False]
    assert reach(shard, 35) == [True, False, False]
    assert reach(shard, 45) == [True, True, False]


def test_of_two_at_one_time_the_refusal_wins_whatever_their_order():
    for changes in ([(10, 0, True), (10, 0, False)], [(10, 0, False), (10, 0, True)]):
        assert reach(consenting(changes), 11) == [False, False, False]
    assert reach(consenting([(10, 0, True)], [(10, 0, "opted_out")]), 11) == [False, False, False]


def test_an_opt_out_without_a_channel_is_from_all_and_an_opt_in_without_one_is_from_none():
    everything = [(10, 0, True), (10, 1, True), (10, 2, True)]
    assert reach(consenting(everything, [(20, -1, "opted_out")]), 30) == [False, False, False]
    shard = consenting(everything, [(20, -1, "opted_out"), (25, -1, "opted_in"), (26, 1, "opted_in")])
    assert reach(shard, 30) == [False, True, False]


def test_other_events_do_not_open_or_close_a_channel():
    assert reach(consenting([(10, 0, True)], [(20, 0, "bounced"), (21, 1, "opened")]), 30)[:2] == [
        True,
        False,
    ]
