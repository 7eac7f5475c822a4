"""What a message's users do over many days, while most of those days have not come yet.

The progressive Gaussian filter of McDonald, Maystre, Lalmas, Russo & Ciosek (2023), Impatient bandits:
optimizing recommendations for the long-term without delay (KDD). A message has a mean outcome for each day
since it was received, theta ~ N(prior mean, between); a user's days are N(theta, within). A user seen for k
days says something of the first k means directly, and through both covariances of all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.schema.errors import InputError

Floats = NDArray[np.float64]

_RIDGE: Final = (
    1e-6  # of the mean variance, added so that covariances of days that move alike can be inverted
)


@dataclass(frozen=True)
class DailyPrior:
    """What past messages say of a new one, d features and J days."""

    coefficients: Floats  # [d, J] a new message's mean is its features by these
    between: Floats  # [J, J] covariance of messages' means around it
    within: Floats  # [J, J] covariance of a user's days around their message's means

    @property
    def days(self) -> int:
        """J."""
        return len(self.within)


@dataclass(frozen=True)
class Belief:
    """Posterior of each message's daily means."""

    mean: Floats  # [messages, J]
    covariance: Floats  # [messages, J, J]

    def worth(self, weights: ArrayLike) -> tuple[Floats, Floats]:
        """Return the mean and the standard deviation of `weights . theta`, [messages] each.

        Args:
            weights: float [J] of the days; ones for the total.

        Raises:
            InputError: another number of days.
        """
        days = np.asarray(weights, np.float64)
        if days.shape != (self.mean.shape[1],):
            raise InputError(f"weights has shape {days.shape}, must be ({self.mean.shape[1]},), one a day")
        variance = np.einsum("mij,i,j->m", self.covariance, days, days)
        return self.mean @ days, np.sqrt(np.maximum(variance, 0))


def fit_daily_prior(outcomes: ArrayLike, message: ArrayLike, features: ArrayLike | None = None) -> DailyPrior:
    """Estimate means and covariances from users of past messages who were seen on all days.

    Means are regressed on the messages' features. `within` pools users around their message's mean.
    `between` is the covariance of messages' means around the regression, less what `within` adds to it,
    with negative eigenvalues at 0: the moment estimate of a random-effects model.

    Args:
        outcomes: float [n, J].
        message: integer [n] from 0 to messages - 1, each with at least two users.
        features: float [messages, d] of content, with a constant; None: the constant alone.

    Raises:
        InputError: shapes disagree, numbers are not finite, a message has fewer than two users, or there are
            not more messages than features.
    """
    days, of = _table("outcomes", outcomes), _codes(message, len(np.asarray(outcomes)))
    messages = int(of.max()) + 1
    x = np.ones((messages, 1)) if features is None else _table("features", features)
    counts = np.bincount(of, minlength=messages)
    if len(x) != messages or messages <= x.shape[1]:
        raise InputError(
            f"features is {x.shape} and messages are {messages}, must be a row a message, fewer columns than "
            "rows; bring more past messages, or fewer features"
        )
    if counts.min() < 2:
        raise InputError(
            f"message {counts.argmin()} has {counts.min()} users, must have at least 2; leave it out"
        )
    means = np.zeros((messages, days.shape[1]))
    np.add.at(means, of, days)
    means /= counts[:, None]
    rest = days - means[of]
    within: Floats = rest.T @ rest / (len(days) - messages)
    coefficients: Floats = np.linalg.lstsq(x, means, rcond=None)[0].astype(np.float64)
    apart = means - x @ coefficients
    hat = np.einsum("md,md->m", x, np.linalg.pinv(x).T)  # share of its own noise that a fit takes up
    between = apart.T @ apart - within * ((1 - hat) / counts).sum()
    return DailyPrior(coefficients, _positive(between / (messages - x.shape[1])), _invertible(within))


