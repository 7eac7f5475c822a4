"""What a user state consists of: sizes, places and names, derived from config and vocabularies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from homing.schema.config import Config
from homing.schema.errors import InputError
from homing.schema.times import parse_duration
from homing.schema.vocabulary import Vocabularies

#: Event types that answer a delivery; they are the response of a category.
RESPONSES = ("opened", "clicked", "converted")


@dataclass(frozen=True)
class StateLayout:
    """Sizes and names of a user state. Two equal layouts can share snapshots and models."""

    event_types: tuple[str, ...]
    channels: tuple[str, ...]  # without 'organic', which stands for no channel and comes last
    half_lives: tuple[int, ...]  # us
    half_life_names: tuple[str, ...]  # as written in homing.toml
    categories: int  # categories from the last one on share it
    category_half_life: int  # us
    rhythm_type: int  # code of the event type whose hours are the rhythm
    rhythm_half_life: int  # us
    rhythm_prior: float  # events
    threads: int = field(default=0, compare=False)  # 0: all cores

    @classmethod
    def from_config(cls, config: Config, vocabularies: Vocabularies) -> Self:
        """Return the layout of a workspace.

        Raises:
            InputError: the vocabulary lacks the event type whose hours are the rhythm.
        """
        state = config.state
        rhythm_type = vocabularies.event_types.code(state.rhythm)
        if rhythm_type < 0:
            raise InputError(
                f"state.rhythm == {state.rhythm!r}, must be an event type of the ledger; "
                "see 'homing config explain state'"
            )
        return cls(
            event_types=vocabularies.event_types.names,
            channels=vocabularies.channels.names,
            half_lives=tuple(parse_duration(text) for text in state.half_lives),
            half_life_names=tuple(state.half_lives),
            categories=min(state.categories, _ceiling(len(vocabularies.categories))),
            category_half_life=parse_duration(state.category_half_life),
            rhythm_type=rhythm_type,
            rhythm_half_life=parse_duration(state.rhythm_half_life),
            rhythm_prior=state.rhythm_prior,
            threads=config.engine.threads,
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """Where an event can come from: the channels, then 'organic'."""
        return (*self.channels, "organic")

    @property
    def count_names(self) -> tuple[str, ...]:
        """Names of the decayed counts, in the order of `UserStates.counts` flattened."""
        return tuple(
            f"{kind}.{source}.{half_life}"
            for kind in self.event_types
            for source in self.sources
            for half_life in self.half_life_names
        )

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the decayed sums of values, in the order of `UserStates.values` flattened."""
        return tuple(
            f"value.{kind}.{half_life}" for kind in self.event_types for half_life in self.half_life_names
        )

    @property
    def since_names(self) -> tuple[str, ...]:
        """Names of the times since the last event, in the order of `UserStates.since` flattened."""
        return tuple(f"since.{kind}.{source}" for kind in self.event_types for source in self.sources)


def _ceiling(names: int) -> int:
    # A power of two, at least 8: few new categories change the layout, and few columns are for nothing.
    return max(8, 1 << (names - 1).bit_length()) if names else 8
