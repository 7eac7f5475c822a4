"""Off-policy estimators over trajectories: values, time and faults beside scope-rl.

python benchmarks/beside_scope_rl.py agree [trajectories]   equal input to both, of equal length for scope-rl
python benchmarks/beside_scope_rl.py speed [transitions]    and ours alone on ragged trajectories
python benchmarks/beside_scope_rl.py faults                 where scope-rl is wrong, each with its proof

scope-rl 0.2.1 is compared where it can be imported; its own requirements do not resolve together:
    python3.11 -m venv /tmp/scope
    /tmp/scope/bin/pip install --no-deps scope-rl==0.2.1 d3rlpy==2.8.1 pytorch-revgrad==0.2.0 hydra-core
    /tmp/scope/bin/pip install torch==2.13.0 scipy scikit-learn pandas matplotlib seaborn tqdm gym \\
        gymnasium h5py structlog tensorboardX cloudpickle colorama click dataclasses-json pydantic numba
    PYTHONPATH=src OMP_NUM_THREADS=1 /tmp/scope/bin/python -W ignore benchmarks/beside_scope_rl.py agree
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from homing.evaluation import Estimate, policy_mean
from homing.evaluation.sequential import (
    Predictions,
    Trajectories,
    choices,
    direct,
    double_reinforcement,
    doubly_robust,
    fitted_q,
    marginal_is,
    per_decision_is,
    predictions,
    tabular,
    trajectories,
    trajectory_is,
    weighted_doubly_robust,
    weighted_per_decision_is,
    weighted_trajectory_is,
)

ACTIONS = 5


@dataclass
class Data:
    steps: int
    discount: float
    action: Any  # [m]
    reward: Any
    pscore: Any
    target: Any  # [m, ACTIONS]
    q: Any  # [m, ACTIONS]
    density: Any  # [m] of state and action, without discount
    user: Any  # [n]

    @property
    def rows(self) -> int:
        return len(self.action)

    @property
    def offsets(self) -> Any:
        return np.arange(0, self.rows + 1, self.steps)

    def log(self) -> Trajectories:
        chosen = self.target[np.arange(self.rows), self.action]
        return trajectories(
            self.reward, chosen, self.pscore, self.offsets, self.user,
            discount=self.discount, horizon=self.steps,
        )  # fmt: skip

    def told(self, log: Trajectories) -> Predictions:
        bounds = np.arange(0, self.rows * ACTIONS + 1, ACTIONS)
        state = policy_mean(self.target.ravel(), self.q.ravel(), bounds)
        return predictions(log, self.q[np.arange(self.rows), self.action], state)


def draw(trajectories_: int, steps: int, discount: float, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    m = trajectories_ * steps
    logged = rng.dirichlet(np.full(ACTIONS, 4.0), m)
    target = 0.7 * logged + 0.3 * rng.dirichlet(np.full(ACTIONS, 4.0), m)
    action = np.minimum((rng.random((m, 1)) > logged.cumsum(axis=1)).sum(axis=1), ACTIONS - 1)
    return Data(
        steps=steps,
        discount=discount,
        action=action,
        reward=rng.random(m) + 0.3 * action,
        pscore=logged[np.arange(m), action],
        target=target,
        q=rng.random((m, ACTIONS)) * steps / 2,
        density=rng.gamma(4.0, 0.25, m),
        user=np.arange(trajectories_) // 2,
    )


def peer() -> Any:
    """Return scope-rl's estimators for discrete actions, or None."""
    with contextlib.suppress(ImportError):
        import scope_rl.ope.discrete

        return scope_rl.ope.discrete
    print("scope-rl is not installed here; the head of this file says how to compare with it")
    return None


def inputs(data: Data) -> dict[str, Any]:
    bounds = np.arange(0, data.rows * ACTIONS + 1, ACTIONS)
    first = policy_mean(data.target.ravel(), data.q.ravel(), bounds)[:: data.steps]
    return {
        "step_per_trajectory": data.steps,
        "action": data.action,
        "reward": data.reward,
        "pscore": data.pscore,
        "evaluation_policy_action_dist": data.target,
        "state_action_value_prediction": data.q,
        "initial_state_value_prediction": first,
        "gamma": data.discount,
    }


