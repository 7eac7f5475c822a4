"""Facts as a real run would give them, and facts that no page should break on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import nan
from typing import Any

import numpy as np

from homing.report.experiment import (
    Answer,
    ArmFacts,
    ArmPromise,
    ArmVerdict,
    ArmWorth,
    CheckFacts,
    Crossing,
    CurvePoint,
    Finding,
    Readout,
    Scored,
    Segment,
    Turn,
    Weighed,
    WeightCurve,
)
from homing.report.facts import (
    Alert,
    ArmMeasure,
    CalibrationBin,
    Count,
    Estimate,
    EstimatorValue,
    Expected,
    Facts,
    Flow,
    Funnel,
    Gate,
    Header,
    Health,
    HourRow,
    Journeys,
    Judgement,
    LearnerValue,
    MessageShare,
    Named,
    ObjectiveQuality,
    ObjectiveValues,
    PointValue,
    PolicyValue,
    Promise,
    PropensityCheck,
    Provenance,
    Quality,
    Quarantined,
    Schedule,
    SegmentGain,
    Selection,
    Series,
    Stage,
    StageValue,
    TableHealth,
    Timeline,
    TradeOffs,
    TrainingEpoch,
    Trial,
    Truth,
    Unit,
    Uplift,
    Values,
    WeightChoice,
    WeightPoint,
    WeightSweep,
)
from homing.report.holdout import HoldoutDifference, HoldoutFacts, HoldoutMetric, HoldoutPeriod
from homing.report.leaderboard import Leaderboard, Measure, Score, Standing

from .budget_examples import budgets, curve, nothing_known, used

OBJECTIVES: tuple[tuple[str, Unit, float, str], ...] = (
    ("conversion", "rate", 0.0342, "converted within 3d of the decision"),
    ("engagement", "number", 31.4, "session minutes within 1d"),
    ("retention", "number", 3.21, "active days within 7d"),
    ("reachability", "rate", 0.0041, "opted out within 7d"),
)


def around(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def example() -> Facts:
    """A demo-like workspace with every section."""
    random = np.random.default_rng(7)
    return Facts(
        header=Header(
            workspace="Music demo",
            run_id="2026-03-01T06-00-00-7f3a",
            created_at="2026-03-01T06:12:44Z",
            verdict="The learned policy is worth 3.1 % [1.2, 5.0] more utility than the logged one.",
            tone="good",
            verdict_basis="Doubly robust estimate on 412,380 decisions of 19,870 users that training "
            "never saw; the interval is a bootstrap over users. It is also better than the best "
            "single message for everybody (+1.9 % [0.2, 3.6]).",
            release="r-0007",
            log_from="2026-01-18T00:00:00Z",
            log_until="2026-03-01T00:00:00Z",
            users=40_000,
            decisions=1_648_212,
        ),
        alerts=(
            Alert(
                "warning",
                "learned:reachability",
                "The effective sample size is 148 of 412,380 decisions, under the 200 that are asked for. "
                "Its estimate rests on a handful of users.",
                "Log more randomized decisions, or raise exploration.floor.",
            ),
            Alert(
                "note",
                "events",
                "1,204 rows are in quarantine, most of them before the user signed up.",
                "See quarantine/events; `homing doctor` lists the reasons.",
            ),
            Alert(
                "critical",
                "Propensities of email",
                "The log promises e-mail in 21.0 % of decisions and drew it in 23.4 % [23.1, 23.7].",
                "Check that holdouts are logged with propensity 1.",
            ),
        ),
        health=_health(random),
        budgets=budgets(),
        curves=(curve(),),
        funnel=Funnel(
            users=40_000,
            opportunities=212_331,
            candidates=1_412_904,
            eligible=486_213,
            sends=21_904,
            holds=18_096,
            removed=(
                Count("quiet hours", 402_118),
                Count("not reachable", 261_020),
                Count("cap: push 4 per 7d", 140_371),
                Count("cap: email 2 per 7d", 61_204),
                Count("spacing", 39_400),
                Count("expired", 22_578),
            ),
        ),
        selection=_selection(),
        quality=_quality(random),
        values=_values(),
        uplift=_uplift(random),
        truth=_truth(),
        trial=_trial(),
        schedule=_schedule(random),
        tradeoffs=_tradeoffs(),
        journeys=_journeys(),
        stages=(
            Stage("ingest", 12.4, 1.1e9, 14_212_331),
            Stage("fold", 3.8, 1.6e9, 12_004_112),
            Stage("train", 71.2, 2.2e9, 988_927),
            Stage("evaluate", 22.9, 1.9e9, 412_380),
            Stage("plan", 6.1, 1.4e9, 40_000),
            Stage("report", 2.7, 0.4e9),
        ),
        provenance=Provenance(
            "sha256:9f2c41d07ab3",
            (("homing", "0.1.0"), ("torch", "2.13.0"), ("numpy", "2.3.1"), ("polars", "2.1.0")),
            "homing run --at 2026-03-01T06:00Z",
            ("Propensities were logged by the simulator and are exact.",),
        ),
    )


def _selection() -> Selection:
    gains: tuple[tuple[str, Estimate, Judgement], ...] = (
        ("long-term", Estimate(0.0041, -0.0012, 0.0094), "cannot_tell"),
        ("half horizon", Estimate(0.0038, -0.0031, 0.0107), "cannot_tell"),
        ("short-term", Estimate(-0.0092, -0.0161, -0.0023), "worse"),
    )
    reason = "about 90,000 more decisions would tell a difference of +0.0041"
    learners = (LearnerValue(name, gain, how, reason, name == "long-term") for name, gain, how in gains)
    return Selection(tuple(learners), 142_310)


def _health(random: np.random.Generator) -> Health:
    first = date(2026, 1, 18)
    days = tuple((first + timedelta(days=day)).isoformat() for day in range(42))
    week = 1 + 0.18 * np.sin(np.arange(42) * 2 * np.pi / 7)
    rates = {
        "session": 52_000,
        "delivered": 21_000,
        "opened": 6_100,
        "clicked": 1_450,
        "converted": 1_320,
        "dismissed": 3_900,
        "opted_out": 95,
        "bounced": 61,
    }
    events = tuple(
        Series(name, tuple(float(n) for n in random.poisson(rate * week))) for name, rate in rates.items()
    )
    reachable = tuple(
        Series(name, tuple(float(n) for n in start * (1 - loss) ** np.arange(42)))
        for name, start, loss in (("push", 27_400, 0.0012), ("email", 33_100, 0.0006), ("in_app", 40_000, 0))
    )
    checks = (
        ("hold", 0.412, 0.4118),
        ("push", 0.241, 0.2406),
        ("email", 0.21, 0.234),
        ("in_app", 0.137, 0.1371),
    )
    return Health(
        tables=(
            TableHealth("users", 40_000, 12, "2024-06-01T00:00:00Z", "2026-02-28T22:10:00Z"),
            TableHealth("consents", 88_120, 0, "2024-06-01T00:00:00Z", "2026-02-28T23:59:00Z"),
            TableHealth("messages", 240),
            TableHealth("opportunities", 6_204_881, 310, "2026-01-18T00:00:00Z", "2026-03-01T00:00:00Z"),
            TableHealth("decisions", 1_648_212, 0, "2026-01-18T06:00:00Z", "2026-02-28T06:00:00Z"),
            TableHealth("events", 6_230_878, 1_204, "2026-01-18T00:00:04Z", "2026-02-28T23:59:58Z"),
        ),
        quarantine=(
            Quarantined("events", "at is before the user's signed_up_at", 902),
            Quarantined("events", "value is NaN", 302),
            Quarantined("opportunities", "expires_at is before earliest_at", 310),
            Quarantined("users", "unknown time zone", 12),
        ),
        events=Timeline(days, events),
        reachable=Timeline(days, reachable),
        propensity=tuple(
            PropensityCheck(name, round(1_648_212 * logged), logged, around(seen, 0.003))
            for name, logged, seen in checks
        ),
    )


def _quality(random: np.random.Generator) -> Quality:
    skills = {"conversion": 0.112, "engagement": 0.284, "retention": 0.402, "reachability": 0.041}
    objectives = []
    for name, unit, base, _ in OBJECTIVES:
        predicted = base * np.array([0.18, 0.35, 0.5, 0.66, 0.82, 1.0, 1.2, 1.5, 2.0, 3.4])
        observed = predicted * (1 + random.normal(0, 0.04, 10))
        objectives.append(
            ObjectiveQuality(
                objective=name,
                unit=unit,
                decisions=412_380,
                base=base,
                predicted=base * 1.012,
                loss=0.1328 if unit == "rate" else 12.1,
                constant_loss=0.1328 / (1 - skills[name]) if unit == "rate" else 12.1 / (1 - skills[name]),
                loss_name="log loss" if unit == "rate" else "squared error",
                auc=0.741 if unit == "rate" else nan,
                calibration_error=base * 0.021,
                calibration=tuple(
                    CalibrationBin(float(p), around(float(o), float(base * 0.06 * (1 + p / base))), 41_238)
                    for p, o in zip(predicted, observed, strict=True)
                ),
            )
        )
    epochs = tuple(
        TrainingEpoch(n, 0.131 + 0.03 * 0.6**n, 0.1335 + 0.025 * 0.6**n + 0.0004 * max(0, n - 5))
        for n in range(1, 9)
    )
    return Quality(
        tuple(objectives), epochs, 6, "by time, the last 25 % of epochs", 988_927, 246_905, 412_380
    )


def policy(
    name: str,
    value: float,
    half: float,
    judgement: Judgement,
    reason: str,
    base: float,
    size: float = 61_000.0,
) -> PolicyValue:
    difference = None if judgement == "reference" else around(value - base, half * 0.9)
    return PolicyValue(
        policy=name,
        value=around(value, half),
        judgement=judgement,
        reason=reason,
        versus_logging=difference,
        versus_constant=None if name.startswith("constant") else around(value - base * 1.012, half * 1.1),
        estimators=tuple(
            EstimatorValue(estimator, around(value * shift, half * wide))
            for estimator, shift, wide in (
                ("IPS", 1.01, 2.1),
                ("SNIPS", 1.004, 1.5),
                ("DM", 0.99, 0.6),
                ("DR", 1.0, 1.0),
            )
        ),
        effective_size=size,
        effective_share=size / 412_380,
        max_weight=412_380 / size * 3.1,
        learned=name == "learned",
    )


def _values() -> Values:
    objectives = []
    for name, unit, base, meaning in (
        ("utility", "number", 0.4127, "all objectives by their weights"),
        *OBJECTIVES,
    ):
        down = name == "reachability"
        lift = -1 if down else 1
        half = base * (0.06 if down else 0.012)
        objectives.append(
            ObjectiveValues(
                objective=name,
                unit=unit,  # type: ignore[arg-type]
                direction="down" if down else "up",
                guardrail=0.0052 if down else None,
                meaning=meaning,
                policies=(
                    policy("logging", base, half * 0.5, "reference", "wrote the log", base, 412_380),
                    policy("hold", base * 0.945, half, "better" if down else "worse", "", base),
                    policy("uniform", base * (1 - 0.011 * lift), half * 0.8, "worse", "", base, 151_000),
                    policy(
                        "constant:discover_weekly", base * 1.012, half * 2, "cannot_tell", "", base, 20_411
                    ),
                    policy("constant:new_release", base * 0.991, half * 2, "cannot_tell", "", base, 18_204),
                    policy("learned", base * (1 + 0.031 * lift), half, "better", "", base),
                    policy("learned:conversion", base * 1.022, half * 1.3, "cannot_tell", "", base, 33_012),
                    policy("learned:retention", base * 1.028, half * 1.2, "better", "", base, 41_877),
                    policy(
                        "learned:reachability",
                        base * (0.9 if not down else 0.2),
                        half * 14,
                        "do_not_trust",
                        "effective size 148, under 200",
                        base,
                        148,
                    ),
                ),
            )
        )
    gate = Gate(True, ("The candidate is better on utility: the difference is +0.0128 [+0.0083, +0.0173].",))
    segments = (
        SegmentGain("x_country", "SE", around(0.021, 0.009), 0.62, "better"),
        SegmentGain("x_country", "(other)", around(-0.004, 0.012), 0.38, "cannot_tell"),
    )
    return Values(tuple(objectives), 412_380, gate=gate, segments=segments)


def _uplift(random: np.random.Generator) -> tuple[Uplift, ...]:
    share = np.linspace(0, 1, 51)
    curves = []
    for objective, treatment, top, unit in (
        ("visit", "mens e-mail", 0.077, "rate"),
        ("spend", "mens e-mail", 0.77, "number"),
    ):
        gain = top * (share + 0.28 * share * (1 - share)) + np.cumsum(random.normal(0, top * 0.004, 51))
        gain = gain - gain[0] * (1 - share)
        band = top * 0.16 * np.sqrt(share)
        curves.append(
            Uplift(
                objective,
                treatment,
                "hold",
                tuple(share.tolist()),
                tuple(gain.tolist()),
                tuple((gain - band).tolist()),
                tuple((gain + band).tolist()),
                around(top * 0.04, top * 0.03),
                unit,  # type: ignore[arg-type]
            )
        )
    return tuple(curves)


def _truth() -> tuple[Truth, ...]:
    def estimators(value: float, half: float) -> tuple[EstimatorValue, ...]:
        return tuple(
            EstimatorValue(name, around(value * shift, half * wide))
            for name, shift, wide in (
                ("IPS", 1.03, 1.3),
                ("SNIPS", 1.02, 1.1),
                ("DM", 0.86, 0.3),
                ("DR", 1.01, 1.0),
            )
        )

    return (
        Truth(
            policy="thompson",
            log="uniform",
            objective="click",
            unit="rate",
            truth=around(0.00684, 0.0005),
            estimators=estimators(0.0066, 0.0011),
            effective_size=4_611,
            decisions=452_949,
            reason="The truth lies in the interval.",
        ),
        Truth(
            policy="uniform",
            log="thompson",
            objective="click",
            unit="rate",
            truth=around(0.00514, 0.0004),
            estimators=estimators(0.0049, 0.0021),
            effective_size=902,
            decisions=4_077_727,
            judgement="do_not_trust",
            reason="Effective size under 2 % of the log.",
        ),
    )


def _trial() -> Trial:
    """A trial in which one arm sends more, and has a measure that the other one has nothing of."""
    gap = Estimate(0.31, 0.11, 0.51)
    measures = (
        ArmMeasure(
            "active days",
            "number",
            "up",
            "days",
            around(12.4, 0.2),
            around(12.1, 0.2),
            gap,
            around(0.026, 0.016),
        ),
        ArmMeasure(
            "sends",
            "number",
            "none",
            "decided",
            around(9.1, 0.1),
            around(4.2, 0.1),
            around(4.9, 0.1),
            around(1.17, 0.05),
        ),
        ArmMeasure(
            "opt-outs",
            "number",
            "down",
            "times",
            around(0.02, 0.004),
            Estimate(0.0, 0.0, 0.0),
            around(0.02, 0.004),
            Estimate(nan),
        ),
        ArmMeasure(
            "reach push",
            "rate",
            "up",
            "at the end",
            around(0.47, 0.01),
            around(0.48, 0.01),
            around(-0.01, 0.014),
            around(-0.02, 0.03),
        ),
    )
    promises = (
        Promise(
            "conversion",
            "rate",
            "converted within 3d",
            around(0.021, 0.001),
            around(0.024, 0.002),
            around(0.027, 0.001),
            around(0.022, 0.001),
        ),
        Promise(
            "minutes", "number", "", around(30, 1), around(30.4, 1), around(29.1, 0.9), around(29.0, 0.9)
        ),
    )
    return Trial("learned", "rules", "2026-03-01T00:00:00Z", 28, (9930, 10070), measures, promises)


def leaderboard() -> Leaderboard:
    """Nine policies, more than there are colours, over ten weeks in two worlds."""
    random = np.random.default_rng(3)
    measures = (
        Measure("active days", "number", "up", "days with a session"),
        Measure("sends", "number", "none", "messages sent"),
        Measure("reach push", "rate", "up", "reachable by push at the end"),
    )
    days, standings = 70, []
    for place, policy in enumerate(("hold", *(f"policy number {n}" for n in range(8)))):
        first = place == 0
        pull = -0.01 * place
        daily = tuple((0.45 + pull + 0.02 * random.standard_normal(days)).tolist())
        weekly = tuple((0.8 + pull + 0.005 * random.standard_normal(days // 7)).tolist())
        scores = (
            Score(
                "active days",
                around(30 + 10 * pull, 0.5),
                None if first else around(10 * pull, 0.05),
                None if first else around(pull / 3, 0.002),
            ),
            Score(
                "sends",
                around(float(place), 0.1),
                None if first else around(float(place), 0.1),
                None if first else Estimate(nan),
            ),
            Score(
                "reach push",
                around(0.5 + pull, 0.01),
                None if first else around(pull, 0.004),
                None if first else around(2 * pull, 0.01),
            ),
        )
        standings.append(
            Standing(
                policy,
                scores,
                daily,
                () if first else tuple(around(value - 0.45, 0.01) for value in daily),
                weekly,
                () if first else tuple(around(value - 0.8, 0.01) for value in weekly),
                () if first else (10 * pull - 0.01, 10 * pull + 0.01),
            )
        )
    header = Header(
        "World streaming",
        "20260301T000000-compare",
        "2026-03-01T00:00:00Z",
        "No policy beats <hold>.",
        log_from="2026-01-05T00:00:00Z",
        log_until="2026-03-16T00:00:00Z",
    )
    return Leaderboard(
        header,
        "streaming",
        20_000,
        days,
        (0, 1),
        2,
        "hold",
        measures,
        tuple(standings),
        training="Trained on others.",
        command="homing compare --days 70",
    )


def _schedule(random: np.random.Generator) -> Schedule:
    shapes = {"push": (8, 21, 11_802), "email": (7, 19, 4_911), "in_app": (6, 23, 5_191)}
    hours = []
    for name, (first, last, total) in shapes.items():
        weight = np.zeros(24)
        weight[first : last + 1] = random.gamma(2, 1, last + 1 - first)
        hours.append(HourRow(name, tuple(int(n) for n in np.round(total * weight / weight.sum()))))
    names = (
        "discover_weekly",
        "new_release_follow",
        "concert_nearby",
        "podcast_episode",
        "playlist_mood",
        "premium_trial",
        "friend_activity",
        "rediscover_2019",
        "daily_mix",
        "artist_anniversary",
        "live_session",
        "top_songs",
        "audiobook_start",
        "payment_reminder",
        "genre_of_the_month",
        "new_follower",
        "car_mode",
        "lyrics_quiz",
    )
    weight = 0.83 ** np.arange(len(names)) * random.uniform(0.8, 1, len(names))
    sends = np.sort(np.round(21_904 * weight / weight.sum()))[::-1]
    messages = tuple(
        MessageShare(
            name,
            ("music", "podcast", "concert", "billing")[place % 4],
            int(number),
            (Named("conversion", 0.04 / (place + 1) + 0.02), Named("retention", 3.1 + place * 0.01)),
        )
        for place, (name, number) in enumerate(zip(names, sends, strict=True))
    )
    return Schedule(
        epoch_at="2026-03-01T06:00:00Z",
        users=40_000,
        sends=21_904,
        holds=18_096,
        channels=tuple(Count(name, total) for name, (_, _, total) in shapes.items()),
        hours=tuple(hours),
        messages=messages,
        categories=tuple(
            Count(name, sum(row.sends for row in messages if row.category == name))
            for name in ("music", "podcast", "concert", "billing")
        ),
        sends_per_user=tuple(
            Count(name, users)
            for name, users in zip(
                ("0", "1", "2", "3", "4", "5 and more"),
                (6_211, 9_004, 9_911, 7_812, 4_551, 2_511),
                strict=True,
            )
        ),
        expected=tuple(
            Expected(name, unit, base * 1.03, base * 0.95, meaning)
            for name, unit, base, meaning in OBJECTIVES
        ),
    )


def _slope(weighted: str, objective: str) -> float:
    if weighted == objective:
        return -0.06 if objective == "reachability" else 0.012
    if objective == "reachability":
        return 0.031 if weighted == "conversion" else 0.012
    return -0.003 * (1 + len(weighted + objective) % 3)


def _tradeoffs() -> TradeOffs:
    def value(weighted: str, name: str, base: float, factor: float) -> PointValue:
        move = base * np.log2(max(factor, 0.15)) * _slope(weighted, name)
        told: Judgement = (
            "reference" if factor == 1 else "cannot_tell" if abs(move) < 0.01 * base else "better"
        )
        return PointValue(name, around(base + move, 0.05 * base), around(move, 0.4 * abs(move)), told)

    def point(weighted: str, weight: float, factor: float) -> WeightPoint:
        aims = (("utility", 0.4127), *((name, base) for name, _, base, _ in OBJECTIVES))
        values = tuple(value(weighted, name, base, factor) for name, base in aims)
        doubt = "thin overlap: 40 of 412,380" if factor == 8 and weighted == "conversion" else ""
        return WeightPoint(factor, weight * factor, 0.0213, 0.548 - 0.01 * factor, values, doubt)

    factors = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    sweeps = tuple(
        WeightSweep(name, tuple(point(name, weight, factor) for factor in factors))
        for (name, *_), weight in zip(OBJECTIVES, (1.0, 0.002, 0.1, 3.0), strict=False)
    )
    choice = WeightChoice(
        (Named("reachability", 0.002),),
        5,
        25,
        "5 of 25 points keep reachability 0.002 with confidence; the best utility has reachability x 4.",
        "reachability",
        4.0,
        12.0,
        0.0213,
    )
    return TradeOffs(sweeps, 0.95, choice=choice)


def _journeys() -> Journeys:
    stages, shares = ("new", "growing", "steady", "at risk", "dormant"), (0.12, 0.2, 0.43, 0.17, 0.08)
    stay = (0.76, 0.31, 0.78, 0.64, 0.91)
    flows = tuple(
        Flow(
            start,
            end,
            around(stay[k] if start == end else (1 - stay[k]) / 4, 0.006),
            around(0.004 if (start, end) == ("at risk", "steady") else 0.0004, 0.002),
            "more" if (start, end) == ("at risk", "steady") else "cannot_tell",
        )
        for k, start in enumerate(stages)
        for end in stages
    )
    everyone = tuple(
        Flow("everyone", end, around(share, 0.003), around(0.0, 0.002), "cannot_tell")
        for end, share in zip(stages, shares, strict=True)
    )
    values = tuple(
        StageValue(
            stage,
            name,
            unit,
            around(base * (1 + k / 5), base / 20),
            around(base / 90, base / 50),
            "cannot_tell",
        )
        for name, unit, base, _ in OBJECTIVES
        for k, stage in enumerate(stages)
    )
    named = tuple(Named(name, share) for name, share in zip(stages, shares, strict=True))
    return Journeys("7d", 312_004, named, (*flows, *everyone), values)


def bare() -> Facts:
    """Nothing has run but the page."""
    return Facts(Header("empty", "none", "2026-03-01T06:00:00Z", "Nothing was learned yet."))


def unknown() -> Facts:
    """Numbers that are not known, or not finite, everywhere."""
    facts = example()
    assert facts.values is not None and facts.quality is not None and facts.schedule is not None
    nothing = Estimate(nan)
    rows = (
        PolicyValue("logging", nothing, "reference"),
        PolicyValue(
            "learned", Estimate(nan, nan, nan), "do_not_trust", "no overlap", nothing, nothing, learned=True
        ),
        PolicyValue("hold", Estimate(float("inf"), float("-inf"), float("inf")), "cannot_tell"),
    )
    blank = ObjectiveQuality("conversion", "rate", 0, nan, nan, nan, 0.0)
    return replace(
        facts,
        values=replace(facts.values, objectives=(ObjectiveValues("utility", "number", rows),)),
        quality=Quality(
            (blank, replace(blank, objective="spend", calibration=(CalibrationBin(nan, nothing, 0),))),
            (TrainingEpoch(1, nan, nan),),
        ),
        health=Health(
            (),
            events=Timeline(("2026-01-01",), (Series("session", (nan,)),)),
            propensity=(PropensityCheck("hold", 0, nan, nothing),),
        ),
        selection=Selection((LearnerValue("long-term", nothing, "cannot_tell", "", True),), 0),
        funnel=Funnel(0, 0, 0, 0, 0, 0, (Count("cap", 0),)),
        uplift=(Uplift("visit", "a", "b", (), ()), Uplift("spend", "a", "b", (0.0, 1.0), (0.0, nan))),
        truth=(Truth("a", "b", "click", "rate", nothing, ()),),
        schedule=Schedule("2026-01-01T00:00:00Z", 0, 0, 0, hours=(HourRow("push", (0,) * 24),)),
        budgets=nothing_known()[0],
        curves=(nothing_known()[1],),
        tradeoffs=TradeOffs(
            (
                WeightSweep(
                    "x",
                    (WeightPoint(1.0, nan, nan, nan, (PointValue("x", nothing, nothing, "reference"),)),),
                ),
            ),
            0.95,
        ),
        journeys=Journeys(
            "7d",
            0,
            (Named("new", nan),),
            (Flow("new", "new", nothing, nothing, "do_not_trust"),),
            (StageValue("new", "x", "rate", nothing, nothing, "do_not_trust"),),
        ),
        stages=(Stage("plan", nan),),
    )


def crowded() -> Facts:
    """Forty policies, long names in several scripts, markup and dollars in names, huge and tiny numbers."""
    facts = example()
    assert facts.values is not None and facts.schedule is not None and facts.funnel is not None
    hostile = '<script>alert("x")</script> & $\\alpha_{1}$ \x00\x0b'
    long = "constant:" + "a_very_long_message_name_that_goes_on_" * 3
    names = [hostile, long, "消息" * 20, "رسالة", "🎵 music", *(f"policy {n}" for n in range(34)), "learned"]
    rows = tuple(
        policy(name, 0.4 + 0.001 * place, 0.01, "reference" if place == 0 else "cannot_tell", hostile, 0.4)
        for place, name in enumerate(names)
    )
    huge = tuple(replace(row, value=around(row.value.value * 1e12, 1e10)) for row in rows[:3])
    tiny = tuple(replace(row, value=around(row.value.value * 1e-9, 1e-11)) for row in rows[:3])
    return replace(
        facts,
        header=replace(facts.header, workspace=hostile, verdict=hostile, verdict_basis=long, release=long),
        alerts=(Alert("critical", hostile, hostile, hostile),),
        values=replace(
            facts.values,
            logging=hostile,
            objectives=(
                ObjectiveValues("utility", "number", rows, meaning=hostile),
                ObjectiveValues(hostile, "number", huge),
                ObjectiveValues("tiny", "rate", tiny),
                ObjectiveValues("one", "rate", rows[-1:]),
            ),
        ),
        funnel=replace(facts.funnel, removed=(Count(hostile, 10), Count(long, 402_118))),
        budgets=replace(
            budgets(), uses=(used(hostile, hostile, 1e9, 3e8, 1e-7), *(used(long, long, 1, 1, 9e9),) * 30)
        ),
        curves=(replace(curve(), budget=hostile), replace(curve(), budget=long)),
        schedule=replace(
            facts.schedule,
            hours=(HourRow(hostile, tuple(range(24))), HourRow(long, (10**9,) * 24)),
            messages=tuple(MessageShare(f"{long}{n}", hostile, 10**n) for n in range(40)),
            channels=(Count(hostile, 1),),
        ),
        stages=(Stage(hostile, 1e-9, 1e15, 10**15), Stage(long, 1e7, 12.0)),
    )


def experiment() -> Readout:
    """An experiment with two arms against the control, one of them stopped for harm."""

    def scored(metric: str, arm: str, finding: Finding, relative: Estimate, **more: Any) -> Scored:
        level = more.pop("control", 12.0)
        told: dict[str, Any] = {
            "role": "success",
            "direction": "up",
            "meaning": f"how often {metric}",
            "unit": "number",
            "threshold": 0.05,
            "noise_taken": 0.42,
        } | more
        return Scored(
            metric=metric,
            arm=arm,
            level=level * (1 + relative.value),
            control=level,
            absolute=Estimate(relative.value * level, relative.low * level, relative.high * level),
            relative=relative,
            confidence=0.995,
            users=12_345,
            finding=finding,
            **told,
        )

    guardrail = {"role": "guardrail", "direction": "down", "unit": "rate", "control": 0.02, "threshold": 0.2}
    sends = {"role": "monitor", "direction": "none", "threshold": nan, "noise_taken": 0.0}
    promise = Promise(
        "conversion",
        "rate",
        "converted within 3d",
        Estimate(0.034, 0.033, 0.035),
        Estimate(0.039, 0.037, 0.041),
        Estimate(0.038, 0.036, 0.040),
        Estimate(0.035, 0.033, 0.037),
    )
    return Readout(
        header=Header(
            "shop",
            "20260301T060000-experiment-warmer",
            "2026-03-01T06:00:00Z",
            "Ship warmer: sessions is better (+6 %, at least +2 %). Stop loud: opt-outs is worse.",
            "bad",
            verdict_basis="Ship an arm if at least one of sessions is better.",
        ),
        name="warmer",
        hypothesis="Warmer words bring people back.",
        status="running",
        starts_at="2026-02-01T00:00:00Z",
        ends_at="2026-03-01T00:00:00Z",
        until="2026-02-22T00:00:00Z",
        days=28,
        share=0.75,
        control="control",
        exposure="triggered",
        looks="always-valid intervals: it may be read at any time, any number of times",
        rule="Ship an arm if at least one of sessions is better.",
        arms=(
            ArmFacts("control", "as usual", 0.5, 12_000, 6_200),
            ArmFacts("warmer", "learned of r-0123456789ab", 0.25, 6_010, 3_080),
            ArmFacts("loud", "learned with conversion x 3", 0.25, 5_990, 3_065),
        ),
        verdicts=(
            ArmVerdict("warmer", "ship", "Ship warmer: sessions is better (+6 %, at least +2 %)."),
            ArmVerdict("loud", "stop", "Stop loud: opt-outs is worse (+60 %, p = 0.0001)."),
        ),
        checks=(
            CheckFacts("arms of assigned users", True, True, 0.41, "control 12,000 of 12,000"),
            CheckFacts("fading or growing: sessions of warmer", False, False, 0.0004, "effect a day: -0.2"),
            CheckFacts("before the start", False, True, nan, "not known"),
        ),
        scores=(
            scored("sessions", "warmer", "better", Estimate(0.06, 0.02, 0.10)),
            scored("sessions", "loud", "cannot_tell", Estimate(0.01, -0.03, 0.05)),
            scored("opt-outs", "warmer", "non_inferior", Estimate(0.02, -0.1, 0.14), **guardrail),
            scored("opt-outs", "loud", "worse", Estimate(0.6, 0.3, 0.9), **guardrail),
            scored("sends", "warmer", "unknown", Estimate(nan), **sends),
            scored("sends", "loud", "unknown", Estimate(0.5, 0.4, 0.6), **sends),
        ),
        promises=(ArmPromise("warmer", promise),),
        alerts=(Alert("note", "another experiment", "calmer has some of the same users."),),
        other_rule="Ship an arm if the sum of its differences is over 0 (sessions +1, opt-outs -20).",
        other_verdicts=(
            ArmVerdict("warmer", "ship", "Ship warmer: what it changes is worth +0.71 [0.2, 1.2] per user."),
            ArmVerdict("loud", "go_on", "Go on with loud: what it changes is worth -0.12 [-0.7, 0.5]."),
        ),
        worth=(_worth("warmer", 0.72, 0.0004, "better"), _worth("loud", 0.12, 0.012, "cannot_tell")),
        segments=tuple(
            Segment(
                column,
                name,
                "sessions",
                "warmer",
                users,
                Estimate(value, value - 0.03, value + 0.03),
                0.06,
                Estimate(value - 0.06, value - 0.1, value - 0.02),
                0.0002 if differs else 0.3,
                differs,
            )
            for column, name, users, value, differs in (
                ("lifecycle stage", "steady", 4_000, 0.07, False),
                ("lifecycle stage", "dormant", 900, -0.09, True),
                ("reachable by", "push + email", 3_100, 0.06, False),
                ("x_country", "(other)", 70, nan, False),
            )
        ),
        crossings=tuple(
            Crossing(
                "calmer",
                "calm",
                "control",
                metric,
                "warmer",
                3_000,
                alone,
                together,
                Estimate(together - alone, together - alone - 0.05, together - alone + 0.05),
                0.0001 if differs else 0.6,
                differs,
            )
            for metric, alone, together, differs in (
                ("sessions", 0.02, 0.1, True),
                ("opt-outs", 0.02, 0.03, False),
            )
        ),
    )


def _worth(arm: str, sessions: float, leaving: float, answer: Answer) -> ArmWorth:
    def sum_of(weight: float) -> Estimate:
        value = sessions - weight * leaving
        return Estimate(value, value - 0.5 - weight / 200, value + 0.5 + weight / 200)

    points = tuple(CurvePoint(float(weight), sum_of(weight)) for weight in range(0, 81, 5))
    return ArmWorth(
        arm,
        sum_of(20.0),
        answer,
        (Weighed("sessions", 1.0, sessions), Weighed("opt-outs", -20.0, leaving)),
        (
            WeightCurve("opt-outs", 20.0, points, (Turn(40.74, "better", "cannot_tell"),)),
            WeightCurve("sessions", 1.0, points[:4], ()),
        ),
    )


def holdout() -> HoldoutFacts:
    """A holdout over five quarters, of which the first and the last are parts; one metric is not known."""
    labels = ("2025 Q1", "2025 Q2", "2025 Q3", "2025 Q4", "2026 Q1")
    ends = ("2025-02-10", "2025-04-01", "2025-07-01", "2025-10-01", "2026-01-01", "2026-03-05")

    def apart(level: float, held: float, half: float) -> HoldoutDifference:
        gap = level - held
        relative = Estimate(gap / held, (gap - half) / held, (gap + half) / held) if held else Estimate(nan)
        return HoldoutDifference(level, held, Estimate(gap, gap - half, gap + half), relative)

    def metric(name: str, level: float, held: float, answer: Answer, **more: Any) -> HoldoutMetric:
        told: dict[str, Any] = {"direction": "up", "unit": "number"} | more
        half = 0.1 * level
        return HoldoutMetric(
            metric=name,
            meaning=f"how often {name}",
            by_period=tuple(apart(level * (1 + k / 50), held, half) for k in range(5)),
            cumulative=tuple(apart(level, held, 2 * half / (k + 1)) for k in range(5)),
            answer=answer,
            **told,
        )

    unknown = metric("refunds", nan, nan, "unknown")
    return HoldoutFacts(
        header=Header(
            "shop",
            "20260305T060000-holdout",
            "2026-03-05T06:00:00Z",
            "Since 2025-02-10 all messages together changed sessions by +10 % [6, 14] (better).",
            "good",
            verdict_basis="Intervals of 95 % that hold for all metrics and every time of looking together.",
        ),
        share=0.02,
        policy="hold",
        starts_at="2025-02-10T00:00:00Z",
        until="2026-03-05T00:00:00Z",
        every="quarter",
        confidence=0.95,
        periods=tuple(
            HoldoutPeriod(
                label,
                f"{ends[k]}T00:00:00Z",
                f"{ends[k + 1]}T00:00:00Z",
                (0.55, 1.0, 1.0, 1.0, 0.7)[k],
                2_000 + 50 * k,
                98_000 + 2_500 * k,
            )
            for k, label in enumerate(labels)
        ),
        metrics=(
            metric("sessions", 33.0, 30.0, "better", noise_taken=0.31),
            metric("opt-outs", 0.004, 0.0, "worse", direction="down", unit="rate"),
            metric("sends", 21.0, 0.0, "cannot_tell", direction="none"),
            unknown,
        ),
        checks=(
            CheckFacts("share of users with decisions", True, True, 0.3, "held 2,200 of 2,190"),
            CheckFacts("always on one side", True, True, 1.0, "0 users have decisions of the other side"),
        ),
        alerts=(Alert("note", "parts", "Of 2025 Q1, 2026 Q1 only a part is counted."),),
    )
