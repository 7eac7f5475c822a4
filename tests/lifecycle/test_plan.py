"""A plan under hard rules, checked row by row against the ledger's files without Homing's own rules."""

import itertools
import shutil
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from small_world import SmallWorld

from homing.lifecycle.epoch import memory_of
from homing.lifecycle.explain import explain_decision, explain_user
from homing.lifecycle.plan import plan
from homing.schema import InputError, WorkspaceError, parse_config
from homing.schema.times import DAY, HOUR, format_time, parse_time, to_datetime
from homing.store import Workspace, ingest

Row = dict[str, Any]


def table(workspace: Workspace, name: str) -> list[Row]:
    frames = [pl.read_parquet(path) for path in workspace.ledger.files(name)]
    return pl.concat(frames, how="diagonal_relaxed").to_dicts() if frames else []


def planned(workspace: Workspace, at: int) -> dict[str, Row]:
    return {
        row["user_id"]: row for row in table(workspace, "decisions") if row["epoch_at"] == to_datetime(at)
    }


def choice(row: Row) -> tuple[Any, ...]:
    names = ("decision_id", "message_id", "channel", "slot_start", "slot_end", "propensity", "candidate_set")
    return tuple(row[name] for name in names)


def run_files(workspace: Workspace, run_id: str) -> dict[str, bytes]:
    folder = workspace.runs_path / run_id / "decisions"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_one_decision_for_every_user_who_has_signed_up(small_world: SmallWorld) -> None:
    users = {row["user_id"]: row for row in table(small_world.workspace, "users")}
    signed_up = {name for name, row in users.items() if row["signed_up_at"] <= to_datetime(small_world.end)}
    rows = planned(small_world.workspace, small_world.end)
    assert set(rows) == signed_up
    assert small_world.planned.added == len(signed_up)
    funnel = small_world.planned.funnel
    assert funnel.users == funnel.sends + funnel.holds == len(signed_up)
    assert funnel.sends == sum(row["action"] == "send" for row in rows.values()) > 0
    assert funnel.candidates == funnel.eligible + sum(item.count for item in funnel.removed)
    assert funnel.eligible == sum(row["candidates"] - 1 for row in rows.values())
    written: dict[str, int] = defaultdict(int)
    for row in table(small_world.workspace, "exclusions"):
        written[row["rule"]] += 1
    for item in funnel.removed:  # rules that are not about a slot write one row for all slots
        one_for_all = item.name in ("expired", "not_reachable")
        assert written[item.name] == item.count or (one_for_all and 0 < written[item.name] < item.count)


def test_the_schedule_counts_the_ledgers_sends_by_local_hour(small_world: SmallWorld) -> None:
    zones = {row["user_id"]: row["timezone"] or "UTC" for row in table(small_world.workspace, "users")}
    hours: dict[tuple[str, int], int] = defaultdict(int)
    messages: dict[str, int] = defaultdict(int)
    for user, row in planned(small_world.workspace, small_world.end).items():
        if row["action"] == "send":
            hours[row["channel"], row["slot_start"].astimezone(ZoneInfo(zones[user])).hour] += 1
            messages[row["message_id"]] += 1
    schedule = small_world.planned.schedule
    shown = {(r.channel, h): n for r in schedule.hours for h, n in enumerate(r.sends) if n}
    assert shown == dict(hours)
    assert all(item.sends == messages[item.message] for item in schedule.messages)
    assert sum(item.count for item in schedule.channels) == schedule.sends == sum(messages.values())
    assert sum(item.count for item in schedule.sends_per_user) == schedule.users


