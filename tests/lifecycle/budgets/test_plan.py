"""Plans under budgets: what is met, that nothing else moves, and that the same is planned twice."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from small_world import SmallWorld

from homing.decision import Context, Hold
from homing.decision.replay import replay
from homing.lifecycle.budgets.curve import vary_budget
from homing.lifecycle.budgets.held_out import with_prices
from homing.lifecycle.budgets.prices import kept_prices
from homing.lifecycle.explain import explain_decision, explain_user
from homing.lifecycle.plan import Planned, plan
from homing.report.facts import BudgetUse
from homing.schema import InputError, Shard
from homing.schema.times import DAY, to_datetime
from homing.store import Workspace, load_shard

Row = dict[str, Any]


def with_budgets(workspace: Workspace, text: str) -> Workspace:
    settings = workspace.path / "homing.toml"
    settings.write_text(settings.read_text() + text)
    return Workspace.open(workspace.path)


def sends(workspace: Workspace, at: int) -> list[Row]:
    frames = [pl.read_parquet(path) for path in workspace.ledger.files("decisions")]
    rows = pl.concat(frames, how="diagonal_relaxed").filter(pl.col("epoch_at") == to_datetime(at))
    return rows.filter(pl.col("action") == "send").to_dicts()


def campaign_of(workspace: Workspace, at: int) -> str:
    """Return the message that most users have a reason for."""
    frames = [pl.read_parquet(path) for path in workspace.ledger.files("opportunities")]
    alive = (pl.col("created_at") <= to_datetime(at)) & (pl.col("expires_at") > to_datetime(at + DAY))
    rows = pl.concat(frames, how="diagonal_relaxed").filter(alive)
    return str(rows["message_id"].value_counts().sort("count", "message_id")["message_id"][-1])


def three(workspace: Workspace, at: int) -> Workspace:
    return with_budgets(
        workspace,
        f"""
[[budgets]]
name = "email"
channel = "email"
max = 12

[[budgets]]
name = "campaign"
message = "{campaign_of(workspace, at)}"
min = 9

