"""Lifecycle stages: where a user stands, told from their state alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema.features import Features
from homing.state.fold import UserStates
from homing.state.layout import StateLayout

STAGES: Final = ("new", "growing", "steady", "at risk", "dormant")

_NEW: Final = 28.0  # days since sign-up
_AT_RISK: Final = 7.0  # days without an event of the rhythm
_DORMANT: Final = 28.0
_GROWING: Final = 1.5  # times the long rate


def stages(features: Features, layout: StateLayout) -> NDArray[np.int8]:
    """Return the stage of each row, a place in `STAGES`: int8 [rows].

    They go by the event type of the rhythm (`state.rhythm`, a visit as a rule), the first that fits:

    - new: signed up less than 28 days ago;
    - dormant: none of them for 28 days, or never;
    - at risk: none for 7 days;
    - growing: their rate at the shortest half-life h is 1.5 times that at the longest. A decayed count c of
      a steady process is rate x h / ln 2, so rates compare as c / h;
    - steady: all others.

    Args:
        features: from `build_features`; only the user's columns are looked at.
        layout: that they were made with.
    """
    place = {name: column for column, name in enumerate(features.spec.user)}

    def column(name: str) -> NDArray[np.float64]:
        return np.expm1(features.user[:, place[name]].astype(np.float64))  # they stand as log(1 + x)

    return _told(column, layout)


def stages_of(states: UserStates, layout: StateLayout) -> NDArray[np.int8]:
    """Return what `stages` does, from states rather than from a model's input: int8 [rows]."""
    columns = {"tenure": states.tenure}
    columns |= dict(zip(layout.count_names, states.counts.T, strict=True))
    columns |= dict(zip(layout.since_names, states.since.T, strict=True))
    return _told(lambda name: columns[name].astype(np.float64), layout)


def _told(column: Callable[[str], NDArray[np.float64]], layout: StateLayout) -> NDArray[np.int8]:
    """Return the stages from columns by name: days of tenure, decayed counts, hours since an event."""
    kind = layout.event_types[layout.rhythm_type]

    def rate(half_life: int) -> NDArray[np.float64]:
        name = layout.half_life_names[layout.half_lives.index(half_life)]
        counts = [column(f"{kind}.{source}.{name}") for source in layout.sources]
        return np.asarray(np.sum(counts, axis=0) / half_life)

    since = np.column_stack([column(f"since.{kind}.{source}") for source in layout.sources]) / 24
    quiet = np.where(np.isnan(since), np.inf, since).min(axis=1)  # days
    young = column("tenure") < _NEW  # False where it is not known
    rising = rate(min(layout.half_lives)) > _GROWING * rate(max(layout.half_lives))
    found = np.select(
        [young, quiet >= _DORMANT, quiet >= _AT_RISK, rising],
        [STAGES.index(name) for name in ("new", "dormant", "at risk", "growing")],
        STAGES.index("steady"),
    )
    return found.astype(np.int8)