def test_no_send_breaks_a_hard_rule(small_world: SmallWorld) -> None:  # noqa: PLR0912  one loop, every rule
    """All decisions of the ledger, the log's and the plan's: every one that the rules had a say in."""
    workspace = small_world.workspace
    zones = {row["user_id"]: ZoneInfo(row["timezone"] or "UTC") for row in table(workspace, "users")}
    opportunities = {row["opportunity_id"]: row for row in table(workspace, "opportunities")}
    messages = {row["message_id"]: row for row in table(workspace, "messages")}
    sends: dict[str, list[Row]] = defaultdict(list)
    for row in table(workspace, "decisions"):
        if row["action"] == "send":
            sends[row["user_id"]].append(row)
    changes: dict[tuple[str, str], list[tuple[datetime, bool]]] = defaultdict(list)
    for row in table(workspace, "consents"):
        changes[row["user_id"], row["channel"]].append((row["at"], row["reachable"]))
    for row in table(workspace, "events"):
        if row["type"] in ("opted_out", "opted_in"):
            for channel in [row["channel"]] if row["channel"] else workspace.config.channels:
                changes[row["user_id"], channel].append((row["at"], row["type"] == "opted_in"))
    caps = [("push", 1, 1), ("push", 4, 7), ("email", 2, 7), ("in_app", 1, 1), ("", 4, 7)]
    quiet = {"push": (time(22), time(8)), "email": (time(22), time(6))}
    checked = 0
    for user, mine in sends.items():
        mine.sort(key=lambda row: row["slot_start"])
        for row in mine:
            why, start, end = opportunities[row["opportunity_id"]], row["slot_start"], row["slot_end"]
            assert (why["user_id"], why["message_id"]) == (user, row["message_id"])
            assert why["created_at"] <= row["epoch_at"]
            assert (why["earliest_at"] or why["created_at"]) <= start
            assert end <= why["expires_at"]
            assert row["channel"] in messages[row["message_id"]]["channels"]
            assert timedelta() <= start - row["epoch_at"] < timedelta(days=1)
            assert end - start == timedelta(hours=1)
            known = [c for c in changes[user, row["channel"]] if c[0] < row["epoch_at"]]
            assert known, "sent without any consent"
            newest = max(at for at, _ in known)
            assert all(open_ for at, open_ in known if at == newest)
            if row["channel"] in quiet:
                since, until = quiet[row["channel"]]
                for minute in range(60):
                    clock = (start + timedelta(minutes=minute)).astimezone(zones[user]).time()
                    assert until <= clock < since
            checked += 1
        for channel, most, days in caps:
            times = [row["slot_start"] for row in mine if channel in ("", row["channel"])]
            for first, at in enumerate(times):
                assert sum(at <= t < at + timedelta(days=days) for t in times[first:]) <= most
        for earlier, later in itertools.pairwise(mine):
            assert later["slot_start"] - earlier["slot_start"] >= timedelta(hours=6)
        push = [row["slot_start"] for row in mine if row["channel"] == "push"]
        assert all(b - a >= timedelta(hours=20) for a, b in itertools.pairwise(push))
    assert checked > 1_000


def test_rules_of_every_kind_removed_something(small_world: SmallWorld) -> None:
    """Else the test above would prove little."""
    removed = {item.name for item in small_world.planned.funnel.removed}
    kinds = {"expired", "not_reachable", "quiet_hours", "after_expiry", "cap:total", "cap:push", "cap:email"}
    assert kinds <= removed


