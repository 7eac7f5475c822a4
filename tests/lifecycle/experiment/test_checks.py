"""Each check is failed by what it is for, and by nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from homing.experiments import Check, assign, from_arrays, hash_ids, mean
from homing.lifecycle.experiment.arms import split_of
from homing.lifecycle.experiment.checks import blocking_checks, cautions, unexplained_sends
from homing.lifecycle.experiment.looking import Look
from homing.lifecycle.experiment.measuring import Measured
from homing.lifecycle.experiment.rule import verdict_of
from homing.schema.experiment import parse_design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY, MISSING
from homing.store import UserNumbers, Workspace

START, USERS = 100 * DAY, 3_000
TOML = """\
days = 14
salt = "homing"
[arms.control]
share = 0.5
policy = "hold"
[arms.new]
share = 0.5
[metrics.m]
role = "success"
event = "session"
effect = 0.1
"""
RECORD = Record("x", parse_design(TOML, "x"), (Change("start", START, "", 1.0),))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.create(tmp_path_factory.mktemp("checks"))


def measured(
    arm: np.ndarray | None = None,
    assigned: np.ndarray | None = None,
    several: np.ndarray | None = None,
    before: float = 0.0,
    unexplained: float = 0.0,
    later: float = 0.0,
    moved: int = 0,
    largest: float = 1.0,
) -> Measured:
    """An experiment of which some things are otherwise than they are to be."""
    rng = np.random.default_rng(3)
    hashes = hash_ids(f"user-{number}" for number in range(USERS))
    place = assign(hashes, split_of(RECORD, 1.0), "homing").astype(np.int32) if arm is None else arm
    at = np.full(USERS, START) if assigned is None else assigned
    seen = at != MISSING
    users = UserNumbers(
        hash=hashes,
        signed_up_at=np.full(USERS, MISSING),
        arm=np.where(seen, place, -1),
        several=np.zeros(USERS, np.bool_) if several is None else several,
        assigned_at=at,
        entered_at=at,
        values=np.zeros((USERS, 0)),
    )
    names = np.array(["control", "new"])[place[seen]]
    columns = {
        "m before": rng.normal(5, 1, USERS)[seen] + before * place[seen],
        "later": rng.normal(0, 1, USERS)[seen] + later * place[seen],
        "unexplained": np.full(seen.sum(), unexplained),
    }
    counts = np.bincount(place[seen], minlength=2)[None]
    stage = np.where(np.arange(seen.sum()) % 2, "new", "loyal")
    stage[np.flatnonzero((names == "new") & (stage == "new"))[:moved]] = "loyal"
    moments = from_arrays(names, columns)
    inside = {name: from_arrays(names[stage == name], {}) for name in ("new", "loyal")}
    contrast = mean("later", "m later")
    return Measured(
        moments,
        moments,
        {},
        (mean("m before"),),
        (contrast,),
        mean("unexplained"),
        counts,
        counts,
        (users,),
        splits={"lifecycle stage": inside},
        extremes={"later": np.array([[0.0, 1.0], [0.0, largest]])},
    )


def failed(workspace: Workspace, found: Measured) -> set[str]:
    checks = blocking_checks(workspace, RECORD, found, START + 3 * DAY)
    assert len(checks) == 7
    return {check.name for check in checks if not check.passed}


def test_a_sound_experiment_passes(workspace: Workspace) -> None:
    assert failed(workspace, measured()) == set()
    assert [check.passed for check in cautions(RECORD, measured())] == [True, True]
    assert unexplained_sends(RECORD, measured()) == {}


def test_a_lost_tenth_of_an_arm_is_missing_and_shifts_the_shares(workspace: Workspace) -> None:
    sound = measured().users[0]
    lost = (sound.arm == 1) & (np.arange(USERS) % 5 == 0)
    found = measured(assigned=np.where(lost, MISSING, START))
    assert {"missing exposures", "arms of assigned users"} <= failed(workspace, found)


def test_a_few_missing_in_both_arms_are_told_and_pass(workspace: Workspace) -> None:
    found = measured(assigned=np.where(np.arange(USERS) % 200 == 0, MISSING, START))
    checks = blocking_checks(workspace, RECORD, found, START + 3 * DAY)
    missing = next(check for check in checks if check.name == "missing exposures")
    assert missing.passed
    assert missing.detail.startswith("15 of 3,000 users have no decision")


def test_users_in_two_arms_or_in_the_wrong_one_contaminate(workspace: Workspace) -> None:
    sound = measured().users[0]
    one = np.arange(USERS) == 7
    assert failed(workspace, measured(several=one)) == {"contamination"}
    assert failed(workspace, measured(arm=np.where(one, 1 - sound.arm, sound.arm))) == {"contamination"}


def test_arms_that_differed_before_fail(workspace: Workspace) -> None:
    assert failed(workspace, measured(before=0.3)) == {"before the start"}


def test_an_effect_that_grows_is_a_caution() -> None:
    _, check = cautions(RECORD, measured(later=0.3))
    assert not check.passed
    assert check.name == "fading or growing: m of new"


def test_arms_that_differ_in_a_segment_fail_though_they_do_not_in_all(workspace: Workspace) -> None:
    found = measured(moved=250)
    assert failed(workspace, found) == {"arms in every segment"}
    checks = blocking_checks(workspace, RECORD, found, START + 3 * DAY)
    (check,) = (check for check in checks if check.name == "arms in every segment")
    assert check.detail.startswith("segment lifecycle stage: new: control ")


def test_one_user_with_much_of_what_varies_is_a_caution() -> None:
    check, _ = cautions(RECORD, measured(largest=25.0))
    assert (check.name, check.passed) == ("outliers: later", False)
    assert check.detail.startswith("one unit of new has ")


def test_deliveries_in_an_arm_that_holds_are_seen() -> None:
    assert unexplained_sends(RECORD, measured(unexplained=0.5)) == {"control": 0.5}


@pytest.mark.parametrize(
    ("share", "looks", "ship", "worse", "passed", "over", "want"),
    [
        (1.0, "always_valid", True, False, True, False, "ship"),
        (0.5, "always_valid", True, False, True, False, "ship"),
        (0.5, "none", True, False, True, False, "go_on"),
        (0.5, "always_valid", False, False, True, False, "go_on"),
        (0.5, "always_valid", False, False, True, True, "do_not_ship"),
        (1.0, "none", False, False, True, False, "do_not_ship"),
        (0.5, "none", False, True, True, False, "stop"),
        (1.0, "always_valid", False, True, True, True, "stop"),
        (1.0, "always_valid", True, False, False, False, "cannot_be_read"),
        (0.5, "always_valid", False, True, False, False, "cannot_be_read"),
    ],
)
def test_what_the_rule_says_when(
    share: float, looks: str, ship: bool, worse: bool, passed: bool, over: bool, want: str
) -> None:
    outcome = SimpleNamespace(worse=worse, criterion=SimpleNamespace(metric=SimpleNamespace(name="m")))
    check = Check("c", 1.0 if passed else 0.0, 0.01, "seen")
    decision = SimpleNamespace(
        ship=ship, arm="new", outcomes=(outcome,), checks=(check,), reasons=("why",), sentence="Ship?"
    )
    design = RECORD.design.model_copy(update={"looks": looks})
    found = verdict_of(decision, Look(design, (share,)), START + 14 * DAY, over)  # type: ignore[arg-type]
    assert found.verdict == want
    assert found.arm == "new"