def pairs(data: Data, other: Any) -> dict[str, tuple[Callable[[], Estimate], Callable[[], float] | None]]:
    """Return for each estimator our call and theirs, both from the same raw arrays."""

    def mine(estimator: Callable[..., Estimate], *, told: bool = False) -> Callable[[], Estimate]:
        def call() -> Estimate:
            log = data.log()
            return estimator(log, data.told(log)) if told else estimator(log)

        return call

    def weighed() -> Estimate:
        log = data.log()
        nothing = np.zeros(data.rows)
        return double_reinforcement(log, predictions(log, nothing, nothing), log.discounts * data.density)

    def doubly() -> Estimate:
        log = data.log()
        return double_reinforcement(log, data.told(log), log.discounts * data.density)

    def theirs(name: str, **more: Any) -> Callable[[], float] | None:
        return None if other is None else lambda: getattr(other, name)().estimate_policy_value(**told, **more)

    told = inputs(data)
    marginal = {"n_step_pdis": 0, "state_action_marginal_importance_weight": data.density}
    return {
        "direct": (mine(direct, told=True), theirs("DirectMethod")),
        "trajectory_is": (mine(trajectory_is), theirs("TrajectoryWiseImportanceSampling")),
        "per_decision_is": (mine(per_decision_is), theirs("PerDecisionImportanceSampling")),
        "weighted_trajectory_is": (mine(weighted_trajectory_is), theirs("SelfNormalizedTIS")),
        "weighted_per_decision_is": (mine(weighted_per_decision_is), theirs("SelfNormalizedPDIS")),
        "doubly_robust": (mine(doubly_robust, told=True), theirs("DoublyRobust")),
        "weighted_doubly_robust": (mine(weighted_doubly_robust, told=True), theirs("SelfNormalizedDR")),
        "densities, no q": (weighed, theirs("StateActionMarginalIS", **marginal)),
        "double_reinforcement": (
            doubly,
            theirs("DoubleReinforcementLearning", state_action_marginal_importance_weight=data.density),
        ),
        "densities and q": (doubly, theirs("StateActionMarginalDR", **marginal)),
    }


def agree(count: int) -> None:
    other = peer()
    for discount in (1.0, 0.95):
        print(f"\n{count:,} trajectories of 8 steps, discount {discount}")
        print(f"{'estimator':<26} {'ours':>16} {'scope-rl':>16} {'relative difference':>20}")
        for name, (ours, theirs) in pairs(draw(count, 8, discount), other).items():
            value = ours().value
            if theirs is None:
                print(f"{name:<26} {value:16.9f}")
                continue
            told = float(theirs())
            print(f"{name:<26} {value:16.9f} {told:16.9f} {abs(value - told) / abs(told):20.2e}")


def timed(call: Callable[[], Any]) -> float:
    return min(_once(call) for _ in range(3))


