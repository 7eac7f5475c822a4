"""The feature matrix: what a model sees of a user, a candidate and a message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from homing.schema.decisions import Candidates
from homing.schema.errors import InputError
from homing.schema.features import Features, FeatureSpec
from homing.schema.shard import Shard
from homing.schema.vocabulary import Vocabularies
from homing.state.candidate_columns import candidate_columns, candidate_names
from homing.state.fold import UserStates
from homing.state.layout import StateLayout
from homing.state.threads import over_users

_STATE_EXTRAS = ("tenure", "epoch.hour.sin", "epoch.hour.cos")
_EPOCH_CODES = (("epoch.weekday", 7),)


def feature_spec(layout: StateLayout, vocabularies: Vocabularies) -> FeatureSpec:
    """Return names of all columns and, for codes, how many there are, as of these vocabularies.

    Counts, values and times since stand as log(1 + x), times in hours (tenure in days).
    """
    return FeatureSpec(
        user=(*_state_names(layout), *_numeric("user", "users", vocabularies)),
        candidate=(*candidate_names(layout), *_numeric("opportunity", "opportunities", vocabularies)),
        message=_numeric("message", "messages", vocabularies),
        user_codes=(*_EPOCH_CODES, *_categorical("user", "users", vocabularies)),
        candidate_codes=(
            ("channel", len(vocabularies.channels)),
            ("generator", len(vocabularies.generators)),
            ("slot.hour", 24),
            ("slot.weekday", 7),
            *_categorical("opportunity", "opportunities", vocabularies),
        ),
        message_codes=(
            ("message", len(vocabularies.messages)),
            ("domain", len(vocabularies.domains)),
            ("category", len(vocabularies.categories)),
            *_categorical("message", "messages", vocabularies),
        ),
    )


def build_features(
    shard: Shard, candidates: Candidates, states: UserStates, layout: StateLayout, spec: FeatureSpec
) -> Features:
    """Return the model's input for the candidates of each row.

    A model's `spec` may be older than the shard: codes that it has no place for are -1, feature columns
    that it does not know are left out, and ones that the shard lacks are missing.

    Args:
        shard: the shard that the candidates refer to.
        candidates: of the same rows as `states`.
        states: from `fold`, one a row.
        layout: what the states consist of.
        spec: from `feature_spec`, now or when the model was trained.

    Raises:
        InputError: states and candidates have other rows, or `spec` was made for another layout.
    """
    _check(candidates, states, layout, spec)
    vocabularies = shard.vocabularies
    rows, user = len(states), candidates.rows.user
    numeric = np.empty((rows, len(spec.user)), np.float32)
    hour = states.hour_of_week % 24 * (2 * np.pi / 24)
    clock = np.stack([np.sin(hour), np.cos(hour)], axis=1).astype(np.float32)
    over_users(
        lambda low, high: _state_columns(
            low,
            high,
            states.counts,
            states.values,
            states.since,
            states.reachable,
            states.tenure,
            clock,
            numeric,
        ),
        rows,
        layout.threads,
    )
    _fill_numeric(
        numeric,
        len(_state_names(layout)),
        spec.user,
        _numeric("user", "users", vocabularies),
        shard.users.numeric,
        user,
    )

    columns = np.empty((len(candidates), len(spec.candidate)), np.float32)
    candidate_columns(shard, candidates, states, layout, columns)
    _fill_numeric(
        columns,
        len(candidate_names(layout)),
        spec.candidate,
        _numeric("opportunity", "opportunities", vocabularies),
        shard.opportunities.numeric,
        candidates.opportunity,
    )
    every = np.arange(len(shard.messages), dtype=np.int32)
    messages = np.empty((len(every), len(spec.message)), np.float32)
    message_names = _numeric("message", "messages", vocabularies)
    _fill_numeric(messages, 0, spec.message, message_names, shard.messages.numeric, every)
    return Features(
        spec=spec,
        offsets=candidates.offsets,
        user=numeric,
        user_codes=_codes(
            (states.hour_of_week // 24,),
            spec.user_codes,
            _categorical("user", "users", vocabularies),
            shard.users.categorical,
            user,
        ),
        candidate=columns,
        candidate_codes=_codes(
            _slot_codes(shard, candidates),
            spec.candidate_codes,
            _categorical("opportunity", "opportunities", vocabularies),
            shard.opportunities.categorical,
            candidates.opportunity,
        ),
        message=candidates.message,
        messages=messages,
        messages_codes=_codes(
            (every, shard.messages.domain, shard.messages.category),
            spec.message_codes,
            _categorical("message", "messages", vocabularies),
            shard.messages.categorical,
            every,
        ),
    )


def _state_names(layout: StateLayout) -> tuple[str, ...]:
    reachable = (f"reachable.{channel}" for channel in layout.channels)
    return (*layout.count_names, *layout.value_names, *layout.since_names, *reachable, *_STATE_EXTRAS)


def _numeric(prefix: str, table: str, vocabularies: Vocabularies) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in vocabularies.numeric.get(table, ()))


def _categorical(prefix: str, table: str, vocabularies: Vocabularies) -> tuple[tuple[str, int], ...]:
    columns = vocabularies.categorical.get(table, {})
    return tuple((f"{prefix}.{name}", len(values)) for name, values in columns.items())


def _check(candidates: Candidates, states: UserStates, layout: StateLayout, spec: FeatureSpec) -> None:
    same_users = np.array_equal(candidates.rows.user, states.rows.user)
    if not (same_users and np.array_equal(candidates.rows.at, states.rows.at)):
        raise InputError(
            f"candidates have {len(candidates.rows)} rows and states {len(states)}, "
            "must be of the same users and instants; fold at candidates.rows"
        )
    for name, theirs, ours in (
        ("user", spec.user, _state_names(layout)),
        ("candidate", spec.candidate, candidate_names(layout)),
    ):
        if theirs[: len(ours)] != ours:
            at = next((i for i, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]), 0)
            raise InputError(
                f"spec.{name}[{at}] == {theirs[at : at + 1]}, must be {ours[at]!r} as [state] and channels "
                "now say; train again, or restore the settings that the model was trained with"
            )


def _fill_numeric(
    out: NDArray[np.float32],
    first: int,
    wanted: Sequence[str],
    names: Sequence[str],
    table: NDArray[np.float32],
    row: NDArray[np.int32],
) -> None:
    # Columns from `first` on come from rows of a table by name; -1 is no row.
    place = {name: column for column, name in enumerate(names)}
    for column in range(first, len(wanted)):
        source = place.get(wanted[column])
        if source is None or len(table) == 0:
            out[:, column] = np.nan
        else:
            out[:, column] = np.where(row >= 0, table[row, source], np.float32(np.nan))


def _codes(
    own: Sequence[NDArray[np.int16] | NDArray[np.int32]],
    wanted: Sequence[tuple[str, int]],
    known: Sequence[tuple[str, int]],
    table: NDArray[np.int32],
    row: NDArray[np.int32],
) -> NDArray[np.int32]:
    # The first columns are given; the others come from rows of a table by name, as in _fill_numeric.
    place = {name: column for column, (name, _) in enumerate(known)}
    out = np.empty((len(row), len(wanted)), np.int32)
    for column, (name, size) in enumerate(wanted):
        source = place.get(name)
        if column < len(own):
            codes = own[column].astype(np.int32)
        elif source is None or len(table) == 0:
            codes = np.full(len(row), -1, np.int32)
        else:
            codes = np.where(row >= 0, table[row, source], np.int32(-1))
        out[:, column] = np.where(codes < size, codes, np.int32(-1))
    return out


def _slot_codes(shard: Shard, candidates: Candidates) -> tuple[NDArray[np.int16] | NDArray[np.int32], ...]:
    opportunity, held = candidates.opportunity, candidates.is_hold
    generator = np.full(len(candidates), -1, np.int32)
    if len(shard.opportunities):
        generator = np.where(opportunity >= 0, shard.opportunities.generator[opportunity], np.int32(-1))
    hour, none = candidates.hour_of_week, np.int16(-1)
    return candidates.channel, generator, np.where(held, none, hour % 24), np.where(held, none, hour // 24)


@njit(nogil=True, cache=True)
def _state_columns(low, high, counts, values, since, reachable, tenure, clock, out):  # type: ignore[no-untyped-def]
    for row in range(low, high):
        place = 0
        for column in range(counts.shape[1]):
            count = counts[row, column]
            out[row, place] = np.log1p(count) if count > 0 else count
            place += 1
        for column in range(values.shape[1]):
            value = values[row, column]  # money can be paid back, so a sum can be under 0
            out[row, place] = np.copysign(np.log1p(np.abs(value)), value)
            place += 1
        for column in range(since.shape[1]):
            out[row, place] = np.log1p(since[row, column])
            place += 1
        for column in range(reachable.shape[1]):
            said = reachable[row, column]
            out[row, place] = np.float32(said) if said >= 0 else np.float32(np.nan)
            place += 1
        out[row, place] = np.log1p(tenure[row])
        out[row, place + 1] = clock[row, 0]
        out[row, place + 2] = clock[row, 1]
