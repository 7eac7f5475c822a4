"""Starting, ramping up and stopping experiments; what is fixed at the start, and which may run together."""

from __future__ import annotations

from datetime import UTC, datetime

from homing.experiments import check_layers
from homing.lifecycle.experiment.arms import split_of
from homing.lifecycle.experiment.deciders import Setting, arm_policy
from homing.lifecycle.experiment.weighing import worth_of
from homing.lifecycle.release import current_release, load_release
from homing.lifecycle.replay import observed_until
from homing.schema import InputError
from homing.schema.errors import nearest
from homing.schema.experiment import REACH, SENT, STAGE, Arm, Design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY, MISSING, check_epoch, format_time
from homing.store import (
    Workspace,
    change_record,
    experiment_names,
    read_design,
    read_record,
    start_record,
)


def start(workspace: Workspace, name: str, at: int | None = None) -> Record:
    """Fix an experiment's design; from an epoch on its arms decide.

    Args:
        workspace: with a release.
        name: of its design.
        at: the first epoch, us; None: `next_epoch`.

    Raises:
        InputError: the design does not fit the workspace, epochs from `at` on are planned already, it was
            started before, or another experiment has the same users and sets the same.
        ConfigError: the design breaks a rule.
        WorkspaceError: there is no release, or not that of an arm.
    """
    at = next_epoch(workspace) if at is None else check_epoch(at)
    _check_unplanned(workspace, "start", at)
    design = resolved(workspace, read_design(workspace, name))
    check_design(workspace, design)
    record = Record(name, design, (Change("start", at, _now(), design.traffic),))
    start_record(workspace, record, lambda others: _check_beside(record, others))
    return record


def ramp(workspace: Workspace, name: str, traffic: float, at: int | None = None) -> Record:
    """Let more users into an experiment from an epoch on (us; None: `next_epoch`); nobody changes arms.

    Raises:
        InputError: the share is not over the present one, epochs from `at` on are planned already, or the
            experiment is not running.
    """
    at = next_epoch(workspace) if at is None else check_epoch(at)
    if not 0 < traffic <= 1:
        raise InputError(f"traffic == {traffic:g}, must be in (0, 1]")
    _check_unplanned(workspace, "ramp", at)
    return change_record(workspace, name, Change("ramp", at, _now(), traffic))


def stop(workspace: Workspace, name: str, at: int | None = None, reason: str = "") -> Record:
    """End an experiment: from an epoch on (us; None: `next_epoch`) its arms decide no more.

    Raises:
        InputError: epochs from `at` on are planned already, or the experiment is not running.
    """
    at = next_epoch(workspace) if at is None else check_epoch(at)
    _check_unplanned(workspace, "stop", at)
    return change_record(workspace, name, Change("stop", at, _now(), reason=reason))


def records(workspace: Workspace) -> tuple[tuple[str, Record | None], ...]:
    """Return every experiment with its record; None: only designed."""
    return tuple((name, read_record(workspace, name)) for name in experiment_names(workspace))


def status(record: Record | None, at: int) -> str:
    """Return what an experiment is doing at an instant (us), in a word."""
    if record is None:
        return "designed"
    if record.stopped_at is not None and record.stopped_at <= min(at, record.planned_end):
        return "stopped"
    if at >= record.planned_end:
        return "ended"
    return "running" if at >= record.started_at else "waiting"


def status_now(workspace: Workspace, record: Record | None) -> str:
    """Return what an experiment is doing at the end of what is known, in a word."""
    return status(record, max(workspace.ledger.decided_until(), observed_until(workspace)))


