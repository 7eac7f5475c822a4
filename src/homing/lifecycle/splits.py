"""Which logged decisions are trained on, calibrated on and evaluated on.

By time: the oldest decisions train, later ones calibrate, the newest test. Outcomes of the first two are
read as of the start of the test period, so nothing that happened in it can reach the model.
By user: a hash of the user decides; for logs with few epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError, Users
from homing.schema.config import Training
from homing.schema.times import format_duration

TRAIN: Final = 0
CALIBRATION: Final = 1
TEST: Final = 2
LEFT_OUT: Final = -1

_TIME_SPLIT_EPOCHS: Final = 8
_WORD: Final = 2.0**64


@dataclass(frozen=True)
class Split:
    """Boundaries of one split; frozen into the release, so that evaluation tests on what was held out."""

    kind: str  # time or user
    calibration_from: float  # us since 1970 (time) or share in [0, 1) (user)
    test_from: float
    keep: float  # share of users that are used at all

    def assign(self, users: Users, user: NDArray[np.int32], epoch_at: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return TRAIN, CALIBRATION, TEST or LEFT_OUT for each decision: int8 [n]."""
        # the low word chose the partition, so the place within it is independent of the shard
        place = users.hash[user, 0] / _WORD
        key = epoch_at.astype(np.float64) if self.kind == "time" else place
        part = np.where(
            key >= self.test_from, TEST, np.where(key >= self.calibration_from, CALIBRATION, TRAIN)
        )
        # a second, independent place decides on sampling
        kept = (users.hash[user, 1] >> np.uint64(16)) / 2.0**48 < self.keep
        return np.where(kept, part, LEFT_OUT).astype(np.int8)

    def outcomes_until(self, watermark: int) -> int:
        """Return the instant up to which events may reach the outcomes that are trained on."""
        return min(int(self.test_from), watermark) if self.kind == "time" else watermark


def plan_split(
    epochs: NDArray[np.int64],
    counts: NDArray[np.int64],
    window: int,
    training: Training,
    long_term: bool = False,
) -> Split:
    """Place the boundaries.

    Args:
        epochs: int64 [e] distinct epochs (us) of decisions whose outcomes are complete, sorted.
        counts: int64 [e] decisions at each.
        window: longest outcome window, us. A split by time leaves a gap of it before the test period,
            and calibrates on the last decisions before the gap.
        training: shares and kind.
        long_term: some objective has a horizon. `auto` then splits by user: a gap of a horizon would leave
            nothing of most logs, and the newest decisions are the ones whose long outcomes are not known.

    Raises:
        InputError: there are no such decisions.
    """
    total = int(counts.sum())
    if total == 0:
        raise InputError(
            "no logged decision has a complete outcome yet; ingest decisions with propensities, and "
            "events that reach past the objectives' windows"
        )
    kind = training.split
    if kind == "auto":
        kind = "time" if len(epochs) >= _TIME_SPLIT_EPOCHS and not long_term else "user"
    keep = min(1.0, training.max_rows / total)
    first_test = 1 - training.test_share
    first_calibration = first_test - training.calibration_share
    if kind == "user":
        return Split("user", first_calibration, first_test, keep)
    test_from = int(epochs[_place(counts, first_test)])
    usable = epochs <= test_from - window
    if not usable.any():
        raise InputError(
            f"training.split == 'time' leaves nothing to train on: no decision is {format_duration(window)} ("
            "the longest objective window) older than the test period; bring more history, lower "
            "training.test_share, or set training.split = 'user'"
        )
    calibration_from = int(epochs[usable][_place(counts[usable], first_calibration / first_test)])
    return Split("time", calibration_from, test_from, keep)


def _place(counts: NDArray[np.int64], share: float) -> int:
    """Return the first epoch before which at least `share` of the decisions lie."""
    before = (np.cumsum(counts) - counts) / counts.sum()
    return min(int(np.searchsorted(before, share)), len(counts) - 1)