[[budgets]]
name = "annoyance"
counts = "objective:annoyance"
max = 2.5
""",
    )


def use(planned: Planned, name: str) -> BudgetUse:
    assert planned.budgets is not None
    return next(one for one in planned.budgets.uses if one.budget == name)


@pytest.fixture(scope="module")
def budgeted(
    small_world: SmallWorld, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, Planned, int]:
    """A workspace whose day after the log was planned under three budgets."""
    target, at = tmp_path_factory.mktemp("budgets") / "workspace", small_world.end + DAY
    shutil.copytree(small_world.workspace.path, target)
    workspace = three(Workspace.open(target), at)
    return workspace, plan(workspace, at), at


def test_a_plan_keeps_its_budgets(budgeted: tuple[Workspace, Planned, int]) -> None:
    workspace, planned, at = budgeted
    rows = sends(workspace, at)
    email, campaign, annoyance = (use(planned, name) for name in ("email", "campaign", "annoyance"))
    assert email.drawn == sum(row["channel"] == "email" for row in rows) <= 12 < email.wanted
    target = campaign_of(workspace, at)
    assert campaign.drawn == sum(row["message_id"] == target for row in rows) >= 9 > campaign.wanted
    assert annoyance.expected <= 2.5 * 1.01 < annoyance.wanted
    assert annoyance.drawn == pytest.approx(annoyance.expected, rel=0.2)
    assert email.price > 0 > campaign.price
    assert annoyance.price > 0
    assert email.worth[0].amount == pytest.approx(email.price)  # conversion has weight 1
    assert min(email.lost, campaign.lost, annoyance.lost) > 0
    assert planned.budgets is not None
    assert planned.budgets.violation < 0.01
    assert planned.budgets.value < planned.budgets.bound
    assert planned.record.facts.budgets == planned.budgets


def test_the_same_plan_again_is_the_same_and_leaves_nothing_behind(
    budgeted: tuple[Workspace, Planned, int],
) -> None:
    workspace, planned, at = budgeted
    one_thread = workspace.config.engine.model_copy(update={"threads": 2})
    other = replace(workspace, config=workspace.config.model_copy(update={"engine": one_thread}))
    again = plan(other, at)
    assert again.added == 0
    assert again.budgets is not None and planned.budgets is not None
    assert again.budgets.uses == planned.budgets.uses
    assert not list(workspace.runs_path.glob(".offers*"))


def test_an_explanation_has_the_prices_and_the_logged_propensity(
    budgeted: tuple[Workspace, Planned, int],
) -> None:
    workspace, planned, at = budgeted
    kept = kept_prices(workspace, planned.run_id)
    assert kept is not None
    assert dict(zip(kept.names, kept.price, strict=True)) == {
        one.budget: one.price
        for one in planned.budgets.uses  # type: ignore[union-attr]
    }
    rows = sends(workspace, at)
    for row in [*(r for r in rows if r["channel"] == "email"), *rows][:4]:
        told = explain_decision(workspace, row["decision_id"])
        (chosen,) = (option for option in told.options if option.chosen)
        assert chosen.probability == pytest.approx(row["propensity"], rel=1e-4)
        hold = next(option for option in told.options if option.message is None)
        assert hold.prices == {}
        for option in told.options:
            paid = option.prices.get("email", 0.0)
            assert paid == pytest.approx(use(planned, "email").price if option.channel == "email" else 0.0)
            more = max(0.0, option.values["annoyance"] - hold.values["annoyance"])
            owed = more * use(planned, "annoyance").price
            assert option.prices.get("annoyance", 0.0) == pytest.approx(owed, rel=1e-4, abs=1e-9)
        same = explain_user(workspace, row["user_id"], at)
        assert [o.probability for o in same.options] == [o.probability for o in told.options]


def test_what_a_period_has_used_is_not_given_again(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    """The day's plan at midnight sent e-mails; twelve hours later the rest of the day's 60 is left."""
    sent = sum(row["channel"] == "email" for row in sends(small_world.workspace, small_world.end))
    assert 5 < sent < 60
    workspace = with_budgets(
        copied(), f'\n[[budgets]]\nname = "email"\nchannel = "email"\nmax = {sent + 4}\n'
    )
    planned = plan(workspace, small_world.end + DAY // 2)
    assert planned.budgets is not None
    today, tomorrow = (one for one in planned.budgets.uses if one.budget == "email")
    assert today.before == sent
    assert today.drawn <= 4
    assert tomorrow.before == 0
    assert tomorrow.drawn <= (sent + 4) / 2  # the slots of half of the day


def test_budgets_that_contradict_each_other_are_an_error_or_widened(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    at = small_world.end + DAY
    workspace = with_budgets(
        copied(),
        '\n[[budgets]]\nname = "many"\nchannel = "email"\nmin = 20\n\n[[budgets]]\nname = "few"\nmax = 10\n',
    )
    before = workspace.ledger.counts()
    with pytest.raises(InputError, match=r"budgets cannot be kept together .* plan with --relax"):
        plan(workspace, at)
    assert Workspace.open(workspace.path).ledger.counts() == before
    assert not list(workspace.runs_path.glob("plan-*/prices.json"))
    relaxed = plan(workspace, at, relax=True)
    assert use(relaxed, "many").relaxed_by + use(relaxed, "few").relaxed_by > 5


def test_prices_start_from_those_of_the_last_run(budgeted: tuple[Workspace, Planned, int]) -> None:
    workspace, planned, at = budgeted
    loose = tuple(
        budget.model_copy(update={"min": 0.5} if budget.min else {}) for budget in workspace.config.budgets
    )
    later = replace(workspace, config=workspace.config.model_copy(update={"budgets": loose}))
    second = plan(later, at + DAY)
    assert second.budgets is not None
    assert second.budgets.started_from == planned.run_id
    again = plan(later, at + DAY)
    assert again.added == 0
    assert again.budgets == replace(second.budgets, seconds=again.budgets.seconds)  # type: ignore[union-attr]


def test_more_of_a_budget_is_never_worth_less_and_the_price_is_the_slope(
    budgeted: tuple[Workspace, Planned, int],
) -> None:
    workspace, planned, at = budgeted
    before = workspace.ledger.counts()
    found = vary_budget(workspace, at, "email", [0.9, 0.99, 1.01, 1.6]).curve
    assert [point.factor for point in found.points] == [0.9, 0.99, 1.0, 1.01, 1.6]
    assert all(point.met for point in found.points)
    worth = np.array([point.objective for point in found.points])
    line = np.array([point.first_order for point in found.points])
    assert (np.diff(worth) > -1e-4).all()
    close = 1e-3 * worth[2]  # to which prices are found
    assert (worth <= line + close).all()
    assert np.abs(worth - line)[[1, 3]].max() < close < (line - worth)[-1]
    assert found.points[2].price == pytest.approx(use(planned, "email").price, rel=0.05)
    prices = [point.price for point in found.points]
    assert prices == sorted(prices, reverse=True)
    assert Workspace.open(workspace.path).ledger.counts() == before
    with pytest.raises(InputError, match=r"budget == 'e-mail' is not in homing\.toml; did you mean 'email'"):
        vary_budget(workspace, at, "e-mail", [0.5])


def test_policies_are_valued_within_the_budgets(
    budgeted: tuple[Workspace, Planned, int], small_world: SmallWorld
) -> None:
    """On half of the log's decisions a policy may use half of what the days of the log have of a budget."""
    workspace, _, _ = budgeted
    email = workspace.config.budgets[0].model_copy(update={"max": 30.0})
    one = replace(workspace, config=workspace.config.model_copy(update={"budgets": (email,)}))
    release, cold = small_world.trained.release, small_world.trained.release.greedy()
    log = [load_shard(one, partition).shard for partition in range(2)]

    def half(shard: Shard) -> NDArray[np.bool_]:
        return np.arange(len(shard.decisions)) % 2 == 0

    found = with_prices(one, release, [Hold(), release.policy(), cold], half, [s.decisions for s in log])
    hold, learned, greedy = found.policies
    assert hold == Hold()
    assert found.unmet == ()
    used = dict.fromkeys(("free", "learned", "greedy"), 0.0)
    email_code = one.ledger.vocabularies().channels.code("email")
    for shard in log:
        sets = replay(shard, np.flatnonzero(half(shard)), release.view.config).candidates
        values = release.model.predict(release.view.features(shard, sets))
        for name, policy in (("free", release.policy()), ("learned", learned), ("greedy", greedy)):
            share = policy.probabilities(Context(shard, sets, values))
            used[name] += float(share[sets.channel == email_code].sum())
    epochs = np.unique(np.concatenate([shard.decisions.epoch_at for shard in log]))
    days = (epochs[-1] - epochs[0]) / DAY * len(epochs) / (len(epochs) - 1)
    assert used["free"] > 1.3 * days * 15
    assert used["learned"] == pytest.approx(days * 15, rel=0.01)
    assert used["greedy"] <= days * 15 * 1.02
    # a fifth of the users held out: the others' decisions, four fifths of all, have the same budget
    holdout = one.config.holdout.model_copy(update={"share": 0.2})
    held = replace(one, config=one.config.model_copy(update={"holdout": holdout}))
    dearer = learned.prices.price[0]  # type: ignore[union-attr]
    (cheaper,) = with_prices(held, release, [release.policy()], half, [s.decisions for s in log]).policies
    assert 0 < cheaper.prices.price[0] < 0.95 * dearer  # type: ignore[union-attr]
    same = with_prices(small_world.workspace, release, [cold], half, [])
    assert same.policies == (cold,)


def test_an_objective_that_the_release_does_not_know_is_an_error(
    copied: Callable[[], Workspace], small_world: SmallWorld, tmp_path: Path
) -> None:
    workspace = with_budgets(
        copied(),
        '\n[objectives.visits]\nevent = "session"\n'
        '\n[[budgets]]\nname = "visits"\ncounts = "objective:visits"\nmax = 3\n',
    )
    with pytest.raises(InputError, match=r"budget 'visits': .* which release r-.* was not trained on"):
        plan(workspace, small_world.end + DAY)
