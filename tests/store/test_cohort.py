"""Numbers of users from a ledger that is small enough to count by hand."""

from typing import Any

import numpy as np
import pytest

from homing.experiments import hash_ids
from homing.schema.times import DAY, HOUR, MISSING, parse_time
from homing.store import Cohort, Number, UserNumbers, Workspace, held_by, user_numbers

from .tables import Log, Row, write

START = parse_time("2026-03-02T00:00Z")  # a Monday
END = START + 10 * DAY


def event(user: str, at: int, kind: str = "visit", **more: Any) -> Row:
    return {"event_id": f"{user}-{kind}-{at}", "user_id": user, "at": at, "type": kind, **more}


def decision(
    user: str, day: int, arms: list[str], triggered: tuple[str, ...] = (), send: bool = False
) -> Row:
    return {
        "decision_id": f"{user}-{day}",
        "epoch_at": START + day * DAY,
        "user_id": user,
        "action": "send" if send else "hold",
        "propensity": 1.0,
        "arms": arms,
        "triggered": list(triggered),
    }


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """a: in arm new from day 0, triggered on day 2. b: in control from day 1, triggered on day 1.

    c: in two arms. d: in another experiment. e: in an arm that nobody knows.
    """
    names = "abcde"
    signed = {"a": START - 100 * DAY, "b": START + DAY - HOUR, "c": None, "d": START, "e": START}
    log = Log(
        users=[{"user_id": name, "signed_up_at": signed[name]} for name in names],
        decisions=[
            decision("a", -3, [], send=True),
            decision("a", 0, ["x:new"]),
            decision("a", 2, ["y:new", "x:new"], ("x",), send=True),
            decision("a", 3, ["x:new"], ("y",), send=True),
            decision("b", 1, ["x:control"], ("x",)),
            decision("c", 0, ["x:control"]),
            decision("c", 1, ["x:new"]),
            decision("d", 0, ["y:new", "xx:new"]),
            decision("e", 0, ["x:other"]),
        ],
        events=[
            event("a", START - 2 * DAY, value=5.0),
            event("a", START - 1),
            event("a", START, value=2.0),
            event("a", START + 2 * DAY, value=3.0),
            event("a", START + 2 * DAY + HOUR, value=4.0),
            event("a", START + 6 * DAY, value=1.0),  # a Sunday
            event("a", END, value=100.0),  # too late
            event("a", START + 3 * DAY, "clicked", decision_id="a-2"),
            event("a", START + 4 * DAY, "clicked"),
            event("b", START + DAY, value=7.0),
        ],
    )
    return write(tmp_path_factory.mktemp("numbers"), log)


def read(workspace: Workspace, cohort: Cohort, *numbers: Number) -> dict[str, tuple[UserNumbers, int]]:
    """Return each user's partition's numbers and place, by name."""
    import hashlib

    found = {}
    for partition in range(2):
        part = user_numbers(workspace, partition, cohort, numbers)
        for place, words in enumerate(part.hash):
            digest = words.astype(">u8").tobytes()
            name = next(n for n in "abcde" if hashlib.md5(n.encode()).digest() == digest)
            found[name] = (part, place)
    assert len(found) == 5
    return found


def of(found: dict[str, tuple[UserNumbers, int]], name: str, what: str) -> Any:
    part, place = found[name]
    return getattr(part, what)[place]


def test_arms_and_entries(workspace: Workspace) -> None:
    found = read(workspace, Cohort(("control", "new"), START, END, "x"))
    assert {name: of(found, name, "arm") for name in found} == {"a": 1, "b": 0, "c": 0, "d": -1, "e": -2}
    assert [name for name in "abcde" if of(found, name, "several")] == ["c"]
    entered = {name: of(found, name, "entered_at") for name in "abcd"}
    assert entered == {"a": START, "b": START + DAY, "c": START, "d": MISSING}
    late = read(workspace, Cohort(("control", "new"), START, END, "x", triggered=True))
    entered = {name: of(late, name, "entered_at") for name in "abc"}
    assert entered == {"a": START + 2 * DAY, "b": START + DAY, "c": MISSING}
    assert of(late, "a", "assigned_at") == START
    assert of(late, "b", "signed_up_at") == START + DAY - HOUR


