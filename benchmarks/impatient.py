"""Bandits whose reward takes four weeks to come: what is seen on the way, and what that saves.

python benchmarks/impatient.py [replications] [days] [--plot FILE]   40 replications of 84 days

After McDonald et al. (2023), Impatient bandits (KDD): 20 new messages, 20 users a day; the reward is the
number of active days among the 28 that follow. Users are Bernoulli with a level of their own, so that days
depend on each other and are not Gaussian. All four are Thompson sampling and differ in what they see:

oracle        all 28 days of a user on the next day
progressive   the days that have passed, through the covariances of past messages
day-2 proxy   the first two days, and takes them for the reward
delayed       users whose 28 days have all passed

Regret is in active days: the best message's mean less the sent one's, summed over users.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from homing.models.delayed import Belief, DailyPrior, believe, best_chances, fit_daily_prior

MESSAGES, DAYS, USERS, PAST, PAST_USERS = 20, 28, 20, 150, 60
POLICIES = ("oracle", "progressive", "day-2 proxy", "delayed")
LEVEL = 1.2  # deviation of users' levels, in logits


def curves(messages: int, random: np.random.Generator) -> np.ndarray:
    """Return logits of activity by day: what starts well need not last."""
    start = random.normal(-1.0, 0.5, messages)
    end = -1.8 + 0.3 * (start + 1.0) + random.normal(0, 0.6, messages)
    return end[:, None] + (start - end)[:, None] * np.exp(-np.arange(DAYS) / 4.0)


def users(logits: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return active days [n, DAYS] of users with these logits."""
    chance = 1 / (1 + np.exp(-logits - random.normal(0, LEVEL, (len(logits), 1))))
    return (random.random(chance.shape) < chance).astype(np.float64)


def worth(logits: np.ndarray) -> np.ndarray:
    """Return the expected number of active days of each message."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    chance = 1 / (1 + np.exp(-logits[:, :, None] - LEVEL * nodes))
    return (chance @ (weights / weights.sum())).sum(1)


def days_seen(policy: str, age: np.ndarray) -> np.ndarray:
    """Return how many days a policy uses of users who came `age` days ago."""
    return {
        "oracle": np.full(len(age), DAYS),
        "progressive": np.minimum(age, DAYS),
        "day-2 proxy": np.minimum(age, 2),
        "delayed": np.where(age >= DAYS, DAYS, 0),
    }[policy]


def learned(policy: str, prior: DailyPrior, outcomes: np.ndarray, age: np.ndarray, of: np.ndarray) -> Belief:
    if policy != "day-2 proxy":
        return believe(prior, outcomes, days_seen(policy, age), of, MESSAGES)
    short = DailyPrior(prior.coefficients[:, :2], prior.between[:2, :2], prior.within[:2, :2])
    return believe(short, outcomes[:, :2], days_seen(policy, age), of, MESSAGES)


def replicate(seed: int, days: int) -> np.ndarray:
    """Return the regret of each day and policy, [policies, days]."""
    random = np.random.default_rng([seed, 0])
    past = np.repeat(np.arange(PAST), PAST_USERS)
    prior = fit_daily_prior(users(curves(PAST, random)[past], random), past)
    logits = curves(MESSAGES, random)
    value = worth(logits)
    regret = np.zeros((len(POLICIES), days))
    for place, policy in enumerate(POLICIES):
        random = np.random.default_rng([seed, 1])
        outcomes, of, came = np.zeros((0, DAYS)), np.zeros(0, np.int64), np.zeros(0, np.int64)
        for day in range(days):
            belief = learned(policy, prior, outcomes, day - came, of)
            weights = np.ones(belief.mean.shape[1])
            chance = best_chances(*belief.worth(weights), draws=512, seed=[seed, place, day])
            sent = random.choice(MESSAGES, USERS, p=chance)
            regret[place, day] = (value.max() - value[sent]).sum()
            outcomes = np.concatenate([outcomes, users(logits[sent], random)])
            of, came = np.concatenate([of, sent]), np.concatenate([came, np.full(USERS, day)])
    return regret


def main(replications: int, days: int, plot: Path | None) -> None:
    started = time.process_time()
    total = np.stack([replicate(seed, days) for seed in range(replications)]).cumsum(2)
    spent = time.process_time() - started
    print(f"{replications} replications, {spent:.0f} CPU-s; regret ± 1.96 standard errors")
    marks = [day for day in (7, 14, 28, 42, 56, 84) if day <= days]
    print(f"{'':14s}" + "".join(f"{f'day {day}':>16s}" for day in marks))
    for place, policy in enumerate(POLICIES):
        found = total[:, place][:, [day - 1 for day in marks]]
        error = 1.96 * found.std(0, ddof=1) / np.sqrt(replications)
        line = "".join(f"{f'{m:.0f} ± {e:.0f}':>16s}" for m, e in zip(found.mean(0), error, strict=True))
        print(f"{policy:14s}{line}")
    last = total[:, :, -1]
    for better, worse in ((0, 1), (1, 2), (1, 3)):
        gap = last[:, worse] - last[:, better]
        error = 1.96 * gap.std(ddof=1) / np.sqrt(replications)
        print(f"{POLICIES[worse]} less {POLICIES[better]}, paired: {gap.mean():.0f} ± {error:.0f}")
    if plot is not None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for place, policy in enumerate(POLICIES):
            mean, error = total[:, place].mean(0), 1.96 * total[:, place].std(0, ddof=1) / replications**0.5
            axes.plot(np.arange(1, days + 1), mean, label=policy)
            axes.fill_between(np.arange(1, days + 1), mean - error, mean + error, alpha=0.2)
        axes.set(xlabel="day", ylabel="regret, active days")
        axes.legend()
        figure.savefig(plot, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("replications", type=int, nargs="?", default=40)
    parser.add_argument("days", type=int, nargs="?", default=84)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    main(given.replications, given.days, given.plot)
