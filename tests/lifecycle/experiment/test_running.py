from collections.abc import Callable

import pytest
from small_world import SmallWorld

from homing.lifecycle.experiment.running import next_epoch, start, status, stop
from homing.lifecycle.experiment.template import template
from homing.lifecycle.release import current_release
from homing.schema import InputError, WorkspaceError
from homing.schema.experiment import parse_design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY
from homing.store import Workspace, read_record, write_design

ARMS = "[arms.control]\nshare = 0.5\n[arms.new]\nshare = 0.5\n"
METRIC = '[metrics.m]\nrole = "success"\nevent = "session"\neffect = 0.1\n'
QUIET = f'{ARMS}policy = "hold"\n{METRIC}'


def test_a_start_fixes_salt_and_releases(copied: Callable[[], Workspace], small_world: SmallWorld) -> None:
    workspace = copied()
    write_design(workspace, "x", f'{ARMS}release = "current"\n{METRIC}')
    record = start(workspace, "x")
    today = current_release(workspace)
    assert {arm.release for arm in record.design.arms.values()} == {today}
    assert record.design.salt == "homing"
    assert record.started_at == small_world.end + DAY == next_epoch(workspace)
    assert read_record(workspace, "x") == record


def test_an_arm_without_release_follows_the_current_one(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    write_design(workspace, "x", QUIET)
    assert {arm.release for arm in start(workspace, "x").design.arms.values()} == {""}


@pytest.mark.parametrize(
    ("arm", "metric", "error", "told"),
    [
        ('policy = "hld"', METRIC, InputError, "arms.new: policy == 'hld', must be one of"),
        ('release = "r-1"', METRIC, WorkspaceError, "release == 'r-1' does not exist"),
        ("weights = { conversions = 1.0 }", METRIC, InputError, "did you mean 'conversion'"),
        ("weights = { conversion = -1.0 }", METRIC, InputError, "must be >= 0"),
        ('policy = "hold"\nweights = { conversion = 1.0 }', METRIC, InputError, "has no weights"),
        ('policy = "release:random"', METRIC, InputError, "name the release in `release`"),
        ("", METRIC.replace("session", "sesion"), InputError, "did you mean 'session'"),
        ("", f'{METRIC}per = "send"\n', InputError, "metrics.m.per == 'send'"),
    ],
)
def test_what_does_not_fit_the_workspace_cannot_start(
    copied: Callable[[], Workspace], arm: str, metric: str, error: type[Exception], told: str
) -> None:
    workspace = copied()
    write_design(workspace, "x", f"{ARMS}{arm}\n{metric}")
    with pytest.raises(error) as raised:
        start(workspace, "x")
    assert told in str(raised.value)
    assert read_record(workspace, "x") is None


def test_planned_epochs_are_final(copied: Callable[[], Workspace], small_world: SmallWorld) -> None:
    workspace = copied()
    write_design(workspace, "x", QUIET)
    with pytest.raises(InputError, match="start at 2026-02-02T00:00:00Z, must be after"):
        start(workspace, "x", small_world.end)


def test_users_are_shared_only_where_nothing_is_set_twice(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    layered = 'layer = "who"\nrange = [{}, {}]\n' + QUIET
    write_design(workspace, "one", layered.format(0.0, 0.5))
    write_design(workspace, "two", layered.format(0.5, 1.0))
    write_design(workspace, "over", layered.format(0.4, 0.6))
    write_design(workspace, "salted", f'salt = "other"\n{layered.format(0.6, 0.7)}')
    write_design(workspace, "apart", QUIET)
    write_design(workspace, "weights", f"{ARMS}weights = {{ conversion = 2.0 }}\n{METRIC}")
    first = start(workspace, "one")
    start(workspace, "two")
    for name, told in (
        ("over", "must not overlap"),
        ("salted", "different salts"),
        ("apart", "both set policy"),
    ):
        with pytest.raises(InputError, match=told):
            start(workspace, name)
    start(workspace, "weights")
    stop(workspace, "one", first.started_at + DAY)
    stop(workspace, "two", first.started_at + DAY)
    start(workspace, "apart", first.started_at + DAY)


def test_status_follows_time() -> None:
    record = Record("x", parse_design(f"days = 7\n{QUIET}", "x"), (Change("start", 10 * DAY, "", 1.0),))
    days = {9: "waiting", 10: "running", 16: "running", 17: "ended"}
    assert {day: status(record, day * DAY) for day in days} == days
    stopped = record.changed(Change("stop", 12 * DAY, ""))
    assert status(stopped, 12 * DAY) == "stopped"
    assert status(None, 0) == "designed"


def test_the_template_is_a_design_that_can_start(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    write_design(workspace, "x", template(workspace))
    record = start(workspace, "x")
    roles = {name: metric.role for name, metric in record.design.metrics.items()}
    assert roles == {
        "conversion": "success", "engagement": "success", "annoyance": "guardrail", "sends": "monitor",
    }  # fmt: skip