def next_epoch(workspace: Workspace) -> int:
    """Return the next midnight UTC that is not planned yet, us, at the earliest the end of the log.

    Raises:
        InputError: the ledger has neither decisions nor events.
    """
    decided, watermark = workspace.ledger.decided_until(), observed_until(workspace)
    if decided == MISSING and watermark == MISSING:
        raise InputError("the ledger has no decisions and no events; give the first epoch with --at TIME")
    first = decided // DAY * DAY + DAY if decided != MISSING else watermark
    return max(first, -(-watermark // DAY) * DAY) if watermark != MISSING else first


def resolved(workspace: Workspace, design: Design) -> Design:
    """Return the design with the salt, the releases and the worth of today.

    Where an arm names a release, those that name none get the current one, so that all stay comparable.
    """
    arms = dict(design.arms)
    if "release" in design.parameters:
        today = current_release(workspace)
        for name, arm in arms.items():
            if arm.release in ("", "current") and today is not None:
                arms[name] = arm.model_copy(update={"release": today})
    salt = design.salt or workspace.config.workspace.salt
    worth = worth_of(workspace.config, design)
    return design.model_copy(update={"arms": arms, "salt": salt, "worth": worth})


def check_design(workspace: Workspace, design: Design) -> None:
    """Check a resolved design against the workspace.

    Raises:
        InputError: an event type, policy, objective or segment is not known, or nothing has a worth by which
            the rule decides.
        WorkspaceError: a release is not there.
    """
    known = (*workspace.config.event_types, SENT)
    for name, metric in design.metrics.items():
        for key, event in (("event", metric.event), ("per", metric.per)):
            if event not in known and (event or key == "event"):
                raise InputError(
                    f"metrics.{name}.{key} == {event!r} is no event type{nearest(event, known)}; declare it "
                    "in events.types of homing.toml"
                )
    if design.rule == "worth" and not design.worth:
        raise InputError(
            "rule == 'worth', and no metric has a worth: no objective of homing.toml counts what one of them "
            "does; set worth.METRIC"
        )
    vocabularies = workspace.ledger.vocabularies()
    columns = (STAGE, REACH, *vocabularies.categorical.get("users", {}))
    for name in design.segments:
        if name not in columns:
            raise InputError(
                f"segments has {name!r}, which is no categorical column of users{nearest(name, columns)}; "
                f"there are {', '.join(columns)}"
            )
    loaded = {
        release: load_release(workspace, vocabularies, release or None)
        for release in {arm.release for arm in design.arms.values()}
    }
    for name, arm in design.arms.items():
        _check_arm(name, arm)
        setting = Setting(arm.policy, arm.release, tuple(arm.weights.items()))
        try:
            arm_policy(workspace, loaded[arm.release], vocabularies, setting)
        except InputError as error:
            raise InputError(f"arms.{name}: {error}") from None


def overlapping(record: Record, others: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return the experiments that have users of this one at some time."""
    return tuple(
        other
        for other in others
        if other.name != record.name
        and other.started_at < record.ends_at
        and record.started_at < other.ends_at
        and not _exclusive(record.design, other.design)
    )


def _check_arm(name: str, arm: Arm) -> None:
    if arm.weights and arm.policy and not arm.policy.startswith(("learned", "greedy")):
        raise InputError(f"arms.{name}: policy == {arm.policy!r} has no weights; leave one of them out")
    if arm.policy.startswith("release:"):
        raise InputError(f"arms.{name}: policy == {arm.policy!r}; name the release in `release`")


def _check_beside(record: Record, others: tuple[Record, ...]) -> None:
    running = [other for other in others if other.ends_at > record.started_at]
    for other in running:
        same = record.design.layer and record.design.layer == other.design.layer
        if same and record.design.salt != other.design.salt:
            raise InputError(
                f"{record.name} and {other.name} share layer {record.design.layer!r}, and have different "
                "salts; with them the layer's users are not divided"
            )
    check_layers([split_of(each, 1.0) for each in (record, *running)])
    for other in overlapping(record, tuple(running)):
        both = sorted(record.design.parameters & other.design.parameters)
        if both:
            raise InputError(
                f"{record.name} and {other.name} share users until {format_time(other.ends_at)} and both set "
                f"{', '.join(both)}; give both one layer, with ranges that do not overlap"
            )


def _exclusive(one: Design, other: Design) -> bool:
    apart = one.range[1] <= other.range[0] or other.range[1] <= one.range[0]
    return bool(one.layer) and one.layer == other.layer and apart


def _check_unplanned(workspace: Workspace, what: str, at: int) -> None:
    decided = workspace.ledger.decided_until()
    if decided != MISSING and at <= decided:
        raise InputError(
            f"{what} at {format_time(at)}, must be after {format_time(decided)}, the last epoch that is "
            "planned; decisions are final"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
