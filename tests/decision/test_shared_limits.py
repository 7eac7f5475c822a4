"""What candidates use of budgets, against rules written out candidate by candidate."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from homing.decision import Context, Prices, SharedLimits, Softmax, build_candidates, decide, softmax
from homing.decision.shared_limits import period_of
from homing.schema import InputError, Vocabulary
from homing.schema.budgets import Budget
from homing.schema.times import DAY, HOUR, parse_time, to_datetime

from .worlds import everyone, with_config, world

BUDGETS = [
    {"name": "push", "channel": "push", "max": 10},
    {"name": "all", "min": 1, "max": 50, "per": "7d"},
    {"name": "rate", "channel": ["push", "email"], "max": 3, "per": "1h"},
    {"name": "music", "domain": "music", "category": ["c1", "c2"], "max": 5},
    {"name": "makers", "generator": "late", "channel": "email", "min": 2},
    {"name": "one", "message": "m3", "slot": ["02:00", "09:00"], "max": 2, "per": "12h"},
    {"name": "money", "counts": "cost", "max": 9},
    {"name": "opt-outs", "counts": "objective:reachability", "channel": "push", "max": 1},
]
CONFIG = with_config(
    budgets=BUDGETS, costs={"channels": {"email": 0.5, "push": 0.1}, "messages": {"m1": 2.0}}
)


def known_world(seed, users=40):
    """Return a shard whose messages, domains, categories and generators have names."""
    shard, at = world(seed, users=users, transactional=0.0)
    rng, count = np.random.default_rng(seed), len(shard.messages)
    vocabularies = replace(
        shard.vocabularies,
        messages=Vocabulary(tuple(f"m{n}" for n in range(count))),
        categories=Vocabulary(tuple(f"c{n}" for n in range(count))),
        domains=Vocabulary(("music", "talk")),
        generators=Vocabulary(("early", "late")),
    )
    messages = replace(
        shard.messages,
        domain=rng.integers(0, 2, count).astype(np.int32),
        channels=np.ones((count, 3), np.bool_),
    )
    messages.domain[1] = 0
    makers = rng.integers(0, 2, len(shard.opportunities)).astype(np.int32)
    waiting = replace(shard.opportunities, generator=makers)
    return replace(shard, vocabularies=vocabularies, messages=messages, opportunities=waiting), at


def dense(uses, limits):
    result = np.zeros((len(uses), len(limits)))
    np.add.at(result, (np.repeat(np.arange(len(uses)), np.diff(uses.offsets)), uses.limit), uses.amount)
    return result


def by_hand(shard, candidates, place, budget, start, end):
    """Return what a candidate uses of a budget's period; None where that is its own expectation."""
    code = int(candidates.message[place])
    if code < 0 or not start <= candidates.slot_start[place] < end:
        return 0.0
    names, user = shard.vocabularies, candidates.rows.user[candidates.row[place]]
    channel = names.channels.names[candidates.channel[place]]
    zone = ZoneInfo(names.zones.names[shard.users.zone[user]])
    facts = {
        "channel": channel,
        "message": names.messages.names[code],
        "domain": names.domains.names[shard.messages.domain[code]],
        "category": names.categories.names[shard.messages.category[code]],
        "generator": names.generators.names[shard.opportunities.generator[candidates.opportunity[place]]],
        "slot": f"{to_datetime(int(candidates.slot_start[place])).astimezone(zone):%H:%M}",
    }
    for key, fact in facts.items():
        wanted = getattr(budget, key)
        if wanted is not None and fact not in wanted:
            return 0.0
    if budget.counts == "cost":
        return CONFIG.costs.channels.get(channel, 0.0) + CONFIG.costs.messages.get(facts["message"], 0.0)
    return 1.0 if budget.counts == "sends" else None


@pytest.mark.parametrize("seed", range(2))
def test_uses_are_those_of_the_scopes(seed):
    shard, at = known_world(seed, users=12)
    candidates, _ = build_candidates(shard, everyone(shard, at), CONFIG)
    limits = SharedLimits.of(CONFIG, shard.vocabularies, shard.messages, at)
    values = np.random.default_rng(seed).normal(size=(len(candidates), 4)).astype(np.float32)
    arm = limits.arms(shard, candidates)
    own = limits.own(arm, candidates.offsets, values)
    found, mine = limits.uses.take(arm.astype(np.int64)), set()
    used = dense(found, limits) + dense(own, limits)
    for place in range(len(candidates)):
        hold = candidates.offsets[candidates.row[place]]
        for j, (b, start, end) in enumerate(zip(limits.budget, limits.start, limits.end, strict=True)):
            wanted = by_hand(shard, candidates, place, limits.budgets[b], start, end)
            if wanted is None:
                wanted = max(0.0, float(values[place, 3] - values[hold, 3]))
            assert used[place, j] == pytest.approx(wanted, rel=1e-6), (place, limits.budgets[b].name)
            if wanted:
                mine.add(limits.budgets[b].name)
    assert len(mine) >= 6, "else the test proves little"
    rows = {
        tuple(row) for row in np.column_stack([dense(limits.uses, limits), dense(limits.expected, limits)])
    }
    assert len(rows) == len(limits.uses) == len(limits.expected), "arms differ in what they use"
    assert not any(uses.offsets[1] for uses in (limits.uses, limits.expected)), "arm 0 is that of hold"