def believe(
    prior: DailyPrior,
    outcomes: ArrayLike,
    seen: ArrayLike,
    message: ArrayLike,
    features: ArrayLike | int,
) -> Belief:
    """Return what is known of messages whose users were seen for some days each.

    Exact for Gaussian days. Users of one message and number of days enter as their sum, so the time is that
    of messages x J^3, whatever the number of users.

    Args:
        prior: of the messages.
        outcomes: float [n, J]; what stands at days not seen is not read.
        seen: integer [n] from 0 to J, days since the message that have passed.
        message: integer [n] from 0 to messages - 1.
        features: float [messages, d] as the prior's; or the number of messages, where the constant is all.

    Raises:
        InputError: shapes disagree, a number is out of range, or one that was seen is not finite.
    """
    J = prior.days
    x = np.ones((features, 1)) if isinstance(features, int) else _table("features", features)
    days, k = np.asarray(outcomes, np.float64), np.asarray(seen)
    of = _codes(message, len(days))
    if days.ndim != 2 or days.shape[1] != J or k.shape != (len(days),):
        raise InputError(f"outcomes is {days.shape} and seen {k.shape}, must be [n, {J}] and [n]")
    if x.shape[1] != len(prior.coefficients):
        raise InputError(f"features is {x.shape}, must have the prior's {len(prior.coefficients)} columns")
    if len(k) and (k.min() < 0 or k.max() > J or of.max() >= len(x)):
        raise InputError(f"seen must be in 0 .. {J} and message in 0 .. {len(x) - 1}")
    known = np.arange(J) < k[:, None]
    if not np.isfinite(days[known]).all():
        raise InputError("outcomes has NaN or infinite values on days that were seen; lower `seen` there")
    cell = of * (J + 1) + k
    counts = np.bincount(cell, minlength=len(x) * (J + 1)).reshape(len(x), J + 1).astype(np.float64)
    sums = np.zeros((len(x) * (J + 1), J))
    np.add.at(sums, cell, np.where(known, days, 0))
    told = _precisions(prior.within)
    start = x @ prior.coefficients
    precision = np.einsum("mk,kij->mij", counts, told)
    # around the start, so that a between of 0 in some direction leaves the mean where it is
    pull = np.einsum("kij,mkj->mi", told, sums.reshape(len(x), J + 1, J)) - np.einsum(
        "mij,mj->mi", precision, start
    )
    gain = np.eye(J) + prior.between @ precision  # (B^-1 + P)^-1 = (1 + B P)^-1 B, with B singular, too
    covariance = np.linalg.solve(gain, np.broadcast_to(prior.between, precision.shape))
    covariance = (covariance + covariance.mT) / 2
    return Belief(start + np.einsum("mij,mj->mi", covariance, pull), covariance)


def best_chances(mean: Floats, deviation: Floats, draws: int = 4096, seed: int | list[int] = 0) -> Floats:
    """Return the chance that each message is the best, by Thompson sampling: float64 [messages], sums to 1.

    As the share of draws in which it wins, the propensity of a decision that is drawn from it is known.

    Args:
        mean: float64 [messages] of `Belief.worth`.
        deviation: float64 [messages].
        draws: how many.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    drawn = mean + deviation * random.standard_normal((draws, len(mean)))
    return np.bincount(drawn.argmax(1), minlength=len(mean)) / draws


def _precisions(within: Floats) -> Floats:
    """Return the inverse of the first k days' covariance for k = 0 .. J, at its place: [J + 1, J, J]."""
    J = len(within)
    found = np.zeros((J + 1, J, J))
    for k in range(1, J + 1):
        found[k, :k, :k] = np.linalg.inv(within[:k, :k])
    return found


def _positive(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    found: Floats = (vectors * np.maximum(values, 0)) @ vectors.T
    return found


def _invertible(matrix: Floats) -> Floats:
    ridge = max(_RIDGE * float(np.trace(matrix)) / len(matrix), np.finfo(np.float64).tiny)
    found: Floats = matrix + ridge * np.eye(len(matrix))
    return found


def _table(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise InputError(f"{name} has shape {array.shape}, must be [rows, columns], not empty, and finite")
    return array


def _codes(message: ArrayLike, rows: int) -> NDArray[Any]:
    array = np.asarray(message)
    if array.shape != (rows,) or array.dtype.kind not in "iu" or (rows and array.min() < 0):
        raise InputError(
            f"message is {array.dtype} {array.shape}, must be integers >= 0, one a user: [{rows}]"
        )
    return array
