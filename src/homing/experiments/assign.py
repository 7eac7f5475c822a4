"""Which user is in which arm: a pure function of salts and the hash of the user's id, on any machine.

Experiments in one layer share its users and are exclusive where their ranges do not overlap. Layers have
salts of their own, so experiments in different layers are independent: users of an arm of one are spread
alike over the arms of the other. Who enters early (`traffic`) and who gets which arm are two independent
numbers of a user, so ramping up adds users and moves nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.experiments.moments import Floats
from homing.schema.errors import InputError
from homing.schema.mixing import mix64

Hashes = NDArray[np.uint64]

#: The code of users who are in no arm.
OUT: Final = -1
_HOLDOUT: Final = "holdout"


@dataclass(frozen=True)
class Experiment:
    """How users are split. Changing `arms` or `layer` moves users between arms, `traffic` does not."""

    name: str
    arms: Mapping[str, float]  # shares that sum to 1, in order
    traffic: float = 1.0  # share of the users of its range that have entered
    layer: str = ""  # empty: a layer of its own
    range: tuple[float, float] = field(default=(0.0, 1.0))  # of the layer's users, [from, to)

    def __post_init__(self) -> None:
        shares = np.array(list(self.arms.values()), np.float64)
        if not len(shares) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
            raise InputError(f"{self.name}: arms == {dict(self.arms)}, shares must be >= 0 and sum to 1")
        if not 0 <= self.traffic <= 1:
            raise InputError(f"{self.name}: traffic == {self.traffic}, must be in [0, 1]")
        if not 0 <= self.range[0] < self.range[1] <= 1:
            raise InputError(f"{self.name}: range == {self.range}, must rise within [0, 1]")


def hash_ids(ids: Iterable[str]) -> Hashes:
    """Return the MD5 of each id's UTF-8 bytes in two big-endian words, as the ledger's: uint64 [n, 2].

    Raises:
        InputError: an id is no text; as 7 and "7" would be different users elsewhere, it is not guessed.
    """
    digests = b"".join(hashlib.md5(_text(each).encode(), usedforsecurity=False).digest() for each in ids)
    return np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)


def _text(each: str) -> str:
    if not isinstance(each, str):
        raise InputError(f"id {each!r} is {type(each).__name__}, must be text as in the ledger; use str(id)")
    return each


def place(user_hash: Hashes, salt: str, purpose: str) -> Floats:
    """Return a number of each user for a purpose: float64 [users] in [0, 1), multiples of 2^-53.

    Args:
        user_hash: uint64 [users, 2].
        salt: of the workspace, or of the company.
        purpose: numbers for different purposes are independent.

    Raises:
        InputError: `user_hash` is not uint64 [users, 2].
    """
    if user_hash.dtype != np.uint64 or user_hash.ndim != 2 or user_hash.shape[1] != 2:
        raise InputError(f"user_hash is {user_hash.dtype} {user_hash.shape}, must be uint64 [users, 2]")
    text = f"{len(salt)}:{salt}{purpose}".encode()  # the length, so that no two pairs are one text
    digest = hashlib.blake2b(text, digest_size=16, person=b"homing.assign").digest()
    keys = np.frombuffer(digest, ">u8").astype(np.uint64)
    word = mix64(mix64(user_hash[:, 0] ^ keys[0]) + (user_hash[:, 1] ^ keys[1]))
    return (mix64(word + keys[0]) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def assign(
    user_hash: Hashes, experiment: Experiment, salt: str, *, holdout: float = 0.0
) -> NDArray[np.int16]:
    """Return the place of each user's arm in `experiment.arms`, or OUT: int16 [users].

    Args:
        user_hash: uint64 [users, 2], from `hash_ids` or the ledger.
        experiment: which.
        salt: of the workspace, or of the company; the same for all experiments.
        holdout: share of all users that are in no experiment, ever; see `in_holdout`.

    Raises:
        InputError: as `place`, or `holdout` outside [0, 1).
    """
    layer = place(user_hash, salt, f"layer/{experiment.layer or experiment.name}")
    inside = (experiment.range[0] <= layer) & (layer < experiment.range[1])
    inside &= place(user_hash, salt, f"traffic/{experiment.name}") < experiment.traffic
    inside &= ~in_holdout(user_hash, salt, holdout)
    ends = np.cumsum(list(experiment.arms.values()))[:-1]
    arm = np.searchsorted(ends, place(user_hash, salt, f"arm/{experiment.name}"), side="right")
    return np.where(inside, arm, OUT).astype(np.int16)


def in_holdout(user_hash: Hashes, salt: str, share: float) -> NDArray[np.bool_]:
    """Return who is held out of everything: bool [users]. A larger share keeps those of a smaller one.

    Raises:
        InputError: `share` outside [0, 1).
    """
    if not 0 <= share < 1:
        raise InputError(f"holdout == {share}, must be in [0, 1)")
    return place(user_hash, salt, _HOLDOUT) < share


def check_layers(experiments: Sequence[Experiment]) -> None:
    """Check that experiments of one layer share no user.

    Raises:
        InputError: two of one layer overlap, or two have one name.
    """
    for a, b in combinations(experiments, 2):
        if a.name == b.name:
            raise InputError(f"two experiments are named {a.name!r}; their users would get the same arms")
        if a.layer and a.layer == b.layer and a.range[0] < b.range[1] and b.range[0] < a.range[1]:
            raise InputError(
                f"{a.name} has {a.range} of layer {a.layer!r} and {b.name} has {b.range}, must not overlap; "
                "move one, or give it a layer of its own"
            )