def _once(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def speed(transitions: int) -> None:
    other = peer()
    for steps in (10, 100):
        data = draw(transitions // steps, steps, 0.99)
        print(
            f"\n{transitions:,} transitions in trajectories of {steps}, best of 3; ours with checks, "
            "interval by user and overlap, theirs the value alone"
        )
        print(f"{'estimator':<26} {'ours, s':>9} {'scope-rl, s':>12} {'ratio':>7}")
        for name, (ours, theirs) in pairs(data, other).items():
            own = timed(ours)
            if theirs is None:
                print(f"{name:<26} {own:9.3f}")
                continue
            told = timed(theirs)
            print(f"{name:<26} {own:9.3f} {told:12.3f} {told / own:7.1f}")
    ragged(transitions)


def ragged(transitions: int) -> None:
    rng = np.random.default_rng(1)
    length = np.minimum(rng.geometric(1 / 12, transitions // 8), 60)
    offsets = np.concatenate([[0], np.cumsum(length)])
    offsets = offsets[: np.searchsorted(offsets, transitions, side="right")]
    m, n = int(offsets[-1]), len(offsets) - 1
    pscore = rng.uniform(0.3, 0.9, m)
    target = np.clip(pscore + rng.uniform(-0.1, 0.1, m), 0, 1)
    reward, q = rng.random(m), rng.random(m)
    absorbed = np.ones(n, np.bool_)
    start = time.perf_counter()
    log = trajectories(reward, target, pscore, offsets, np.arange(n) // 2, absorbed=absorbed, discount=0.99)
    told = predictions(log, q, q)
    spent = time.perf_counter() - start
    print(
        f"\n{m:,} transitions in {n:,} ragged trajectories of 1 to {log.steps} steps: {spent:.3f} s to check"
    )
    calls: dict[str, Callable[[], Any]] = {
        each.__name__: (lambda each=each: each(log))
        for each in (trajectory_is, weighted_trajectory_is, per_decision_is, weighted_per_decision_is)
    } | {
        each.__name__: (lambda each=each: each(log, told)) for each in (doubly_robust, weighted_doubly_robust)
    }
    states = rng.integers(0, 50, m)
    cells = (2 * states[:, None] + np.arange(2)).ravel()
    chance = np.stack([target, 1 - target], axis=1).ravel()
    options = choices(log, cells, chance, np.arange(0, 2 * m + 1, 2), rng.integers(0, 2, m))
    calls |= {
        "marginal_is, 50 states": lambda: marginal_is(log, states),
        "fitted_q, 100 cells": lambda: fitted_q(log, options, tabular(100)),
    }
    for name, call in calls.items():
        print(f"{name:<26} {_once(call):9.3f}")


def faults() -> None:
    other = peer()
    if other is None:
        return
    from scope_rl import utils

    rng = np.random.default_rng(0)
    print("\n1. Hoeffding's interval multiplies by n where it has to divide: it widens with the sample")
    for n in (100, 10_000):
        found = utils.estimate_confidence_interval_by_hoeffding(rng.random(n), alpha=0.05)
        print(f"   {n:6,} values in [0, 1]: half width {_half(found):9.2f}, right {_hoeffding(n):.4f}")
    print("\n2. The t interval of 95 % takes the 95 % point of one tail: it is one of 90 %")
    held = 0
    for _ in range(4000):
        found = utils.estimate_confidence_interval_by_t_test(rng.normal(size=50), alpha=0.05)
        low, high = list(found.values())[1:]
        held += low <= 0 <= high
    print(f"   held the truth in {held / 4000:.1%} of 4,000 samples of 50 normal values (right: 95 %)")
    print("\n3. Marginal doubly robust: after the last step comes v of the last step, before it zero")
    hand = Data(
        steps=3,
        discount=1.0,
        action=np.zeros(3, int),
        reward=np.array([1.0, 1.0, 1.0]),
        pscore=np.ones(3),
        target=np.eye(ACTIONS)[np.zeros(3, int)],
        q=np.outer([3.0, 2.0, 1.0], np.ones(ACTIONS)),
        density=np.array([1.0, 2.0, 4.0]),
        user=np.arange(1),
    )
    ours, theirs = pairs(hand, other)["densities and q"]
    print("   one policy, one path, rewards 1, 1, 1, and q = 3, 2, 1, which is right: every correction is 0")
    print(f"   value 3; scope-rl {theirs() if theirs else 0:.1f}, ours {ours().value:.1f}")
    print("\n4. Double reinforcement learning has no discount")
    half = Data(**{**vars(hand), "discount": 0.5, "q": np.outer([1.75, 1.5, 1.0], np.ones(ACTIONS))})
    ours, theirs = pairs(half, other)["double_reinforcement"]
    print("   the same path, discount 0.5, q = 1.75, 1.5, 1, which is right, so the value is 1.75")
    print(f"   scope-rl {theirs() if theirs else 0:.2f}, ours {ours().value:.2f}")
    print("\n5. Products of probabilities underflow, where products of ratios do not")
    long = Data(
        steps=1200,
        discount=0.99,
        action=np.zeros(1200, int),
        reward=np.ones(1200),
        pscore=np.full(1200, 0.5),
        target=np.tile([0.5, 0.5, 0, 0, 0], (1200, 1)),
        q=np.zeros((1200, ACTIONS)),
        density=np.ones(1200),
        user=np.arange(1),
    )
    ours, theirs = pairs(long, other)["per_decision_is"]
    with np.errstate(invalid="ignore"):
        told = theirs() if theirs else 0.0
    print(f"   the log's own policy, 1,200 steps of chance 1/2: scope-rl {told}, ours {ours().value:.4f}")
    print("\n6. No overlap is a quiet zero")
    none = draw(100, 2, 1.0)
    none.target = np.roll(np.eye(ACTIONS)[none.action], 1, axis=1)
    ours, theirs = pairs(none, other)["weighted_per_decision_is"]
    print(
        f"   the target never acts as the log did: scope-rl {theirs() if theirs else 0}, ours {ours().value}"
    )


def _half(found: dict[str, float]) -> float:
    _, low, high = found.values()
    return (high - low) / 2


def _hoeffding(n: int) -> float:
    return float(np.sqrt(np.log(2 / 0.05) / (2 * n)))


def main(arguments: list[str]) -> None:
    jobs = {"agree": (agree, 100_000), "speed": (speed, 1_000_000)}
    if arguments and arguments[0] == "faults":
        faults()
        return
    if not arguments or arguments[0] not in jobs:
        raise SystemExit(__doc__)
    job, default = jobs[arguments[0]]
    job(int(arguments[1]) if len(arguments) > 1 else default)


if __name__ == "__main__":
    main(sys.argv[1:])
