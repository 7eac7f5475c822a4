"""Randomness that derives from (salt, user, epoch), and the draw that it makes."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema.mixing import mix64

#: Probabilities are drawn as whole multiples of 2^-52, so that sums within a row are exact.
_SCALE: Final = 2.0**52
_TOLERANCE: Final = 1e-9
_ROUNDS: Final = 4
_U = np.uint64


def uniforms_and_ids(
    user_hash: NDArray[np.uint64], epoch_at: NDArray[np.int64], salt: str
) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """Return a uniform number and a decision id for each row; a pure function of (salt, user, epoch).

    The id is a Feistel network over the user's 128 bits, keyed by salt and epoch. It is a bijection of
    them, so two users cannot share an id within an epoch. The uniform is a further mix of the id.

    Args:
        user_hash: uint64 [rows, 2].
        epoch_at: int64 [rows] us.
        salt: the workspace's.

    Returns:
        float64 [rows] in [0, 1), multiples of 2^-53; uint64 [rows, 2].
    """
    digest = hashlib.blake2b(salt.encode(), digest_size=8 * (_ROUNDS + 2), person=b"homing.draws").digest()
    keys = np.frombuffer(digest, ">u8").astype(np.uint64)
    tweak = mix64(mix64(epoch_at.astype(np.uint64) ^ keys[_ROUNDS]) + keys[_ROUNDS])
    left, right = user_hash[:, 0].copy(), user_hash[:, 1].copy()
    for key in keys[:_ROUNDS]:
        left, right = right, left ^ mix64(mix64(right + key) ^ tweak)
    word = mix64(mix64(left ^ keys[_ROUNDS + 1]) + right)
    return (word >> _U(11)).astype(np.float64) * 2.0**-53, np.stack([left, right], axis=1)


def draw(
    probabilities: NDArray[np.float64], offsets: NDArray[np.int64], uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return one candidate a row by the inverse of its distribution function: int64 [rows] places.

    Args:
        probabilities: float64 [n], summing to 1 in every row.
        offsets: int64 [rows + 1]; no row is empty.
        uniform: float64 [rows] in [0, 1).

    Raises:
        ValueError: a row that does not sum to 1, or a negative probability.
    """
    return draw_with_place(probabilities, offsets, uniform)[0]


def draw_with_place(
    probabilities: NDArray[np.float64], offsets: NDArray[np.int64], uniform: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return `draw`, and how far into the chosen candidate's own interval the uniform fell.

    Probabilities become integers, whose sums are exact in any order and any batch: a row draws the same
    alone as among a million, and a candidate of probability 0 has no interval to fall into.

    Returns:
        int64 [rows] places; float64 [rows] in [0, 1), uniform and independent of the choice.

    Raises:
        ValueError: as `draw`.
    """
    if len(uniform) == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    if not (probabilities >= 0).all():
        raise ValueError("probabilities must be >= 0 and not NaN")
    first, counts = offsets[:-1], np.diff(offsets)
    mass = np.rint(probabilities * _SCALE).astype(np.uint64)
    running = np.cumsum(mass, dtype=np.uint64)  # wraps around 2^64; differences within a row do not
    before = running[first] - mass[first]
    running -= np.repeat(before, counts)
    total = running[offsets[1:] - 1]
    wrong = np.abs(total / _SCALE - 1) > _TOLERANCE
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"probabilities of row {row} sum to {total[row] / _SCALE}, must sum to 1")
    target = np.minimum((uniform * total).astype(np.uint64), total - _U(1))
    passed = np.add.reduceat((running <= np.repeat(target, counts)).astype(np.int64), first)
    chosen = first + passed
    below = running[chosen] - mass[chosen]
    return chosen, (target - below) / mass[chosen]
