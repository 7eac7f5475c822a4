"""Budgets and curves as a real plan would give them, and such as no page should break on."""

from __future__ import annotations

from math import nan

from homing.report.facts import AccountUse, BudgetCurve, BudgetPoint, Budgets, BudgetUse, Worth


def used(name: str, counts: str, most: float, drawn: float, price: float, **more: float) -> BudgetUse:
    return BudgetUse(
        budget=name,
        counts=counts,
        starts_at="2026-03-01T00:00:00Z",
        ends_at="2026-03-02T00:00:00Z",
        least=more.get("least", nan),
        most=most,
        before=more.get("before", 0.0),
        wanted=1.4 * drawn,
        expected=0.998 * drawn,
        drawn=drawn,
        price=price,
        worth=(Worth("conversion", price), Worth("retention", 10 * price)),
        lost=abs(price) * 0.2 * drawn,
        relaxed_by=more.get("relaxed_by", 0.0),
    )


def part(account: str, users: int, budget: str, drawn: float, relaxed_by: float = 0.0) -> AccountUse:
    held = account == "holdout"
    return AccountUse(
        account=account,
        users=users,
        budget=budget,
        starts_at="2026-03-01T00:00:00Z",
        least=nan,
        most=nan if held else drawn * users / 30_000,
        before=0.25 * users,
        expected=0.0 if held else 0.9 * drawn * users / 30_000,
        drawn=0.0 if held else 0.91 * drawn * users / 30_000,
        price=nan if held else 1e-7 * users,
        relaxed_by=relaxed_by,
    )


def budgets() -> Budgets:
    return Budgets(
        uses=(
            used("push", "sends", 12_000, 11_987, 0.0041),
            used("new-album", "sends", nan, 3_004, -0.0013, least=3_000),
            used("opt-outs", "reachability", 40, 39.96, 0.92, before=12.5),
            used("sms-money", "cost", 250, 81.2, 0.0, relaxed_by=1.5),
        ),
        value=3_120.5,
        bound=3_201.1,
        violation=3e-4,
        passes=5,
        seconds=1.92,
        started_from="plan-20260228T060000Z-r-0123456789ab",
        by_account=(
            *(
                part(account, users, budget, drawn)
                for budget, drawn in (("push", 11_987), ("opt-outs", 39.96))
                for account, users in (("others", 20_110), ("calmer:control", 9_955), ("holdout", 2_007))
            ),
            part("calmer:control", 9_955, "sms-money", 81.2, relaxed_by=1.5),
        ),
    )


def curve() -> BudgetCurve:
    points = [
        BudgetPoint(factor, 12_000 * factor, 3_100 + gain, 4_000 + gain, 4_000 + line, price, 12_000 * factor)
        for factor, gain, line, price in (
            (0.5, -41.0, -24.6, 0.0121),
            (1.0, 0.0, 0.0, 0.0041),
            (1.5, 14.2, 24.6, 0.0009),
        )
    ]
    return BudgetCurve("push", "sends", "max", "2026-03-01T06:00:00Z", 40_000, tuple(points))


def nothing_known() -> tuple[Budgets, BudgetCurve]:
    blank = BudgetUse("b", "sends", "", "", nan, nan, nan, nan, nan, nan, nan)
    point = BudgetPoint(nan, nan, nan, nan, nan, nan, nan, met=False)
    unknown = AccountUse("", 0, "b", "", nan, nan, nan, nan, nan, nan)
    return Budgets((blank,), nan, nan, nan, 0, nan, by_account=(unknown,)), BudgetCurve(
        "b", "x", "min", "", 0, (point,)
    )
