"""A global holdout, on a ledger that is small enough to count by hand."""

from pathlib import Path

import numpy as np
import pytest
from store.tables import TOML, Log, Row, write

from homing.experiments import hash_ids, holdout_readout, in_holdout
from homing.lifecycle.experiment.holdout import metrics_of, read_holdout
from homing.report.holdout import HoldoutFacts
from homing.schema import InputError
from homing.schema.times import DAY, parse_time
from homing.store import Workspace

START = parse_time("2026-02-20T00:00Z")
SHARE, SALT, USERS = 0.25, "homing", 80
NAMES = [f"user-{place}" for place in range(USERS)]
HELD = dict(zip(NAMES, in_holdout(hash_ids(NAMES), SALT, SHARE).tolist(), strict=True))
LATE = next(name for name in NAMES if HELD[name])  # signed up in the second quarter
SETTINGS = TOML + f'\n[holdout]\nshare = {SHARE}\n[state]\nrhythm = "visit"\n'


def decision(user: str, day: int, held: bool) -> Row:
    return {
        "decision_id": f"{user}-{day}",
        "epoch_at": START + day * DAY,
        "user_id": user,
        "action": "hold" if held else "send",
        "propensity": 1.0,
        "arms": ["holdout:held"] if held else [],
        "triggered": [],
    }


def event(user: str, day: float, kind: str = "visit") -> Row:
    at = START + round(day * DAY)
    return {"event_id": f"{user}-{kind}-{at}", "user_id": user, "at": at, "type": kind, "value": 1.0}


def log() -> Log:
    """One visit each in February; in April two of who is held out, and three or four of the others."""
    signed = {LATE: START + 50 * DAY}
    events = []
    for place, name in enumerate(NAMES):
        events += [event(name, 5)] if name != LATE else []
        events += [event(name, day) for day in (60, 61) if HELD[name]]
        events += [event(name, day) for day in range(60, 63 + place % 2) if not HELD[name]]
        events.append(event(name, -3))  # before the start
    return Log(
        users=[{"user_id": name, "signed_up_at": signed.get(name, START - DAY)} for name in NAMES],
        decisions=[
            decision(name, day, HELD[name]) for day in (0, 1) for name in NAMES if name != LATE or day == 1
        ],
        events=[*events, event(NAMES[0], 79.5, "clicked")],
    )


def made(folder: Path, rows: Log, settings: str = SETTINGS) -> Workspace:
    workspace = write(folder, rows)
    (workspace.path / "homing.toml").write_text(settings)
    return Workspace.open(workspace.path)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> HoldoutFacts:
    return read_holdout(made(tmp_path_factory.mktemp("holdout"), log()))


def test_quarters_and_levels_by_hand(facts: HoldoutFacts) -> None:
    held = sum(HELD.values())
    assert (facts.starts_at, facts.until) == ("2026-02-20T00:00:00Z", "2026-05-10T12:00:00Z")
    first, second = facts.periods
    assert (first.label, second.label) == ("2026 Q1", "2026 Q2")
    assert (first.length, second.length) == (pytest.approx(40 / 90), pytest.approx(39.5 / 91))
    assert (first.held, second.held) == (held - 1, held)
    assert first.rest == second.rest == USERS - held
    visits = next(metric for metric in facts.metrics if metric.metric == "active days")
    assert (visits.by_period[0].level, visits.by_period[0].held) == (1.0, 1.0)
    rest = sum(3 + place % 2 for place, name in enumerate(NAMES) if not HELD[name]) / (USERS - held)
    assert visits.by_period[1].held == pytest.approx(2)
    assert visits.by_period[1].level == pytest.approx(rest)
    # cumulative: per user and whole quarter; who came late was there for the second only
    lengths = first.length + second.length
    assert visits.cumulative[1].level == pytest.approx((1 + rest) / lengths)
    time = (held - 1) * lengths + second.length
    assert visits.cumulative[1].held == pytest.approx((3 * (held - 1) + 2) / time)
    assert visits.answer == "better"
    assert visits.cumulative[1].absolute.low > 0
    assert "active days by +" in facts.header.verdict


