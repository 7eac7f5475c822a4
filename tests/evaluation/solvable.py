"""A world that can be solved: two states, two or three candidates, outcomes 0 or 1 with known chances."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

STATE = (0.4, 0.6)
LOGGING = (np.array([0.5, 0.3, 0.2]), np.array([0.8, 0.2]))
POLICY = (np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.7]))
CHANCE = (np.array([0.2, 0.9, 0.5]), np.array([0.6, 0.1]))
GUESS = (np.array([0.4, 0.4, 0.9]), np.array([0.9, 0.3]))  # wrong on purpose
TRUTH = sum(share * float(pi @ chance) for share, pi, chance in zip(STATE, POLICY, CHANCE, strict=True))


def mean(values):
    """What `values`, a function of state and action, average under the target policy."""
    return sum(
        share * float(pi[a]) * values(s, a)
        for s, (share, pi) in enumerate(zip(STATE, POLICY, strict=True))
        for a in range(len(pi))
    )


@dataclass
class Log:
    state: np.ndarray
    action: np.ndarray
    reward: np.ndarray

    def of_choice(self, table):
        return np.array([table[s][a] for s, a in zip(self.state, self.action, strict=True)])

    def of_all(self, table):
        return np.concatenate([table[s] for s in self.state])

    @property
    def offsets(self):
        return np.cumsum([0, *(len(POLICY[s]) for s in self.state)])

    @property
    def choice(self):
        return self.offsets[:-1] + self.action

    @property
    def weight(self):
        return self.of_choice(POLICY) / self.of_choice(LOGGING)

    @property
    def doubly_robust(self):
        """The arguments of `dr`, all but the user."""
        return (
            self.reward,
            self.weight,
            self.of_all(POLICY),
            self.of_all(GUESS),
            self.of_choice(GUESS),
            self.offsets,
        )


def logs(rows, logging=LOGGING):
    """Every log of `rows` decisions, and its probability."""
    cases = []
    for state, action in ((s, a) for s in (0, 1) for a in range(len(logging[s]))):
        for outcome in (0, 1):
            right = CHANCE[state][action] if outcome else 1 - CHANCE[state][action]
            cases.append((STATE[state] * logging[state][action] * right, state, action, outcome))
    for log in itertools.product(cases, repeat=rows):
        _, state, action, outcome = (np.array(column) for column in zip(*log, strict=True))
        yield math.prod(case[0] for case in log), Log(state, action, outcome.astype(float))


def expectation(value, rows):
    """The mean over all logs of `rows` decisions of `value`, a function of the log."""
    return sum(probability * value(log) for probability, log in logs(rows))
