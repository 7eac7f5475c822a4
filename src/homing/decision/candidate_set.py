"""A fingerprint of what a decision could choose from, so that a replay can prove that it sees the same."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import Candidates, Shard
from homing.schema.mixing import mix64

_SEEDS: Final = (0x243F6A8885A308D3, 0x13198A2E03707344)  # digits of pi
_U = np.uint64


def candidate_set_hash(shard: Shard, candidates: Candidates) -> NDArray[np.uint64]:
    """Return uint64 [rows, 2], equal for equal sets of (opportunity, channel, slot start), hold included.

    A sum over mixed candidates, so neither the order of candidates nor the rows that opportunities have
    in this load matter. It guards against differences, not against an adversary.

    Args:
        shard: whose opportunities the candidates name.
        candidates: ragged by row; no row is empty.
    """
    if len(candidates.rows) == 0:
        return np.zeros((0, 2), np.uint64)
    hold = candidates.opportunity < 0
    opportunity = np.zeros(len(candidates), np.uint64)
    opportunity[~hold] = shard.opportunities.hash[candidates.opportunity[~hold]]
    place = mix64(candidates.slot_start.astype(np.uint64)) + candidates.channel.astype(np.uint64)
    place = mix64(place)
    words = [
        np.add.reduceat(mix64(mix64(opportunity + _U(seed)) ^ place), candidates.offsets[:-1])
        for seed in _SEEDS
    ]
    return np.stack([mix64(word) for word in words], axis=1)
