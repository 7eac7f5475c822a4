import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.schema import ConfigError, InputError
from homing.schema.experiment import Design, check_name, parse_design
from homing.schema.experiment_record import Change, Record, check_rising
from homing.schema.times import DAY

TOML = """\
days = 14
[arms.control]
share = 0.5
[arms.new]
share = 0.5
weights = { conversion = 2.0 }
[metrics.minutes]
role = "success"
event = "session"
aggregate = "sum"
effect = 0.05
[metrics.opt-outs]
role = "guardrail"
event = "opted_out"
direction = "down"
margin = 0.2
"""


def design(**changes: object) -> Design:
    return parse_design(TOML, "x.toml").model_copy(update=changes)


def record(*changes: Change, days: int = 14) -> Record:
    return Record("x", design(days=days), (Change("start", 100 * DAY, "now", 0.1), *changes))


def test_what_arms_set_is_known() -> None:
    made = design()
    assert made.treatments == ("new",)
    assert made.parameters == {"weights.conversion"}
    assert made.metrics["opt-outs"].sign == -1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("share = 0.5\nweights", "share = 0.4\nweights", "shares that sum to 0.9"),
        ("[arms.control]", "[arms.standard]", "control == 'control', must be one of the arms"),
        ("[arms.new]", "[arms.New]", "'New' must be of small letters"),
        ("effect = 0.05\n", "", "effect == None, must be given for success metrics"),
        ("margin = 0.2", "effect = 0.2", "margin == None, must be given for guardrails"),
        ('role = "success"\n', 'role = "monitor"\n', "effect == 0.05, must be given for success metrics"),
        ('direction = "down"', 'direction = "none"', "direction == 'none', must be 'up' or 'down'"),
        ('aggregate = "sum"', 'aggregate = "any"\nper = "sent"', "aggregate == 'any' with per"),
        ('aggregate = "sum"', 'after = "7d"', "after == '7d' without a window"),
        ('aggregate = "sum"', 'after = "7d"\nwindow = "14d"', "metrics.minutes ends later than days == 14"),
        ("days = 14", 'days = 14\ncorrection = "holm"', "correction == 'holm'"),
        ("days = 14", "days = 14\nrange = [0.0, 0.5]", "needs the name of its layer"),
        ("days = 14", "day = 14", "day is not a key; did you mean 'days'?"),
        ("days = 14", "days = ", "is not TOML"),
    ],
)
def test_a_broken_rule_is_named(old: str, new: str, told: str) -> None:
    assert old in TOML
    with pytest.raises(ConfigError, match=r"x\.toml") as error:
        parse_design(TOML.replace(old, new, 1), "x.toml")
    assert told in str(error.value)


def test_traffic_rises_and_ends() -> None:
    ramped = record(Change("ramp", 103 * DAY, "now", 0.5), Change("ramp", 105 * DAY, "now", 1.0))
    at = {day: ramped.traffic_at(day * DAY) for day in (99, 100, 102, 103, 104, 105, 113, 114)}
    assert at == {99: 0.0, 100: 0.1, 102: 0.1, 103: 0.5, 104: 0.5, 105: 1.0, 113: 1.0, 114: 0.0}
    stopped = ramped.changed(Change("stop", 108 * DAY, "now", reason="harm"))
    assert stopped.traffic_at(107 * DAY) == 1.0
    assert stopped.traffic_at(108 * DAY) == 0.0
    assert (stopped.ends_at, stopped.planned_end) == (108 * DAY, 114 * DAY)


@given(st.lists(st.integers(101, 113), unique=True, max_size=5), st.booleans())
def test_a_record_survives_its_file(days: list[int], stopped: bool) -> None:
    changes = [Change("look", day * DAY, "now") for day in days]
    if stopped:
        changes.append(Change("stop", 113 * DAY, "now", reason="enough"))
    kept = record(*changes)
    assert Record.from_dict(kept.to_dict()) == kept
    assert kept.looks == tuple(sorted(day * DAY for day in days))


def test_shares_only_rise() -> None:
    check_rising(record(Change("ramp", 103 * DAY, "now", 0.5)).history)
    with pytest.raises(InputError, match=r"traffic == 0.1, must be over 0.1"):
        check_rising(record(Change("ramp", 103 * DAY, "now", 0.1)).history)


@pytest.mark.parametrize("name", ["", "holdout", "A", "a:b", "a/b"])
def test_some_names_are_taken_or_hold_what_they_must_not(name: str) -> None:
    with pytest.raises(InputError, match="experiment =="):
        check_name(name)
