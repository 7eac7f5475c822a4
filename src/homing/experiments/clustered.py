"""Designs in which users do not stand alone: whole clusters get an arm, or whole periods of time do.

Where a message to one user changes what another gets, as with a shared budget, arms are drawn for groups that
leave each other alone: regions or shares of the budget (clusters), or periods (a switchback). The groups are
the units then, and they are few, so variances and degrees of freedom are corrected for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from homing.experiments.inputs import codes, numbers
from homing.experiments.metrics import Levels
from homing.experiments.moments import Floats
from homing.schema.errors import InputError


def cluster_levels(
    outcome: ArrayLike,
    arm: ArrayLike,
    cluster: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    name: str = "outcome",
) -> Levels:
    """Return the mean of rows in each arm with a variance robust to clusters, for `compare`.

    CR2 of Bell & McCaffrey (2002), which for the mean of an arm is sum_j S_j^2 / (1 - n_j / N) / N^2 over
    clusters j with n_j of the N rows and residuals that sum to S_j; unbiased where clusters are of one size,
    or rows independent. Degrees of freedom are their Satterthwaite ones under independent rows,
    tr(A)^2 / tr(A^2): clusters less one where all are of one size. For cluster means, give one row a cluster.

    Args:
        outcome: float [rows].
        arm: text or integers [rows], the same in all rows of a cluster.
        cluster: ids [rows].
        weight: float [rows] > 0, such as the users of rows that are means; None: 1.
        name: of the metric.

    Returns:
        Levels whose `count` is 1 + the degrees of freedom of the arm, the number of clusters of one size that
        the arm is worth.

    Raises:
        InputError: lengths differ, values are not finite, or a cluster has rows in two arms.
    """
    y = numbers("outcome", outcome)
    w = np.ones(len(y)) if weight is None else numbers("weight", weight, len(y))
    if not (w > 0).all():
        raise InputError(f"weight has a minimum of {w.min():g}, must be > 0; leave such rows out")
    arms, arm_of = codes("arm", arm, len(y))
    clusters, cluster_of = codes("cluster", cluster, len(y))
    home = np.zeros(len(clusters), np.intp)
    home[cluster_of] = arm_of
    if (home[cluster_of] != arm_of).any():
        bad = clusters[cluster_of[np.flatnonzero(home[cluster_of] != arm_of)[0]]]
        raise InputError(f"cluster {bad} has rows in two arms; clusters must be what the arms were drawn for")
    size, total = np.bincount(cluster_of, w), np.bincount(cluster_of, w * y)
    value, noise, degrees = (np.empty(len(arms)) for _ in range(3))
    for place in range(len(arms)):
        value[place], noise[place], degrees[place] = _level(size[home == place], total[home == place])
    shared = np.zeros((len(arms), len(arms)))
    return Levels(name, tuple(str(label) for label in arms), value, noise, shared, degrees + 1)


def switchback_levels(
    outcome: ArrayLike,
    arm: ArrayLike,
    period: ArrayLike,
    since_start: ArrayLike,
    washout: float,
    *,
    place: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    name: str = "outcome",
) -> Levels:
    """Return the mean in each arm of a switchback, with the time after each period's start washed out.

    What an arm did lasts into the next period. Rows less than `washout` after the start of their period are
    left out of both arms, whether the arm switched or not, so that arms have the same times of a period (the
    burn-in of Hu & Wager 2022; Bojinov, Simchi-Levi & Zhao 2023 for its length). What lasts longer than
    `washout` still biases. Periods are the clusters, which holds where each one's arm was drawn on its own,
    however outcomes of neighbouring periods go together; it does not for arms that alternate.

    Args:
        outcome: float [rows].
        arm: text or integers [rows], the same in all rows of a period.
        period: ids [rows].
        since_start: float [rows] >= 0, time since the period began.
        washout: in units of `since_start`.
        place: ids [rows] of places, where each has periods of its own; None: one place.
        weight: as in `cluster_levels`.
        name: of the metric.

    Raises:
        InputError: as `cluster_levels`, or nothing is left of an arm.
    """
    y = numbers("outcome", outcome)
    since = numbers("since_start", since_start, len(y))
    if (since < 0).any() or not washout >= 0:
        raise InputError(f"since_start has a minimum of {since.min():g}, washout == {washout}, must be >= 0")
    arms, arm_of = codes("arm", arm, len(y))
    cluster = codes("period", period, len(y))[1]
    if place is not None:
        places, place_of = codes("place", place, len(y))
        cluster = cluster * len(places) + place_of
    kept = since >= washout
    if len(gone := np.setdiff1d(arm_of, arm_of[kept])):
        raise InputError(f"washout == {washout} leaves nothing of arm {arms[gone[0]]}; take longer periods")
    w = np.ones(len(y)) if weight is None else numbers("weight", weight, len(y))
    return cluster_levels(y[kept], arms[arm_of[kept]], cluster[kept], weight=w[kept], name=name)


def _level(size: Floats, total: Floats) -> tuple[float, float, float]:
    """Return mean, CR2 variance and degrees of freedom of one arm from sums by cluster."""
    rows = float(size.sum())
    value = float(total.sum() / rows)
    if len(size) < 2:
        return value, np.nan, np.nan
    share = size / rows
    residual = (total - size * value) / rows
    noise = float((residual**2 / (1 - share)).sum())
    # A_jk = (share_j [j = k] - share_j share_k) / sqrt((1 - share_j) (1 - share_k)), of which the trace is 1
    ratio = share**2 / (1 - share)
    square = float((share**2).sum() + ratio.sum() ** 2 - (ratio**2).sum())
    return value, noise, 1 / square
