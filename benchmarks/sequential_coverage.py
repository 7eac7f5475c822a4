"""Bias of estimators over trajectories, and share of their 95 % intervals that hold the truth.

python benchmarks/sequential_coverage.py horizon [logs]    eight steps, no discount
python benchmarks/sequential_coverage.py endless [logs]    discount 0.9, trajectories cut after twelve steps
python benchmarks/sequential_coverage.py length [logs]     errors and effective sizes by the number of steps
python benchmarks/sequential_coverage.py long-term [logs]  surrogate index and LOPE

People are calm, keen or tired; sending now and then keeps them keen, sending to the tired makes them opt out.
The log sends with chance 0.4, the target seldom to the tired and mostly to the others. A user has two
trajectories and a taste that shifts all of their rewards. Truths are by dynamic programming.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from homing.evaluation import Estimate
from homing.evaluation.sequential import (
    Choices,
    Trajectories,
    choices,
    direct,
    double_reinforcement,
    doubly_robust,
    fitted_q,
    lope,
    marginal_is,
    minimax_is,
    per_decision_is,
    state_density,
    surrogate_index,
    surrogate_weights,
    tabular,
    trajectories,
    trajectory_is,
    weighted_doubly_robust,
    weighted_per_decision_is,
    weighted_trajectory_is,
)

START = np.array([0.6, 0.3, 0.1])  # calm, keen, tired
LOGGING = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])  # hold, send
TARGET = np.array([[0.4, 0.6], [0.4, 0.6], [0.9, 0.1]])
REWARD = np.array([[0.2, 0.6], [1.0, 1.4], [0.1, 0.2]])
MOVE = np.array(
    [
        [[0.80, 0.15, 0.03], [0.45, 0.40, 0.10]],
        [[0.20, 0.70, 0.08], [0.05, 0.65, 0.26]],
        [[0.35, 0.15, 0.46], [0.05, 0.10, 0.70]],
    ]
)  # [state, action, next]; the rest opts out
TASTE = 0.5  # standard deviation


def simulate(rng: np.random.Generator, users: int, steps: int) -> tuple[Any, ...]:
    """Return offsets, state, action, reward, absorbed, end and user of two trajectories a user."""
    n = 2 * users
    taste = np.repeat(TASTE * rng.normal(size=users), 2)
    state, going, end = rng.choice(3, n, p=START), np.arange(n), np.full(n, -1)
    rows = []
    for step in range(steps):
        action = (rng.random(len(going)) < LOGGING[state, 1]).astype(int)
        reward = REWARD[state, action] + taste[going] + rng.normal(size=len(going))
        rows.append((going, np.full(len(going), step), state, action, reward))
        luck = rng.random((len(going), 1)) > MOVE[state, action].cumsum(axis=1)
        following = luck.sum(axis=1)
        going, state = going[following < 3], following[following < 3]
    end[going] = state
    who, when, state, action, reward = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((when, who))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(who, minlength=n))])
    return offsets, state[order], action[order], reward[order], end < 0, end, np.repeat(np.arange(users), 2)


def truth(horizon: int | None, discount: float) -> float:
    move = np.einsum("sa,sat->st", TARGET, MOVE)
    gain = (TARGET * REWARD).sum(axis=1)
    if horizon is None:
        return float(START @ np.linalg.solve(np.eye(3) - discount * move, gain))
    v = np.zeros(3)
    for _ in range(horizon):
        v = gain + discount * move @ v
    return float(START @ v)


def estimates(
    rng: np.random.Generator, users: int, steps: int, horizon: int | None, discount: float
) -> Iterable[tuple[str, Estimate]]:
    offsets, state, action, reward, absorbed, end, user = simulate(rng, users, steps)
    place = state, action
    log = trajectories(
        reward, TARGET[place], LOGGING[place], offsets, user,
        absorbed=absorbed, discount=discount, horizon=horizon,
    )  # fmt: skip
    states = np.concatenate([state, end[log.cut]])
    cells = (2 * states[:, None] + np.arange(2)).ravel()

    def options(features: Any) -> Choices:
        return choices(log, features, TARGET[states].ravel(), np.arange(0, len(cells) + 1, 2), action)

    fold = user % 2
    told = fitted_q(log, options(cells), tabular(6), fold)
    if horizon is not None:
        simple: list[Callable[[Trajectories], Estimate]] = [
            trajectory_is, weighted_trajectory_is, per_decision_is, weighted_per_decision_is,
        ]  # fmt: skip
        yield from ((each.__name__, each(log)) for each in simple)
    yield "direct (fitted Q)", direct(log, told)
    yield "doubly_robust", doubly_robust(log, told)
    yield "weighted_doubly_robust", weighted_doubly_robust(log, told)
    yield "marginal_is", marginal_is(log, states)
    yield "minimax_is", minimax_is(log, options(np.eye(6)[cells]))
    yield "double_reinforcement", double_reinforcement(log, told, state_density(log, states, fold))


def table(title: str, logs: int, right: float, draw: Callable[[int], Iterable[tuple[str, Estimate]]]) -> None:
    found: dict[str, list[tuple[float, float, bool]]] = {}
    for seed in range(logs):
        for name, each in draw(seed):
            found.setdefault(name, []).append((each.value, each.std_error, each.low <= right <= each.high))
    print(f"\n{title}; truth {right:.3f}, {logs} logs\n")
    print("| estimator | bias | its error | spread | mean std. error | coverage |\n|---|---|---|---|---|---|")
    for name, rows in found.items():
        value, error, held = np.array(rows).T
        spread = value.std(ddof=1)
        print(
            f"| {name} | {value.mean() - right:+.3f} | {spread / np.sqrt(logs):.3f} | {spread:.3f} | "
            f"{error.mean():.3f} | {held.mean():.1%} |"
        )


def horizon(logs: int) -> None:
    right = truth(8, 1.0)
    for users in (500, 2000):
        table(
            f"{users} users, 8 steps",
            logs,
            right,
            lambda seed, users=users: estimates(np.random.default_rng(seed), users, 8, 8, 1.0),
        )


def endless(logs: int) -> None:
    right = truth(None, 0.9)
    for users in (500, 2000):
        table(
            f"{users} users, without a horizon, discount 0.9",
            logs,
            right,
            lambda seed, users=users: estimates(np.random.default_rng(seed), users, 12, None, 0.9),
        )


def length(logs: int) -> None:
    steps = (2, 4, 8, 16, 32)
    squares: dict[str, list[list[float]]] = {}
    size: list[list[float]] = []
    for place, count in enumerate(steps):
        right = truth(count, 1.0)
        size.append([])
        for seed in range(logs):
            for name, each in estimates(np.random.default_rng(seed), 2000, count, count, 1.0):
                squares.setdefault(name, [[] for _ in steps])[place].append((each.value - right) ** 2)
                if name == "per_decision_is":
                    size[place].append(each.effective_size)
    print(f"\nroot mean squared error over {logs} logs of 4,000 trajectories, by steps\n")
    print(f"| estimator | {' | '.join(map(str, steps))} |\n|---{'|---' * len(steps)}|")
    for name, rows in squares.items():
        print(f"| {name} | {' | '.join(f'{np.sqrt(np.mean(row)):.3f}' for row in rows)} |")
    print(f"| *effective size* | {' | '.join(f'{np.mean(row):,.0f}' for row in size)} |")
    print(f"| *truth* | {' | '.join(f'{truth(count, 1.0):.2f}' for count in steps)} |")


def long_log(rng: np.random.Generator, rows: int, beside: float) -> tuple[Any, ...]:
    """Return x, a, s and y; `beside` is what a = 1 adds to y otherwise than through s."""
    x = (rng.random(rows) < 0.5).astype(int)
    a = (rng.random(rows) < 0.3).astype(int)
    s = (rng.random(rows) < 0.2 + 0.3 * x + 0.3 * a).astype(int)
    return x, a, s, 1 + x + 3 * s + beside * a + 2 * rng.normal(size=rows)


def long_term_estimates(seed: int, rows: int, beside: float) -> Iterable[tuple[str, Estimate]]:
    rng = np.random.default_rng(seed)
    x, a, s, y = long_log(rng, rows, beside)
    policy = np.array([0.2, 0.8])  # of a = 1, by x
    chance = np.stack([1 - policy, policy], axis=1)  # [x, a]
    cell = 2 * x + s
    # a short experiment in which the target itself acts
    short_x = (rng.random(rows) < 0.5).astype(int)
    short_a = rng.random(rows) < policy[short_x]
    short_s = (rng.random(rows) < 0.2 + 0.3 * short_x + 0.3 * short_a).astype(int)
    yield (
        "surrogate_index",
        surrogate_index(np.eye(4)[cell], y, np.eye(4)[2 * short_x + short_s], np.ones(rows)),
    )
    weight = chance[x, a] / np.array([0.7, 0.3])[a]
    by_cell = surrogate_weights(weight, cell, tabular(4))
    for name, f in (("f = 0", 0.0), ("f right", beside)):
        off = y - f * a
        residual = tabular(4)(cell, off, np.ones(rows))(cell)
        yield f"lope, {name}", lope(y, by_cell, f * a, f * policy[x])
        yield (
            f"lope, {name}, with residual",
            lope(y, by_cell, f * a, f * policy[x], weight=weight, residual=residual),
        )


def long_term(logs: int) -> None:
    for beside, told in ((0.0, "surrogacy holds"), (1.0, "1 goes around the short-term outcome")):
        # E[y] = 1 + E[x] + 3 (0.2 + 0.3 E[x] + 0.3 E[a]) + beside E[a], with E[x] = E[a] = 1/2
        right = 1.5 + 3 * 0.5 + beside * 0.5
        table(
            f"2,000 users, {told}",
            logs,
            right,
            lambda seed, beside=beside: long_term_estimates(seed, 2000, beside),
        )


def main(arguments: list[str]) -> None:
    jobs = {"horizon": horizon, "endless": endless, "length": length, "long-term": long_term}
    if not arguments or arguments[0] not in jobs:
        raise SystemExit(__doc__)
    jobs[arguments[0]](int(arguments[1]) if len(arguments) > 1 else 1000)


if __name__ == "__main__":
    main(sys.argv[1:])
