"""Names become integer codes once, at the store's edge; these are the tables that say which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

#: Event types that every workspace knows, in the order of their codes.
EVENT_TYPES: Final = (
    "delivered",
    "bounced",
    "opened",
    "clicked",
    "dismissed",
    "converted",
    "opted_out",
    "opted_in",
    "session",
)


@dataclass(frozen=True)
class Vocabulary:
    """An append-only list of names. The code of a name is its place, so old codes never move."""

    names: tuple[str, ...] = ()

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Name to code."""
        return {name: code for code, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.codes

    def code(self, name: str) -> int:
        """Return the code of `name`, or -1 when it is not known."""
        return self.codes.get(name, -1)

    def extended(self, names: Iterable[str]) -> Vocabulary:
        """Return this vocabulary with the new ones of `names` appended in the order given."""
        fresh = [name for name in dict.fromkeys(names) if name not in self.codes]
        return Vocabulary((*self.names, *fresh)) if fresh else self


@dataclass(frozen=True)
class Vocabularies:
    """Every vocabulary of a workspace. Codes in all columns of all nouns refer to these."""

    channels: Vocabulary = Vocabulary()
    event_types: Vocabulary = Vocabulary(EVENT_TYPES)
    zones: Vocabulary = Vocabulary()
    messages: Vocabulary = Vocabulary()
    domains: Vocabulary = Vocabulary()
    categories: Vocabulary = Vocabulary()
    generators: Vocabulary = Vocabulary()
    releases: Vocabulary = Vocabulary()
    #: table name -> names of its numeric features (a fixed-size list of d floats gives d of them)
    numeric: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: table name -> categorical feature name -> its values
    categorical: Mapping[str, Mapping[str, Vocabulary]] = field(default_factory=dict)
