"""Lifecycle stages, one user of each kind."""

import numpy as np

from homing.schema import Candidates, Instants
from homing.schema.times import DAY, MISSING
from homing.state import STAGES, StateLayout, build_features, feature_spec, fold, stages
from homing.state import stages_of as stages_of_states
from state.state_world import START, VOCABULARIES, config, event, make_shard

LAYOUT = StateLayout.from_config(config(), VOCABULARIES)
NOW = START + 200 * DAY


def visits(*days_ago: float, channel: int = -1) -> list[tuple[int, str, int, int, int, float]]:
    return [event(NOW - round(ago * DAY), "session", channel) for ago in days_ago]


def stages_of(*people: tuple[list[tuple[int, str, int, int, int, float]], int]) -> list[str]:
    shard = make_shard([events for events, _ in people], signed_up=[at for _, at in people])
    n = len(people)
    rows = Instants(np.arange(n, dtype=np.int32), np.full(n, NOW))
    hold = Candidates(
        rows=rows,
        offsets=np.arange(n + 1),
        opportunity=np.full(n, -1, np.int32),
        message=np.full(n, -1, np.int32),
        channel=np.full(n, -1, np.int16),
        slot_start=np.full(n, NOW),
        slot_end=np.full(n, NOW),
        hour_of_week=np.zeros(n, np.int16),
    )
    states = fold(shard, rows, LAYOUT, np.ones(168, np.float32))
    features = build_features(shard, hold, states, LAYOUT, feature_spec(LAYOUT, VOCABULARIES))
    assert stages_of_states(states, LAYOUT).tolist() == stages(features, LAYOUT).tolist()
    return [STAGES[code] for code in stages(features, LAYOUT).tolist()]


def test_one_of_each() -> None:
    old, daily = START, np.arange(0.5, 150)
    assert stages_of(
        (visits(1), NOW - 5 * DAY),
        (visits(*daily), old),
        (visits(*np.arange(0.2, 10, 0.4)), old),
        (visits(*daily[8:]), old),
        (visits(*daily[30:]), old),
        ([], old),
        ([], NOW - DAY),
    ) == ["new", "steady", "growing", "at risk", "dormant", "dormant", "new"]


def test_an_unknown_sign_up_is_not_new_and_a_visit_by_a_message_counts() -> None:
    assert stages_of((visits(*np.arange(0.5, 150)), MISSING)) == ["steady"]
    assert stages_of((visits(2, channel=0) + visits(*np.arange(20, 150)), START)) == ["steady"]
    assert stages_of((visits(*np.arange(20, 150)), START)) == ["at risk"]
