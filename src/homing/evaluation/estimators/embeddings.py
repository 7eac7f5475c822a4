"""Weights over what candidates have in common, where single candidates are too many to weigh.

Saito & Joachims (2022), Off-policy evaluation for large action spaces via embeddings: when messages act on
users only through an embedding e (such as category x channel x hour), `w(x, e) = p(e | x, target) /
p(e | x, logging)` is enough, and varies less than a weight for every candidate does. The estimator, MIPS, is
`ips(reward, marginal_weights(...))`; `snips` and `dr` take the same weights. What candidates do beyond their
embedding becomes bias.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.choosing.tuning import Selection, select_by_slope
from homing.evaluation.clusters import sums_by
from homing.evaluation.cross_fit import Rows, cross_fit
from homing.evaluation.estimate import Estimate
from homing.evaluation.inputs import Floats, choices, one_dimensional, policy_mean, ragged, shares
from homing.schema.errors import InputError


def same_embedding(embedding: ArrayLike, choice: ArrayLike, offsets: ArrayLike) -> Floats:
    """Return whether each candidate has the embedding of its row's choice: 0. or 1., float64 [m].

    This is p(e_i | x_i, a) of an embedding that is a property of the candidate (Saito & Joachims 2022).

    Args:
        embedding: integer codes [m, d] of all candidates, or [m].
        choice: integer [n], the place of each logged choice among all candidates.
        offsets: int64 [n + 1].

    Raises:
        InputError: lengths differ, codes are not integers, or a choice is not among its row's candidates.
    """
    codes = _codes("embedding", embedding)
    bounds = ragged(offsets, len(codes))
    place = choices(choice, bounds)
    lengths = np.diff(bounds)
    same = np.ones(len(codes), np.bool_)
    for column in codes.T:  # one at a time, so that memory does not grow with dimensions
        same &= column == np.repeat(column[place], lengths)
    return same.astype(np.float64)


def learned_likelihood(
    action: ArrayLike,
    choice: ArrayLike,
    offsets: ArrayLike,
    embedding: ArrayLike,
    fold: ArrayLike,
    *,
    smoothing: float = 1.0,
) -> Floats:
    """Return p(e_i | a) for each candidate a of row i, by counts over the other folds: float64 [m].

    For embeddings that are seen after the choice, such as the hour of delivery. With counts c over rows of
    other folds, `(c(a, e) + s g(e)) / (c(a) + s)`, where g is the smoothed share of e among all. Saito &
    Joachims (2022) take p(e | a) for known.

    Args:
        action: integer codes [m] of all candidates, such as their message.
        choice: integer [n], the place of each logged choice among all candidates.
        offsets: int64 [n + 1].
        embedding: integer codes [n, d] or [n], observed after each choice.
        fold: integer [n], from `folds_by_user`.
        smoothing: s, in rows.

    Raises:
        InputError: lengths differ, codes are not integers, `smoothing` is not above 0, or under two folds.
    """
    message = _codes("action", one_dimensional("action", action))[:, 0]
    bounds = ragged(offsets, len(message))
    place = choices(choice, bounds)
    if not smoothing > 0:
        raise InputError(f"smoothing == {smoothing}, must be above 0: a pair may be missing from other folds")
    seen = _codes("embedding", embedding)
    if len(seen) != len(place):
        raise InputError(f"embedding has {len(seen):,} rows, must have {len(place):,} like the other columns")
    kinds, code = np.unique(seen, axis=0, return_inverse=True)
    messages, sent = np.unique(message, return_inverse=True)
    code, size = code.reshape(-1), len(kinds)

    def fit_predict(train: Rows, test: Rows) -> Floats:
        pair = sums_by(sent[place[train]] * size + code[train], np.ones(len(train)), len(messages) * size)
        counts = pair.reshape(len(messages), size)
        overall = (counts.sum(axis=0) + 1) / (len(train) + size)
        table = (counts + smoothing * overall) / (counts.sum(axis=1, keepdims=True) + smoothing)
        lengths = np.diff(bounds)[test]
        starts = np.repeat(bounds[test] - np.cumsum(lengths) + lengths, lengths)
        candidates = starts + np.arange(len(starts))
        return np.asarray(table[sent[candidates], np.repeat(code[test], lengths)])

    return cross_fit(fold, fit_predict, bounds)


def marginal_weights(
    target_probability: ArrayLike, logging_probability: ArrayLike, likelihood: ArrayLike, offsets: ArrayLike
) -> Floats:
    """Return `w(x_i, e_i) = sum_a pi(a|x_i) p(e_i|x_i,a) / sum_a p(a|x_i) p(e_i|x_i,a)`: float64 [n].

    Saito & Joachims (2022), the weights of MIPS, `ips(reward, w)`.

    Args:
        target_probability: float [m] over the candidates of all rows; sums to 1 in each.
        logging_probability: float [m], the log's; sums to 1 in each row.
        likelihood: float [m] in [0, 1], p(e_i | x_i, a) of the row's observed embedding under each candidate,
            from `same_embedding` or `learned_likelihood`.
        offsets: int64 [n + 1].

    Raises:
        InputError: lengths differ, values out of range, sums that are not 1, or a row whose embedding the log
            could not show.
    """
    chance = shares("likelihood", likelihood)
    shown = policy_mean(logging_probability, chance, offsets, name="logging_probability")
    impossible = np.flatnonzero(shown == 0)
    if len(impossible):
        raise InputError(
            f"logging_probability is 0 for every candidate that has the embedding of row {impossible[0]:,} "
            f"({len(impossible):,} such rows), must be above 0 for the logged choice"
        )
    return policy_mean(target_probability, chance, offsets) / shown


def posterior_weights(
    target_probability: ArrayLike, logging_probability: ArrayLike, posterior: ArrayLike, offsets: ArrayLike
) -> Floats:
    """Return `w(x_i, e_i) = sum_a p(a | x_i, e_i) pi(a|x_i) / p(a|x_i)`: float64 [n].

    Saito & Joachims (2022): p(a | x, e), which choice a row's embedding came from, is any
    classifier's; predict it by `cross_fit`. By Bayes' rule it equals `marginal_weights` where it is exact.

    Args:
        target_probability: float [m] over the candidates of all rows.
        logging_probability: float [m], the log's; candidates of probability 0 add nothing.
        posterior: float [m], p(a | x_i, e_i); sums to 1 in each row.
        offsets: int64 [n + 1].

    Raises:
        InputError: lengths differ, values out of range, or posteriors that do not sum to 1.
    """
    target = shares("target_probability", target_probability)
    logged = shares("logging_probability", logging_probability, len(target))
    ratio = np.divide(target, logged, out=np.zeros_like(target), where=logged > 0)
    return policy_mean(posterior, ratio, offsets, name="posterior")


def select_embedding(
    estimate_with: Callable[[tuple[int, ...]], Estimate],
    dimensions: int,
    *,
    fewest: int = 1,
    greedy: bool = False,
) -> tuple[tuple[int, ...], Selection]:
    """Return the dimensions of the embedding to use, by SLOPE, and the estimate with them.

    Saito & Joachims (2022): fewer dimensions mean less variance and more bias, so subsets are
    tried from all dimensions down, wider intervals first among equally many.

    Args:
        estimate_with: the estimate with weights over these dimensions, rising.
        dimensions: of the whole embedding.
        fewest: dimensions that stay.
        greedy: drop one dimension at a time, that whose loss narrows the interval most; else try all subsets.

    Raises:
        InputError: `fewest` is not from 1 to `dimensions`, or no estimate has a value with an interval.
    """
    if not 1 <= fewest <= dimensions:
        raise InputError(f"fewest == {fewest}, must be from 1 to the {dimensions} dimensions")
    subsets: list[tuple[int, ...]] = []
    estimates: list[Estimate] = []
    whole = tuple(range(dimensions))
    for size in range(dimensions, fewest - 1, -1):
        parts = list(itertools.combinations(whole, size))
        found = [estimate_with(part) for part in parts]
        by_width = np.argsort([-each.std_error for each in found], kind="stable")
        subsets.extend(parts[place] for place in by_width)
        estimates.extend(found[place] for place in by_width)
        if greedy:
            whole = subsets[-1]
    selection = select_by_slope(estimates, ordered=True)
    return subsets[selection.place], selection


def _codes(name: str, values: ArrayLike) -> NDArray[np.integer[Any]]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not array.size:
        raise InputError(
            f"{name} has shape {array.shape} and dtype {array.dtype}, must be integers [rows, d]"
        )
    return array.reshape(len(array), -1)
