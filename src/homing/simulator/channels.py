"""The channels that the world knows, and parameters that differ by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError


@dataclass(frozen=True)
class ByChannel:
    """One number a channel."""

    push: float
    email: float
    in_app: float

    def of(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the numbers in the order of `names`: [channels]."""
        return np.array([getattr(self, name) for name in names], np.float64)


KNOWN = tuple(field.name for field in fields(ByChannel))


def check_channels(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as a tuple.

    Raises:
        InputError: a name is not known to the world, comes twice, or there is none.
    """
    unknown = [name for name in names if name not in KNOWN]
    if unknown or not names or len(set(names)) < len(names):
        raise InputError(f"channels == {tuple(names)}, must be one or more different ones of {KNOWN}")
    return tuple(names)
