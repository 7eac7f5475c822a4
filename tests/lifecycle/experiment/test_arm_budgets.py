"""Budgets while arms decide: each has its part, and none changes what another one's users are sent."""

import dataclasses
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from small_world import SmallWorld

from homing.decision import Meter, decide_now
from homing.lifecycle.budgets.curve import vary_budget
from homing.lifecycle.budgets.prices import kept_prices, policy_of
from homing.lifecycle.epoch import Epoch, Scorer, users_at
from homing.lifecycle.experiment.accounts import accounts_of
from homing.lifecycle.experiment.arms import underway_at
from homing.lifecycle.experiment.designing import design
from homing.lifecycle.experiment.running import ramp, start, stop
from homing.lifecycle.explain import explain_decision, explain_user
from homing.lifecycle.plan import Planned, plan
from homing.lifecycle.progress import Timings
from homing.lifecycle.release import save_release
from homing.report.facts import AccountUse
from homing.schema import InputError, Instants
from homing.schema.times import DAY, to_datetime
from homing.store import Workspace, write_design

METRIC = '[metrics.m]\nrole = "success"\nevent = "session"\neffect = 0.1\n'
WEIGHTS = f"[arms.control]\nshare = 0.5\n[arms.calm]\nshare = 0.5\nweights = {{ annoyance = 2.0 }}\n{METRIC}"
BUDGETS = """
[[budgets]]
name = "email"
channel = "email"
max = 9

[[budgets]]
name = "annoyance"
counts = "objective:annoyance"
max = 20
per = "7d"
"""

Row = dict[str, Any]


def with_lines(workspace: Workspace, text: str) -> Workspace:
    settings = workspace.path / "homing.toml"
    settings.write_text(settings.read_text() + text)
    return Workspace.open(workspace.path)


def rows(workspace: Workspace, at: int) -> dict[str, Row]:
    frames = [pl.read_parquet(path) for path in Workspace.open(workspace.path).ledger.files("decisions")]
    table = pl.concat(frames, how="diagonal_relaxed").filter(pl.col("epoch_at") == to_datetime(at))
    return {row["user_id"]: row for row in table.drop("decided_at", strict=False).to_dicts()}


def account_of(row: Row) -> str:
    return "holdout" if row["arms"] == ["holdout:held"] else " + ".join(row["arms"]) or "others"


def uses(planned: Planned, budget: str) -> dict[str, AccountUse]:
    assert planned.budgets is not None
    starts = min(use.starts_at for use in planned.budgets.by_account if use.budget == budget)
    found = [u for u in planned.budgets.by_account if (u.budget, u.starts_at) == (budget, starts)]
    return {use.account: use for use in found}


@dataclass(frozen=True)
class Tried:
    """Two days that were planned under budgets, with an experiment on most users and a holdout."""

    workspace: Workspace
    days: tuple[int, int]
    plans: tuple[Planned, Planned]


