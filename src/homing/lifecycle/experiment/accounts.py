"""Who shares what: users in the same arms have one part of every budget, an account, to themselves.

Arms that drew on one budget would change each other's decisions. So accounts are told apart by the arms that
users are in, and not by what these arms set: an arm's users decide the same whatever another arm becomes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.decision import Softmax
from homing.lifecycle.experiment.arms import Underway
from homing.lifecycle.experiment.deciders import Decider
from homing.schema.experiment import HOLDOUT
from homing.store import read_records

#: Users who are in no experiment while others are, or while there is a holdout.
OTHERS = "others"


@dataclass(frozen=True)
class Account:
    """Users who have a part of every budget to themselves, and who decides for them."""

    name: str  # their arms, as `calmer:control + quiet:as-usual`; empty where nothing is tried
    codes: tuple[int, ...]  # 1 of the holdout, then the place of the arm in each experiment, -1: in none
    decider: Decider

    @property
    def held(self) -> bool:
        """Whether it is the global holdout, which takes what it needs before others share."""
        return self.codes[0] == 1

    @property
    def softmax(self) -> Softmax | None:
        """The policy that prices move; None where one decides that has none, or the holdout."""
        policy = self.decider.policy
        return policy if isinstance(policy, Softmax) and not self.held else None


def accounts_of(underway: Underway, user_hash: NDArray[np.uint64]) -> tuple[list[Account], NDArray[np.int64]]:
    """Return the accounts of users, in order of their codes, and the place of each user's: int64 [users].

    Args:
        underway: what is tried at the epoch.
        user_hash: uint64 [users, 2].
    """
    codes, place = _codes_of(underway, user_hash)
    deciders = [underway.decider(underway.setting_of(each)) for each in codes]
    named = zip(codes, deciders, strict=True)
    return [Account(_name(underway, each), each, decider) for each, decider in named], place


def arms_in(underway: Underway, account: Account) -> list[str]:
    """Return what the users of an account are in, in words."""
    inside = zip(underway.records, account.codes[1:], strict=True)
    arms = [f"arm {list(record.design.arms)[code]} of {record.name}" for record, code in inside if code >= 0]
    return [*arms, *(["the global holdout"] if account.held else [])]


def names_of(underway: Underway, user_hash: NDArray[np.uint64]) -> tuple[list[str], NDArray[np.int64]]:
    """Return as `accounts_of`, names alone; for epochs whose releases may be gone."""
    codes, place = _codes_of(underway, user_hash)
    return [_name(underway, each) for each in codes], place


def as_of(underway: Underway, at: int) -> Underway:
    """Return what was tried at another epoch (us), to be asked for names alone."""
    records = tuple(record for record in read_records(underway.workspace) if record.traffic_at(at) > 0)
    return dataclasses.replace(underway, at=at, records=records)


def _codes_of(
    underway: Underway, user_hash: NDArray[np.uint64]
) -> tuple[list[tuple[int, ...]], NDArray[np.int64]]:
    if not underway.tries:
        return [(0,)], np.zeros(len(user_hash), np.int64)
    if not len(user_hash):  # a shard without users has an account all the same
        return [(0, *(-1 for _ in underway.records))], np.zeros(0, np.int64)
    arms, held = underway.arms_of(user_hash)
    rows, place = np.unique(np.column_stack([held.astype(np.int16), *arms]), axis=0, return_inverse=True)
    return [tuple(row) for row in rows.tolist()], place.reshape(-1).astype(np.int64)


def _name(underway: Underway, codes: Sequence[int]) -> str:
    if not underway.tries:
        return ""
    if codes[0] == 1:
        return HOLDOUT
    inside = zip(underway.records, codes[1:], strict=True)
    arms = [f"{record.name}:{list(record.design.arms)[code]}" for record, code in inside if code >= 0]
    return " + ".join(arms) or OTHERS