def test_sends_say_what_was_not_sent(facts: HoldoutFacts) -> None:
    sends = next(metric for metric in facts.metrics if metric.metric == "sends")
    assert (sends.by_period[0].level, sends.by_period[0].held, sends.direction) == (2.0, 0.0, "none")


def test_who_is_held_out_is_who_the_hash_says(facts: HoldoutFacts) -> None:
    assert all(check.passed for check in facts.checks)
    assert HoldoutFacts.from_dict(facts.to_dict()).to_dict() == facts.to_dict()


def test_a_share_that_was_changed_is_seen_and_can_be_left_behind(tmp_path: Path) -> None:
    workspace = made(tmp_path, log(), SETTINGS.replace("share = 0.25", "share = 0.4"))
    found = read_holdout(workspace)
    failed = [check.name for check in found.checks if not check.passed]
    assert "always on one side" in failed
    assert found.header.verdict.startswith("The holdout cannot be read: ")
    assert "--since" in found.header.verdict
    with pytest.raises(InputError, match="none was held out"):  # no decision since then
        read_holdout(workspace, since=START + 10 * DAY)
    with pytest.raises(InputError, match="must not be before"):
        read_holdout(workspace, since=START - DAY)


def test_a_young_holdout_says_so(tmp_path: Path) -> None:
    found = read_holdout(made(tmp_path, log()), until=START + 6 * DAY)
    assert "too young" in [alert.subject for alert in found.alerts]
    assert found.header.verdict.endswith("The holdout is 6 days old: these are effects of first days.")
    (period,) = found.periods
    assert period.length == pytest.approx(6 / 90)


def test_without_a_holdout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holdout.share == 0, so nobody is held out"):
        read_holdout(made(tmp_path / "a", log(), TOML))
    rows = log()
    rows.decisions = [row | {"arms": []} for row in rows.decisions]
    with pytest.raises(InputError, match="no decision was logged under the arm holdout:held"):
        read_holdout(made(tmp_path / "b", rows))
    with pytest.raises(InputError, match="holdout:held before 2026-02-20"):
        read_holdout(made(tmp_path / "c", log()), until=START)


def test_an_objective_is_not_read_twice(tmp_path: Path) -> None:
    config = made(tmp_path, log()).config
    assert list(metrics_of(config)) == ["clicks", "visits", "active days", "opt-outs", "sends"]


def test_differences_are_less_what_users_did_before(tmp_path: Path) -> None:
    """Visits before the first decision count as before, also where the holdout is read from later on."""
    names = [f"user-{place}" for place in range(140)]
    held = in_holdout(hash_ids(names), SALT, SHARE)
    before = np.array([place % 4 for place in range(140)], float)
    after = before + np.where(held, 1, 1 + np.arange(140) % 2)
    rows = Log(
        users=[{"user_id": name, "signed_up_at": START - 60 * DAY} for name in names],
        decisions=[
            decision(name, day, bool(out)) for day in (0, 5) for name, out in zip(names, held, strict=True)
        ],
        events=[
            event(name, first + day)
            for first, many in ((-5, before), (10, after))
            for name, days in zip(names, many, strict=True)
            for day in range(int(days))
        ],
    )
    rows.events.append(event(names[0], 20, "clicked"))  # what came before it is known
    workspace = made(tmp_path, rows)
    want = holdout_readout(
        after[:, None], held, np.zeros(140, int), before={"before": before, "is new": np.zeros(140)}
    ).by_period
    for since in (None, START + 5 * DAY):
        found = read_holdout(workspace, since)
        visits = next(metric for metric in found.metrics if metric.metric == "active days")
        assert visits.by_period[0].absolute.value == pytest.approx(want.value[0])
        assert visits.by_period[0].absolute.low == pytest.approx(want.low[0])
        assert visits.by_period[0].level == pytest.approx(after[~held].mean())
        assert visits.noise_taken > 0.8
        assert [check.name for check in found.checks][-1] == "before the start"