@pytest.fixture(scope="module")
def tried(small_world: SmallWorld, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    target = tmp_path_factory.mktemp("arm-budgets") / "workspace"
    shutil.copytree(small_world.workspace.path, target)
    workspace = with_lines(Workspace.open(target), f"{BUDGETS}\n[holdout]\nshare = 0.2\n")
    write_design(workspace, "calmer", f"traffic = 0.8\n{WEIGHTS}")
    start(workspace, "calmer")
    days = small_world.end + DAY, small_world.end + 2 * DAY
    return Tried(workspace, days, (plan(workspace, days[0]), plan(workspace, days[1])))


def test_every_arm_keeps_its_part_and_all_keep_the_budget(tried: Tried) -> None:
    for planned, at in zip(tried.plans, tried.days, strict=True):
        found, parts = rows(tried.workspace, at), uses(planned, "email")
        users = Counter(account_of(row) for row in found.values())
        sent = Counter(account_of(row) for row in found.values() if row["channel"] == "email")
        assert list(parts) == ["others", "calmer:control", "calmer:calm", "holdout"]
        assert {name: use.users for name, use in parts.items()} == users
        assert {name: use.drawn for name, use in parts.items() if use.drawn} == sent
        sharing = [use for use in parts.values() if use.account != "holdout"]
        total = sum(use.users for use in sharing)
        assert sum(use.most for use in sharing) == 9
        assert all(abs(use.most - 9 * use.users / total) < 1 for use in sharing)
        assert all(use.drawn <= use.most and use.expected <= use.most + 0.1 for use in sharing)
        assert planned.budgets is not None
        (whole,) = (use for use in planned.budgets.uses if use.budget == "email")
        assert whole.drawn == sum(sent.values()) <= 9
        assert whole.price == pytest.approx(sum(use.price * use.users / total for use in sharing))
        assert planned.record.facts.budgets == planned.budgets
    prices = {use.price for use in uses(tried.plans[0], "email").values() if use.account != "holdout"}
    assert len(prices) == 3
    assert min(prices) >= 0 < max(prices)


def test_the_holdout_is_sent_nothing_and_its_part_goes_to_the_others(tried: Tried) -> None:
    for planned, at in zip(tried.plans, tried.days, strict=True):
        held = [row for row in rows(tried.workspace, at).values() if account_of(row) == "holdout"]
        assert len(held) > 40
        assert {row["action"] for row in held} == {"hold"}
        assert np.isnan(uses(planned, "email")["holdout"].most)


def test_the_same_plan_again_is_the_same(tried: Tried) -> None:
    again = plan(tried.workspace, tried.days[1])
    assert again.added == 0
    assert again.budgets is not None and tried.plans[1].budgets is not None
    assert repr(again.budgets.by_account) == repr(tried.plans[1].budgets.by_account)
    assert not list(tried.workspace.runs_path.glob(".offers*"))


def test_what_an_arm_used_in_the_period_is_its_own(tried: Tried) -> None:
    """The log's users bring what they were sent; of an expected use, what their arm's plan expected."""
    first, second = (uses(planned, "annoyance") for planned in tried.plans)
    for name in first:
        assert second[name].before == pytest.approx(first[name].before + first[name].drawn)
    assert first["calmer:calm"].drawn != pytest.approx(first["calmer:control"].drawn)


def test_who_enters_brings_what_it_used(tried: Tried, tmp_path: Path) -> None:
    """All others enter: of what they were expected to use, each brings an equal part to its arm."""
    shutil.copytree(tried.workspace.path, tmp_path / "ramped")
    workspace = Workspace.open(tmp_path / "ramped")
    ramp(workspace, "calmer", 1.0)
    earlier = uses(tried.plans[1], "annoyance")
    spent = {name: use.before + use.drawn for name, use in earlier.items()}
    now = uses(plan(workspace, tried.days[1] + DAY), "annoyance")
    assert "others" not in now
    assert sum(use.before for use in now.values()) == pytest.approx(sum(spent.values()))
    for name in ("calmer:control", "calmer:calm"):
        entered = now[name].users - earlier[name].users
        share = entered / earlier["others"].users
        assert entered > 10
        assert now[name].before == pytest.approx(spent[name] + share * spent["others"])


def test_users_count_from_their_first_choice_on(tried: Tried) -> None:
    for row in rows(tried.workspace, tried.days[0]).values():
        inside = account_of(row).startswith("calmer")
        assert row["triggered"] == (["calmer"] if inside and row["candidates"] > 1 else [])


def test_an_explanation_has_the_prices_of_the_users_own_arm(tried: Tried) -> None:
    planned, at = tried.plans[1], tried.days[1]
    found = rows(tried.workspace, at)
    for name, use in uses(planned, "email").items():
        mine = [row for row in found.values() if account_of(row) == name and row["candidates"] > 4]
        told = explain_decision(tried.workspace, mine[0]["decision_id"])
        (chosen,) = (option for option in told.options if option.chosen)
        assert chosen.probability == pytest.approx(mine[0]["propensity"], rel=1e-4)
        emails = [option for option in told.options if option.channel == "email"]
        if name == "holdout":
            assert all(option.prices == {} for option in told.options)
            continue
        assert all(option.prices["email"] == pytest.approx(use.price) for option in emails)
        same = explain_user(tried.workspace, mine[0]["user_id"], at)
        assert [o.probability for o in same.options] == [o.probability for o in told.options]


def test_one_user_online_pays_the_prices_of_its_arm(tried: Tried) -> None:
    workspace, at, planned = tried.workspace, tried.days[1], tried.plans[1]
    epoch = Epoch.of(workspace, at, Timings())
    underway = underway_at(workspace, at, epoch.release, epoch.vocabularies)
    kept = kept_prices(workspace, planned.run_id)
    assert kept is not None
    shard = epoch.loaded(0).shard
    everyone, found = users_at(shard, at), rows(workspace, at)
    names = epoch.loaded(0).ids.users.to_list()
    parts = uses(planned, "email")
    for place in range(12):
        one = Instants(everyone.user[place : place + 1], everyone.at[place : place + 1])
        (account,), _ = accounts_of(underway, shard.users.hash[one.user])
        assert account.name == account_of(found[names[one.user[0]]])
        policy = policy_of(kept, workspace, account, epoch.vocabularies, epoch.catalogue)
        if account.held:
            assert policy is None
            continue
        assert policy is not None and policy.prices is not None
        email = kept.names.index("email")
        assert policy.prices.price[email] == pytest.approx(parts[account.name].price)
        empty = Meter.empty(len(policy.prices.limits))
        score = Scorer(account.decider.release, shard)
        most = np.full(len(policy.prices.limits), np.inf)
        drawn, meter = decide_now(shard, one, policy, workspace.config, score, empty, most)
        assert meter.arrived == len(drawn) == 1
        assert drawn.candidates[0] == found[names[one.user[0]]]["candidates"]


def test_no_arm_changes_what_another_arms_users_are_sent(
    tried: Tried, copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    """Two days with another release in one arm: all other users have the same rows, to the last bit."""
    workspace = with_lines(copied(), f"{BUDGETS}\n[holdout]\nshare = 0.2\n")
    eager = dataclasses.replace(
        small_world.trained.release, temperature=small_world.trained.release.temperature / 50
    )
    second = save_release(workspace, eager)
    (workspace.releases_path / "current").write_text(small_world.trained.release.id)
    text = f'[arms.control]\nshare = 0.5\n[arms.calm]\nshare = 0.5\nrelease = "{second.id}"\n{METRIC}'
    write_design(workspace, "calmer", f"traffic = 0.8\n{text}")
    record = start(workspace, "calmer")
    assert record.design.arms["control"].release == small_world.trained.release.id
    for planned, at in zip(tried.plans, tried.days, strict=True):
        other = plan(workspace, at)
        ours, theirs = rows(workspace, at), rows(tried.workspace, at)
        apart = {user for user, row in ours.items() if account_of(row) != "calmer:calm"}
        assert len(apart) > 200
        for user in apart:
            assert {**ours[user], "run_id": 0} == {**theirs[user], "run_id": 0}
        assert any(ours[user]["message_id"] != theirs[user]["message_id"] for user in ours.keys() - apart)
        for name, use in uses(planned, "email").items():
            if name != "calmer:calm":
                assert repr(uses(other, "email")[name]) == repr(use)


def test_a_size_is_varied_in_all_parts(tried: Tried) -> None:
    found = vary_budget(tried.workspace, tried.days[1], "email", [2.0]).curve
    (here, wider) = found.points
    assert tried.plans[1].budgets is not None
    (use,) = (use for use in tried.plans[1].budgets.uses if use.budget == "email")
    assert here.price == pytest.approx(use.price, rel=0.02)
    assert found.users == sum(one.users for one in uses(tried.plans[1], "email").values())
    assert here.objective < wider.objective < wider.first_order
    assert here.used < wider.used <= 18


def test_an_arm_that_holds_leaves_its_part_and_minima_to_nobody(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = with_lines(copied(), '\n[[budgets]]\nname = "email"\nchannel = "email"\nmax = 12\nmin = 10\n')
    arms = f'[arms.control]\nshare = 0.5\npolicy = "hold"\n[arms.on]\nshare = 0.5\n{METRIC}'
    write_design(workspace, "quiet", arms)
    start(workspace, "quiet")
    planned = plan(workspace, small_world.end + DAY)
    parts = uses(planned, "email")
    assert parts["quiet:control"].drawn == 0
    assert np.isnan(parts["quiet:control"].price) and np.isnan(parts["quiet:control"].least)
    assert parts["quiet:on"].least <= parts["quiet:on"].drawn <= parts["quiet:on"].most < 8
    stop(workspace, "quiet")
    after = plan(workspace, small_world.end + 2 * DAY)
    assert after.budgets is not None
    assert after.budgets.by_account == ()
    assert 10 <= after.budgets.uses[0].drawn <= 12


def test_an_arm_that_no_prices_move_is_named(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = with_lines(copied(), '\n[[budgets]]\nname = "email"\nchannel = "email"\nmax = 12\n')
    arms = f'[arms.control]\nshare = 0.5\n[arms.any]\nshare = 0.5\npolicy = "uniform"\n{METRIC}'
    write_design(workspace, "loud", arms)
    told = design(workspace, "loud")
    assert [(part.arm, part.most) for part in told.budgets] == [("control", 6), ("any", 6)]
    assert any(note.startswith("every arm has its part of each budget") for note in told.warnings)
    assert any(note.startswith("any decides by 'uniform', which no prices move") for note in told.warnings)
    start(workspace, "loud")
    at = small_world.end + DAY
    with pytest.raises(InputError, match=r"loud:any decides by the policy 'uniform'.* email from .*--relax"):
        plan(workspace, at)
    widened = uses(plan(workspace, at, relax=True), "email")
    assert widened["loud:any"].relaxed_by == widened["loud:any"].drawn - widened["loud:any"].most > 0
    assert widened["loud:control"].relaxed_by == 0


def test_what_an_arm_cannot_keep_names_it(copied: Callable[[], Workspace], small_world: SmallWorld) -> None:
    budgets = (
        '\n[[budgets]]\nname = "many"\nchannel = "email"\nmin = 20\n\n[[budgets]]\nname = "few"\nmax = 10\n'
    )
    workspace = with_lines(copied(), budgets)
    write_design(workspace, "calmer", WEIGHTS)
    start(workspace, "calmer")
    with pytest.raises(InputError, match="budgets of calmer:control cannot be kept together"):
        plan(workspace, small_world.end + DAY)


def test_a_greedy_arm_is_as_cold_as_its_part_allows(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = with_lines(copied(), '\n[[budgets]]\nname = "all"\nmin = 40\nmax = 44\n')
    arms = f'[arms.control]\nshare = 0.5\n[arms.best]\nshare = 0.5\npolicy = "greedy"\n{METRIC}'
    write_design(workspace, "best", arms)
    start(workspace, "best")
    at = small_world.end + DAY
    planned = plan(workspace, at)
    part = uses(planned, "all")["best:best"]
    assert part.price < 0
    assert 15 < part.least <= part.drawn <= part.most < 25
    found = rows(workspace, at)
    row = next(r for r in found.values() if account_of(r) == "best:best" and r["action"] == "send")
    told = explain_decision(workspace, row["decision_id"])
    (chosen,) = (option for option in told.options if option.chosen)
    assert chosen.probability == pytest.approx(row["propensity"], rel=1e-3)