def test_a_budget_is_a_limit_for_each_period_that_slots_start_in():
    at = parse_time("2026-03-04T06:30Z")  # a Wednesday
    shard, _ = known_world(1)
    limits = SharedLimits.of(CONFIG, shard.vocabularies, shard.messages, at)  # slots within 36 hours
    counts = dict(zip(*np.unique(limits.budget, return_counts=True), strict=True))
    assert [int(counts[b]) for b in range(len(BUDGETS))] == [2, 1, 37, 2, 2, 4, 2, 2]
    week = period_of(Budget(name="week", max=1, per="7d"), at)
    assert week == (parse_time("2026-03-02"), parse_time("2026-03-09"))
    assert period_of(Budget(name="hour", max=1, per="1h"), at)[0] == parse_time("2026-03-04T06:00Z")
    together = SharedLimits.of(CONFIG, shard.vocabularies, shard.messages, None)
    assert len(together) == len(BUDGETS)


def test_names_that_are_not_there_and_empty_scopes_are_errors():
    shard, at = known_world(1)

    def limits(**budget):
        config = with_config(budgets=[{"name": "b", "max": 1, **budget}])
        return SharedLimits.of(config, shard.vocabularies, shard.messages, at)

    with pytest.raises(InputError, match=r"budget 'b': domain == 'musik' .* did you mean 'music'"):
        limits(domain="musik")
    none = "talk" if shard.messages.domain[1] == 0 else "music"
    with pytest.raises(InputError, match="budget 'b' has an empty scope"):
        limits(category="c1", domain=none)
    config = with_config(budgets=[{"name": "b", "max": 1}], costs={"messages": {"m99": 1.0}})
    with pytest.raises(InputError, match=r"costs\.messages names 'm99'"):
        SharedLimits.of(config, shard.vocabularies, shard.messages, at)


def test_prices_are_charged_and_the_propensity_says_so():
    shard, at = known_world(5, users=200)
    rows = everyone(shard, at)
    limits = SharedLimits.of(CONFIG, shard.vocabularies, shard.messages, at)
    prices = Prices(limits, np.random.default_rng(0).normal(size=len(limits)))

    def score(candidates):
        rng = np.random.default_rng(1)
        return rng.normal(size=(len(candidates), 4)).astype(np.float32)

    free = Softmax("learned", np.array([1.0, 0, 0, -1.0]), 0.7, 0.05)
    priced = replace(free, prices=prices)
    candidates, _ = build_candidates(shard, rows, CONFIG)
    values = score(candidates)
    arm = limits.arms(shard, candidates)
    terms = prices.terms(arm, candidates.offsets, values)
    paid = terms.sum(axis=1)
    assert prices.charge(arm, candidates.offsets, values) == pytest.approx(paid, abs=1e-6)
    by_hand = values[:, 0].astype(float) - values[:, 3].astype(float) - paid
    share = priced.probabilities(Context(shard, candidates, values))
    assert share == pytest.approx(softmax(by_hand, candidates.offsets, 0.7, 0.05), rel=1e-5)
    assert (priced.probabilities(Context(shard, candidates, values, arm=arm)) == share).all()
    dear = replace(priced, prices=Prices(limits, np.where(limits.budget == 1, 5.0, 0.0)))
    before, after = (decide(shard, rows, policy, CONFIG, score)[0] for policy in (free, dear))
    assert (after.message >= 0).sum() < (before.message >= 0).sum() / 2
    assert (after.candidate_set == before.candidate_set).all()


def test_an_hour_of_the_clock_and_not_of_utc_is_a_slot():
    config = with_config(budgets=[{"name": "b", "slot": "09:00", "max": 1}])
    shard, at = known_world(3)
    limits = SharedLimits.of(config, shard.vocabularies, shard.messages, at)
    zone = shard.vocabularies.zones.code("Asia/Kolkata")
    noon = at - at % DAY
    start = np.array([noon + 3 * HOUR + HOUR // 2, noon + 9 * HOUR])  # 09:00 and 14:30 in Kolkata
    codes = np.zeros(2, np.int32)
    arm = limits.arms_of(shard, codes, codes, codes.astype(np.int16), start, np.full(2, zone, np.int32))
    assert np.diff(limits.uses.take(arm.astype(np.int64)).offsets).tolist() == [1, 0]
