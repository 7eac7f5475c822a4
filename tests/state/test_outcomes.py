"""Outcomes by hand and against a slow reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import InputError, Instants
from homing.schema.times import DAY, HOUR, parse_duration
from homing.state import outcomes
from state.state_world import START, TYPES, config, event, make_shard, random_instants, random_shard

FAR = START + 1000 * DAY
OBJECTIVES = {
    "conversion": {"event": "converted", "window": "3d"},
    "engagement": {"event": "session", "window": "1d", "aggregate": "sum"},
    "visits": {"event": "session", "window": "7d", "aggregate": "count"},
    "retention": {"event": "session", "window": "7d", "aggregate": "active_days"},
    "own": {"event": "clicked", "window": "2d", "aggregate": "count", "scope": "decision"},
}
CONFIG = config(objectives=OBJECTIVES)


def instants(*rows: tuple[int, int]) -> Instants:
    return Instants(np.array([u for u, _ in rows], np.int32), np.array([at for _, at in rows], np.int64))


def test_windows_by_hand() -> None:
    shard = make_shard(
        [
            [
                event(START - 1, "session", value=100),
                event(START, "session", value=5),  # the instant itself counts
                event(START + 23 * HOUR, "session", value=7),
                event(START + DAY, "session", value=11),  # the end of a window does not
                event(START + 6 * DAY + HOUR, "session", value=13),
                event(START + 3 * DAY, "converted"),
                event(START + HOUR, "clicked", decision=4),
                event(START + 2 * HOUR, "clicked", decision=3),
                event(START + 2 * DAY, "clicked", decision=4),
            ]
        ]
    )
    rows = instants((0, START), (0, START + 1), (0, START + 20 * DAY))
    result = outcomes(shard, rows, CONFIG, FAR, np.array([4, 3, -1], np.int32))
    np.testing.assert_array_equal(
        result,
        [[0, 12, 4, 3, 1], [1, 18, 3, 2, 1], [0, 0, 0, 0, np.nan]],
    )


def test_a_window_that_passes_the_watermark_is_not_known() -> None:
    shard = make_shard([[event(START, "session", value=2)]])
    watermark = START + 3 * DAY
    result = outcomes(shard, instants((0, START), (0, START + 1)), CONFIG, watermark, np.zeros(2, np.int32))
    np.testing.assert_array_equal(result[0], [0, 2, np.nan, np.nan, 0])
    np.testing.assert_array_equal(result[1], [np.nan, 0, np.nan, np.nan, 0])


def test_a_row_can_end_before_its_windows() -> None:
    shard = make_shard([[event(START, "session", value=2), event(START + 2 * DAY, "session", value=3)]])
    rows = instants((0, START), (0, START), (0, START + 1))
    until = np.array([START + 2 * DAY, START + 2 * DAY + 1, START + 5 * DAY])
    result = outcomes(shard, rows, CONFIG, START + 4 * DAY, np.zeros(3, np.int32), until)
    np.testing.assert_array_equal(result[:, 2], [1, 2, np.nan])  # seven days, of which four are known
    np.testing.assert_array_equal(result[:, 1], [2, 2, 0])  # a day, which is over before


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equals_the_definition(seed: int) -> None:
    shard = random_shard(seed)
    rows = random_instants(seed, shard)
    rng = np.random.default_rng(seed)
    shard.events.decision[:] = rng.integers(-1, 2, len(shard.events))
    decision = rng.integers(0, 2, len(rows)).astype(np.int32)
    result = outcomes(shard, rows, CONFIG, FAR, decision)
    events = shard.events
    for row, (user, at) in enumerate(zip(rows.user, rows.at, strict=True)):
        own = slice(events.offsets[user], events.offsets[user + 1])
        for k, objective in enumerate(CONFIG.objectives.values()):
            inside = (events.at[own] >= at) & (events.at[own] < at + parse_duration(objective.window))
            inside &= events.type[own] == TYPES[objective.event]
            if objective.scope == "decision":
                inside &= events.decision[own] == decision[row]
            expected = {
                "any": float(inside.any()),
                "count": inside.sum(),
                "sum": events.value[own][inside].sum(dtype=float),
                "active_days": len(set(((events.at[own][inside] - at) // DAY).tolist())),
            }[objective.aggregate]
            assert result[row, k] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_bad_arguments_are_named() -> None:
    shard = make_shard([[]])
    with pytest.raises(InputError, match=r"objectives\.own\.scope"):
        outcomes(shard, instants((0, START)), CONFIG, FAR, None)
    strange = config(objectives={"odd": {"event": "purred"}}, events={"types": ["purred"]})
    with pytest.raises(InputError, match=r"objectives\.odd\.event"):
        outcomes(shard, instants((0, START)), strange, FAR, None)


def test_no_rows() -> None:
    empty = outcomes(make_shard([[]]), instants(), CONFIG, FAR, np.empty(0, np.int32))
    assert empty.shape == (0, 5)
