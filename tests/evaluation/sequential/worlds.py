"""A Markov decision process that can be solved: two states, two actions, and an end that absorbs."""

from dataclasses import dataclass

import numpy as np

from homing.evaluation.sequential import choices, trajectories

START = np.array([0.6, 0.4])
LOGGING = np.array([[0.5, 0.5], [0.7, 0.3]])  # [state, action]
TARGET = np.array([[0.2, 0.8], [0.6, 0.4]])
REWARD = np.array([[1.0, 2.0], [0.5, -1.0]])  # [state, action] expected
MOVE = np.array([[[0.7, 0.2], [0.3, 0.4]], [[0.5, 0.5], [0.2, 0.6]]])  # [state, action, next]; the rest ends
GUESS = np.array([[2.0, 1.0], [-0.5, 0.7]])  # of q, wrong on purpose


def values(horizon, discount=1.0, policy=TARGET):
    """q [horizon, state, action] of `policy`, and its value from the start, by dynamic programming."""
    q = np.zeros((horizon, 2, 2))
    following = np.zeros(2)
    for step in reversed(range(horizon)):
        q[step] = REWARD + discount * MOVE @ following
        following = (policy * q[step]).sum(axis=1)
    return q, float(START @ following)


def endless(discount, policy=TARGET):
    """q [state, action] without a horizon, and the value, by linear equations."""
    step = np.einsum("sa,sat->st", policy, MOVE)
    v = np.linalg.solve(np.eye(2) - discount * step, (policy * REWARD).sum(axis=1))
    return REWARD + discount * MOVE @ v, float(START @ v)


@dataclass
class Log:
    """Flat columns of trajectories."""

    offsets: np.ndarray
    state: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    absorbed: np.ndarray
    end: np.ndarray  # [n] state after the last transition, -1: absorbed
    chance: np.ndarray | None = None  # [n] where all trajectories are enumerated

    def build(self, discount=1.0, horizon=None, user=None, policy=TARGET):
        place = self.state, self.action
        return trajectories(
            self.reward,
            policy[place],
            LOGGING[place],
            self.offsets,
            user,
            absorbed=self.absorbed,
            discount=discount,
            horizon=horizon,
        )

    def take(self, which):
        """The trajectories in these places, of which some may come twice."""
        length = np.diff(self.offsets)[which]
        offsets = np.concatenate([[0], np.cumsum(length)])
        rows = np.repeat(self.offsets[which] - offsets[:-1], length) + np.arange(offsets[-1])
        return Log(
            offsets,
            self.state[rows],
            self.action[rows],
            self.reward[rows],
            self.absorbed[which],
            self.end[which],
            None if self.chance is None else self.chance[which],
        )

    @property
    def step(self):
        return np.arange(len(self.state)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))


def every_trajectory(horizon):
    """All trajectories of at most `horizon` steps under LOGGING, and the chance of each."""
    done, open_ones = [], [(START[s], ((s,), (), ())) for s in (0, 1)]
    for _ in range(horizon):
        grown = []
        for chance, (states, actions, rewards) in open_ones:
            s = states[-1]
            for a in (0, 1):
                taken = (*actions, a), (*rewards, REWARD[s, a])
                here = chance * LOGGING[s, a]
                done.append((here * (1 - MOVE[s, a].sum()), (states, *taken), -1))
                grown += [(here * MOVE[s, a, t], ((*states, t), *taken)) for t in (0, 1)]
        open_ones = grown
    done += [(chance, (path[0][:-1], *path[1:]), path[0][-1]) for chance, path in open_ones]
    done = [each for each in done if each[0] > 0]
    flat = [np.concatenate([np.array(path[k]) for _, path, _ in done]) for k in range(3)]
    end = np.array([e for _, _, e in done])
    offsets = np.cumsum([0, *(len(path[1]) for _, path, _ in done)])
    return Log(offsets, *flat, end < 0, end, np.array([chance for chance, _, _ in done]))


def simulate(rng, count, horizon, noise=0.5):
    """Trajectories under LOGGING, step by step for all at once."""
    state = rng.choice(2, count, p=START)
    going = np.arange(count)
    end = np.full(count, -1)
    rows = []
    for step in range(horizon):
        action = (rng.random(len(going)) < LOGGING[state, 1]).astype(int)
        reward = REWARD[state, action] + noise * rng.normal(size=len(going))
        rows.append((going, np.full(len(going), step), state, action, reward))
        to = MOVE[state, action]
        luck = rng.random(len(going))
        following = np.where(luck < to[:, 0], 0, np.where(luck < to.sum(axis=1), 1, -1))
        going, state = going[following >= 0], following[following >= 0]
    end[going] = state
    who, when, state, action, reward = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((when, who))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(who, minlength=count))])
    return Log(offsets, state[order], action[order], reward[order], end < 0, end)


def options_of(log, world, features=None, policy=TARGET):
    """Both actions in every state; features of the cells 2 * state + action, or the cells."""
    state = np.concatenate([world.state, world.end[log.cut]])
    cell = (2 * state[:, None] + np.arange(2)).ravel()
    return choices(
        log,
        cell if features is None else features[cell],
        policy[state].ravel(),
        np.arange(0, len(cell) + 1, 2),
        world.action,
    )


def cut_half(world, steps):
    """Let every other trajectory be cut after `steps` decisions, as by the end of a log."""
    length = np.diff(world.offsets)
    shorter = np.where(np.arange(len(length)) % 2 == 0, np.minimum(length, steps), length)
    was_cut = shorter < length
    keep = world.step < np.repeat(shorter, length)
    after = np.minimum(world.offsets[:-1] + shorter, len(world.state) - 1)
    end = np.where(was_cut, world.state[after], world.end)
    offsets = np.concatenate([[0], np.cumsum(shorter)])
    return Log(
        offsets,
        world.state[keep],
        world.action[keep],
        world.reward[keep],
        world.absorbed & ~was_cut,
        end,
        world.chance,
    )
