"""A messaging process so small that dynamic programming solves it, to check learners against.

A user has a fatigue of 0 to 4 or has churned. Each day brings nothing, an in-app message, an email or a
push. A message lifts today's visit and conversion, less so the more tired the user is, and may tire them;
tired users churn more. What pays today may not pay in the long term.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHOICES: Final = ("none", "in_app", "email", "push")
FATIGUE: Final = 5  # states of users who have not churned; the one after them is churned

_ROUNDS: Final = 100_000
_PRECISION: Final = 1e-12


@dataclass(frozen=True)
class MessagingProcess:
    """Chances a day. Choices are in the order of `CHOICES`, objectives are visits and conversions."""

    visit: float = 0.4  # without a message, of a user who is not tired
    visit_lift: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2)
    conversion: float = 0.02
    conversion_lift: tuple[float, ...] = (0.0, 0.02, 0.03, 0.06)
    numbing: float = 0.2  # share of visits and of lifts that one step of fatigue takes
    tires: tuple[float, ...] = (0.0, 0.15, 0.35, 0.7)  # chance that fatigue rises by 1
    recovery: float = 0.4  # chance that it falls by 1 where it does not rise
    churn: float = 0.002  # of a user who is not tired
    churn_step: float = 0.01  # more for each step of fatigue

    @cached_property
    def reward(self) -> Floats:
        """[FATIGUE, choices, 2] expected visits and conversions of the day."""
        left = np.maximum(1 - self.numbing * np.arange(FATIGUE), 0.0)[:, None]
        visit = left * (self.visit + np.array(self.visit_lift))
        conversion = left * (self.conversion + np.array(self.conversion_lift))
        return np.stack([visit, conversion], 2)

    @cached_property
    def moves(self) -> Floats:
        """[FATIGUE, choices, FATIGUE + 1] chance of each state on the next day."""
        found = np.zeros((FATIGUE, len(CHOICES), FATIGUE + 1))
        for fatigue in range(FATIGUE):
            lost = self.churn + self.churn_step * fatigue
            for choice, tires in enumerate(self.tires):
                falls = (1 - tires) * self.recovery
                up, down = min(fatigue + 1, FATIGUE - 1), max(fatigue - 1, 0)
                found[fatigue, choice, FATIGUE] = lost
                for state, chance in ((up, tires), (down, falls), (fatigue, 1 - tires - falls)):
                    found[fatigue, choice, state] += (1 - lost) * chance
        return found

    def values(self, policy: Floats, discount: float) -> Floats:
        """Return q of a policy [FATIGUE, choices] by a linear solve: [FATIGUE, choices, 2]."""
        stay = self.moves[:, :, :FATIGUE]
        step = np.einsum("sa,sat->st", policy, stay)
        gain = np.einsum("sa,sak->sk", policy, self.reward)
        v = np.linalg.solve(np.eye(FATIGUE) - discount * step, gain)
        q: Floats = self.reward + discount * np.einsum("sat,tk->sak", stay, v)
        return q

    def worth(self, policy: Floats, discount: float) -> Floats:
        """Return what a user who is not tired is worth under a policy: [2]."""
        found: Floats = policy[0] @ self.values(policy, discount)[0]
        return found

    def best(
        self, weights: Floats, discount: float, temperature: float = 0.0, prior: Floats | None = None
    ) -> Floats:
        """Return the policy [FATIGUE, choices] that is best for `weights` [2].

        With a temperature t, it is the best for utility less t times the divergence from `prior` (uniform by
        default) at every epoch, by soft value iteration; without, the best, by value iteration.
        """
        u, stay = self.reward @ weights, self.moves[:, :, :FATIGUE]
        base = np.full(u.shape, 1 / len(CHOICES)) if prior is None else prior
        v = np.zeros(FATIGUE)
        for _ in range(_ROUNDS):
            q = u + discount * stay @ v
            if temperature > 0:
                top = q.max(1)
                moved = top + temperature * np.log((base * np.exp((q - top[:, None]) / temperature)).sum(1))
            else:
                moved = q.max(1)
            done = np.abs(moved - v).max() < _PRECISION
            v = moved
            if done:
                break
        if temperature > 0:
            return tilted(q, temperature, base)
        found: Floats = np.eye(len(CHOICES))[q.argmax(1)]
        return found

    def log(self, policy: Floats, users: int, days: int, seed: int = 0) -> SolvableLog:
        """Draw users who start without fatigue, for some days, under a policy."""
        draw = np.random.default_rng(seed)
        state = np.zeros(users, np.int64)
        reached, moves = policy.cumsum(1), self.moves.cumsum(2)
        found = []
        who = np.arange(users)
        for day in range(days):
            choice = (draw.random((len(who), 1)) > reached[state]).sum(1)
            reward = draw.random((len(who), 2)) < self.reward[state, choice]
            after = (draw.random((len(who), 1)) > moves[state, choice]).sum(1)
            found.append((who, np.full(len(who), day), state, choice, reward, after == FATIGUE))
            who, state = who[after < FATIGUE], after[after < FATIGUE]
        user, day_of, states, choices, rewards, churned = (
            np.concatenate(part) for part in zip(*found, strict=True)
        )
        order = np.lexsort((day_of, user))
        following = np.arange(1, len(user) + 1)
        following[day_of[order] == days - 1] = -2  # the log ends, and what comes next is not seen
        following[churned[order]] = -1
        return SolvableLog(
            user[order],
            states[order],
            choices[order],
            rewards[order].astype(np.float64),
            following,
            policy[states[order]],
        )


@dataclass(frozen=True)
class SolvableLog:
    """Decisions, by user and day."""

    user: NDArray[np.int64]  # [rows]
    fatigue: NDArray[np.int64]  # [rows]
    choice: NDArray[np.int64]  # [rows] place in `CHOICES`
    reward: Floats  # [rows, 2] visit and conversion of the day
    following: NDArray[np.int64]  # [rows] next row; -1: churned, -2: the log ends
    propensity: Floats  # [rows, choices] of the logging policy


def tilted(q: Floats, temperature: float, prior: Floats) -> Floats:
    """Return the policy proportional to `prior exp(q / temperature)`: [states, choices]."""
    weight: Floats = prior * np.exp((q - q.max(1, keepdims=True)) / temperature)
    weight /= weight.sum(1, keepdims=True)
    return weight