@pytest.mark.parametrize(
    ("number", "want"),
    [
        (Number("n", "visit", "count"), 3),
        (Number("n", "visit", "sum"), 8),
        (Number("n", "visit", "sum", cap=6), 6),
        (Number("n", "visit", "any"), 1),
        (Number("n", "visit", "active_days"), 2),
        (Number("n", "visit", "count", 0, DAY), 2),
        (Number("n", "visit", "sum", HOUR, 4 * DAY), 4),
        (Number("n", "visit", "sum", HOUR, 4 * DAY + 1), 5),
        (Number("n", "visit", "sum", weekend=True), 1),
        (Number("n", "visit", "sum", weekend=False), 7),
        (Number("n", "visit", "sum", -2 * DAY - 1, 0), 3),  # an empty value is 1
        (Number("n", "visit", "sum", -2 * DAY, 0), 2),
        (Number("n", "visit", "count", -4 * DAY - 1, 0), 3),
        (Number("n", "visit", "active_days", -4 * DAY, 0), 3),
        (Number("n", "clicked", "count"), 2),
        (Number("n", "clicked", "count", unexplained=True), 1),
        (Number("n", "sent", "count"), 2),
        (Number("n", "sent", "count", DAY), 1),
        (Number("n", "sent", "count", -5 * DAY, 0), 1),
        (Number("n", "dismissed", "sum"), 0),
    ],
)
def test_what_a_did_around_its_trigger(workspace: Workspace, number: Number, want: float) -> None:
    """a enters on day 2."""
    cohort = Cohort(("control", "new"), START, END, "x", triggered=True)
    assert of(read(workspace, cohort, number), "a", "values").tolist() == [want]


def test_several_numbers_are_columns_in_their_order(workspace: Workspace) -> None:
    numbers = (Number("m", "visit", "sum"), Number("k", "visit", "count"))
    found = read(workspace, Cohort(("control", "new"), START, END, "x"), *numbers)
    assert of(found, "a", "values").tolist() == [10, 4]
    assert of(found, "b", "values").tolist() == [7, 1]
    assert of(found, "d", "values").tolist() == [0, 0]


def test_without_an_experiment_users_enter_at_the_start(workspace: Workspace) -> None:
    found = read(workspace, Cohort(("past",), START, END), Number("n", "visit", "count"))
    assert {n: of(found, n, "entered_at") for n in "abcd"} == {
        "a": START, "b": MISSING, "c": START, "d": START,
    }  # fmt: skip
    assert np.array([of(found, n, "values")[0] for n in "abc"]).tolist() == [4, 0, 0]


def test_newcomers_are_counted_from_the_start(workspace: Workspace) -> None:
    found = read(workspace, Cohort(("all",), START, END, newcomers=True), Number("n", "visit", "count"))
    assert {of(found, n, "entered_at") for n in "abcde"} == {START}
    assert of(found, "b", "values").tolist() == [1]


def test_when_users_were_under_an_arm(workspace: Workspace) -> None:
    found = {}
    for partition in range(2):
        users = user_numbers(workspace, partition, Cohort(("all",), START, END), ())
        when = held_by(workspace, partition, "x:new", START + 3 * DAY)
        for place, words in enumerate(users.hash.tolist()):
            times = (when.first_in[place], when.last_in[place], when.last_out[place])
            found[tuple(words)] = [int((at - START) // DAY) if at != MISSING else None for at in times]
    hashes = {n: tuple(each) for n, each in zip("abcde", hash_ids("abcde").tolist(), strict=True)}
    assert {n: found[hashes[n]] for n in "abcde"} == {
        "a": [0, 2, -3],  # that of day 3 is too late
        "b": [None, None, 1],
        "c": [1, 1, 0],
        "d": [None, None, 0],  # in new of y, and of xx
        "e": [None, None, 0],
    }
