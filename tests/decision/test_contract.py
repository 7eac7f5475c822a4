"""Every policy keeps the contract; one that breaks a promise fails the test that names it."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import homing.decision
from homing.decision import Constant, Context, Hold, Policy, Prices, SharedLimits, Softmax, Uniform
from homing.decision.baselines import BASELINES, make
from homing.decision.contract import PolicyContract
from homing.schema import EVENT_TYPES, Shard, parse_config

CONFIG = parse_config({})
OBJECTIVES = tuple(CONFIG.objectives)
BUDGETS = parse_config(
    {
        "budgets": [
            {"name": "push", "channel": "push", "max": 1},
            {"name": "opt-outs", "counts": "objective:reachability", "max": 1},
        ]
    }
)


def prices(shard: Shard) -> Prices:
    limits = SharedLimits.of(BUDGETS, shard.vocabularies, shard.messages, None)
    return Prices(limits, np.array([0.3, 0.2]))


#: How each policy is made from a log.
MAKERS: dict[str, Callable[[Shard], Policy]] = {
    "Constant": lambda shard: Constant(int(shard.opportunities.message[0])),
    "Hold": lambda shard: Hold(),
    "Softmax": lambda shard: Softmax("learned", np.array([1.0, 0.2, 0.0, -1.0]), 0.7, 0.05, prices(shard)),
    "Uniform": lambda shard: Uniform(),
    **{
        name: lambda shard, name=name: make(name, [shard], CONFIG, OBJECTIVES)  # type: ignore[misc]
        for name in BASELINES
    },
}


class TestPolicies(PolicyContract):
    users, days = 300, 16  # some baselines are fitted on whole weeks
    maker: Callable[[Shard], Policy]

    @pytest.fixture(autouse=True, params=MAKERS)
    def named(self, request: pytest.FixtureRequest) -> None:
        self.maker = MAKERS[request.param]

    def make(self, shard: Shard) -> Policy:
        return self.maker(shard)


def test_every_policy_of_the_package_is_under_the_contract() -> None:
    contract, found = TestPolicies(), set()
    shard = contract._context().shard
    tried = {type(maker(shard)).__name__ for maker in MAKERS.values()}
    for info in pkgutil.walk_packages(homing.decision.__path__, "homing.decision."):
        module = importlib.import_module(info.name)
        found |= {
            name
            for name, thing in vars(module).items()
            if isinstance(thing, type) and hasattr(thing, "probabilities") and thing.__module__ == info.name
        }
    assert found - {"Policy"} == tried


@dataclass
class Faulty:
    """Draws alike; others change it."""

    name: str = "faulty"
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        return self.wish(context, Uniform().probabilities(context))

    def wish(self, context: Context, p: NDArray[np.float64]) -> NDArray[np.float64]:
        return p


def softmax_of(context: Context, worth: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(worth):
        return worth
    weight = np.exp(worth)
    total = np.add.reduceat(weight, context.candidates.offsets[:-1])
    return context.with_forced(weight / np.repeat(total, context.candidates.counts))


class Unfinished(Faulty):
    def wish(self, context, p):
        return p * 0.9


class NoFloor(Faulty):
    """Says that it explores."""

    def probabilities(self, context):
        return Hold().probabilities(context)


class Free(Faulty):
    """Decides where a transactional message is due, too."""

    def probabilities(self, context):
        counts = context.candidates.counts
        return np.repeat(1 / counts, counts)


class Restless(Faulty):
    """Never holds."""

    def wish(self, context, p):
        return np.where(context.candidates.is_hold, 0.0, p)


class OnlyCrowds(Faulty):
    def wish(self, context, p):
        return p / p.max() * p.max()


class Dice(Faulty):
    def wish(self, context, p):
        return softmax_of(context, np.random.default_rng().random(len(p)))


class Relative(Faulty):
    """Looks at how a candidate compares with those of other users."""

    def wish(self, context, p):
        values = context.values[:, 0].astype(float)
        return softmax_of(context, values / (1 + np.abs(values).sum()))


class Prophet(Faulty):
    """Looks at all events of a user, those to come included."""

    def wish(self, context, p):
        events = context.shard.events
        session = events.type == EVENT_TYPES.index("session")
        owner = np.repeat(np.arange(len(context.shard.users)), np.diff(events.offsets))
        visits = np.bincount(owner[session], minlength=len(context.shard.users))
        user = np.repeat(context.candidates.rows.user, context.candidates.counts)
        return softmax_of(context, np.where(context.candidates.is_hold, 0.1 * visits[user], 0.0))


class Vandal(Faulty):
    def wish(self, context, p):
        context.values[:] = 0
        return p


@pytest.mark.parametrize(
    ("policy", "test"),
    [
        (Unfinished(), "rows_are_distributions"),
        (NoFloor(floor=0.1), "the_floor_is_kept"),
        (Free(), "forced_rows_are_respected"),
        (Restless(), "no_candidate_but_hold_is_held"),
        (OnlyCrowds(), "no_rows"),
        (Dice(), "deterministic"),
        (Relative(), "a_row_decides_the_same_alone_as_among_others"),
        (Prophet(), "the_future_is_not_seen"),
        (Vandal(), "nothing_is_changed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Faulty) else value,
)
def test_a_broken_promise_fails_its_test(policy: Policy, test: str) -> None:
    class Contract(PolicyContract):
        def make(self, shard: Shard) -> Policy:
            return policy

    with pytest.raises((AssertionError, ValueError)):
        getattr(Contract(), f"test_{test}")()


def test_every_promise_has_a_policy_that_breaks_it() -> None:
    mark = next(m for m in test_a_broken_promise_fails_its_test.pytestmark if m.name == "parametrize")
    promises = {name for name in vars(PolicyContract) if name.startswith("test_")}
    assert {f"test_{test}" for _, test in mark.args[1]} == promises


def test_the_log_has_what_policies_learn_from() -> None:
    contract = PolicyContract()
    shard = contract._context().shard
    assert len(shard.decisions) == (np.diff(shard.decisions.offsets)).sum() > 5 * contract.users
    own = shard.events.decision >= 0
    assert own.sum() > 100
    owner = np.repeat(np.arange(len(shard.users)), np.diff(shard.events.offsets))
    np.testing.assert_array_equal(shard.decisions.user[shard.events.decision[own]], owner[own])
    np.testing.assert_array_equal(
        shard.decisions.message[shard.events.decision[own]], shard.events.message[own]
    )
