"""Decisions of a log as off-policy estimators take them, a part at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LoggedRows:
    """Some decisions of a log, in any order; candidates of all rows are one after another."""

    user: NDArray[Any]  # integer [rows], ids or hashes
    reward: NDArray[np.floating[Any]]  # [rows] in units of the outcome
    propensity: NDArray[np.floating[Any]]  # [rows] logged, of the choice
    choice: NDArray[np.integer[Any]]  # [rows] the choice's place among its row's candidates, from 0
    offsets: NDArray[np.int64]  # [rows + 1] row i has candidates offsets[i]:offsets[i + 1]
    targets: Mapping[str, NDArray[np.floating[Any]]]  # policy -> [candidates] its probability of each
    prediction: NDArray[np.floating[Any]] | None = None  # [candidates] of the outcome; None: no DM, DR, SNDR