def test_the_same_plan_again_adds_nothing_and_writes_equal_files(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = copied()
    before, rows = run_files(workspace, small_world.planned.run_id), workspace.ledger.counts()
    again = plan(workspace, small_world.end)
    assert again.added == 0
    assert again.run_id == small_world.planned.run_id
    assert Workspace.open(workspace.path).ledger.counts() == rows
    after = run_files(workspace, again.run_id)
    assert set(after) == set(before)
    for name in after:
        old, new = (pl.read_parquet(files[name]).drop("decided_at") for files in (before, after))
        assert old.equals(new)


def test_a_plan_does_not_look_at_what_comes_at_its_epoch_or_later(
    copied: Callable[[], Workspace], small_world: SmallWorld, tmp_path: Path
) -> None:
    """Two plans of one epoch: before and after the ledger learns of the epoch itself and the days after."""
    at = small_world.end + DAY
    first, second = copied(), Workspace.open(small_world.workspace.path)
    second = _copy_of(second, tmp_path / "second")
    users = sorted(row["user_id"] for row in table(first, "users"))
    moments = [to_datetime(at), to_datetime(at + HOUR), to_datetime(at + 3 * DAY)]
    news = tmp_path / "news"
    news.mkdir()
    happenings = [(user, moment) for user in users for moment in moments]
    pl.DataFrame(
        {
            "event_id": [f"new-{n}" for n in range(2 * len(happenings))],
            "user_id": [user for user, _ in happenings] * 2,
            "at": [moment for _, moment in happenings] * 2,
            "type": ["opted_out"] * len(happenings) + ["session"] * len(happenings),
        }
    ).write_parquet(news / "events.parquet")
    pl.DataFrame(
        {
            "user_id": [user for user, _ in happenings],
            "channel": ["push"] * len(happenings),
            "at": [moment for _, moment in happenings],
            "reachable": [False] * len(happenings),
        }
    ).write_parquet(news / "consents.parquet")
    summary = ingest(second, [news])
    assert summary.tables["events"].added == 2 * len(happenings)
    assert summary.tables["consents"].added == len(happenings)
    second = Workspace.open(second.path)
    alone, among = plan(first, at), plan(second, at)
    ours, theirs = planned(first, at), planned(second, at)
    assert len(ours) == alone.added == among.added
    assert {u: choice(row) for u, row in ours.items()} == {u: choice(row) for u, row in theirs.items()}
    assert any(row["action"] == "send" for row in ours.values())
    # and one moment after the epoch, the news counts
    later = plan(second, at + 2 * DAY)
    assert later.funnel.sends == 0


def test_another_release_cannot_decide_an_epoch_again(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = copied()
    settings = workspace.path / "homing.toml"
    settings.write_text(settings.read_text().replace('spacing = "6h"', 'spacing = "7d"'))
    with pytest.raises(WorkspaceError, match="is planned already, by release"):
        plan(Workspace.open(workspace.path), small_world.end)
    assert Workspace.open(workspace.path).ledger.counts() == small_world.workspace.ledger.counts()


def test_memory_reaches_back_over_the_longest_limit() -> None:
    assert memory_of(parse_config({"channels": {"push": {}}})) == (7 + 1 + 2) * DAY
    config = parse_config(
        {
            "channels": {"push": {"caps": [{"max": 1, "per": "30d"}], "spacing": "2d"}},
            "slots": {"horizon": "2d"},
        }
    )
    assert memory_of(config) == (30 + 2 + 2) * DAY


def test_an_explanation_has_the_plans_probabilities(small_world: SmallWorld) -> None:
    rows = planned(small_world.workspace, small_world.end)
    sent = [row for row in rows.values() if row["action"] == "send"][:3]
    held = [row for row in rows.values() if row["action"] == "hold" and row["candidates"] > 1][:2]
    for row in (*sent, *held):
        told = explain_decision(small_world.workspace, row["decision_id"])
        assert told.user_id == row["user_id"]
        assert told.release == small_world.trained.release.id
        assert told.same_set is True
        assert told.notes == ()
        assert len(told.options) == row["candidates"]
        assert sum(option.probability for option in told.options) == pytest.approx(1)
        (chosen,) = (option for option in told.options if option.chosen)
        assert chosen.probability == pytest.approx(row["propensity"], rel=1e-4)
        assert (chosen.message, chosen.channel) == (row["message_id"], row["channel"])
        for name, value in chosen.values.items():
            assert value == pytest.approx(row[f"value_{name}"], rel=1e-3, abs=1e-5)
        weights = {"conversion": 1.0, "engagement": 0.002, "annoyance": -0.5}
        worth = sum(weights[name] * value for name, value in chosen.values.items())
        assert chosen.utility == pytest.approx(worth, rel=1e-3, abs=1e-5)
        assert [o.probability for o in told.options] == sorted(
            (o.probability for o in told.options), reverse=True
        )
        same = explain_user(small_world.workspace, row["user_id"], small_world.end)
        assert same.options[0].probability == told.options[0].probability
        assert same.decision is None


def test_an_explanation_gives_the_reasons_that_were_logged(small_world: SmallWorld) -> None:
    removed: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in table(small_world.workspace, "exclusions"):
        removed[row["user_id"]][row["rule"]] += 1
    for user in sorted(removed)[:4]:
        counts: dict[str, int] = defaultdict(int)
        for item in explain_user(small_world.workspace, user, small_world.end).removed:
            counts[item.rule] += 1
        assert counts == removed[user]


def test_a_decision_of_another_system_is_explained_with_a_note(small_world: SmallWorld) -> None:
    row = next(row for row in table(small_world.workspace, "decisions") if row["release_id"] == "random")
    told = explain_decision(small_world.workspace, row["decision_id"])
    assert told.same_set is True
    assert any("'random' is not in this workspace" in note for note in told.notes)
    assert told.at == format_time(round(row["epoch_at"].astimezone(UTC).timestamp() * 1_000_000))


def test_what_is_not_there_cannot_be_explained(small_world: SmallWorld) -> None:
    with pytest.raises(InputError, match="'nobody' is not in the ledger"):
        explain_user(small_world.workspace, "nobody", small_world.end)
    with pytest.raises(InputError, match="decision 'none' is not in the ledger"):
        explain_decision(small_world.workspace, "none")


def test_an_epoch_beyond_all_calendars_is_an_error(small_world: SmallWorld) -> None:
    user = table(small_world.workspace, "users")[0]["user_id"]
    for at in (parse_time("0001-01-01"), parse_time("9999-12-31T23:59:59Z")):
        with pytest.raises(InputError, match="must be from 1990 on"):
            plan(small_world.workspace, at)
        with pytest.raises(InputError, match="must be from 1990 on"):
            explain_user(small_world.workspace, user, at)


def _copy_of(workspace: Workspace, target: Path) -> Workspace:
    shutil.copytree(workspace.path, target)
    return Workspace.open(target)


def test_the_ledger_keeps_the_reasons_of_an_ingested_log(small_world: SmallWorld) -> None:
    log = {
        row["decision_id"]: row for row in pl.read_parquet(small_world.log / "decisions.parquet").to_dicts()
    }
    kept = [row for row in table(small_world.workspace, "decisions") if row["decision_id"] in log]
    assert len(kept) == len(log)
    for row in kept:
        assert {name: row[name] for name in log[row["decision_id"]]} == log[row["decision_id"]]
    assert {row["reason"] for row in kept} == {"drawn", "no_candidate"}
    assert {row["reason"] for row in table(small_world.workspace, "consents")} - {None}
