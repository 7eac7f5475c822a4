"""What can go wrong, as types.

Every error says the name, the value, the rule and the next step. Whether trying again can help is a
type (`Retryable`), not a sentence to parse.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HomingError(Exception):
    """Base of all errors that Homing raises on purpose. Final unless it is also `Retryable`."""


class Retryable(HomingError):  # noqa: N818  an adjective that errors mix in
    """The same call may succeed later without any change."""


class ConfigError(HomingError):
    """`homing.toml` breaks one or more rules; `problems` holds a line for each."""

    def __init__(self, problems: Iterable[str], source: str = "homing.toml") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(f"{source}: " + "; ".join(self.problems))


class InputError(HomingError):
    """A file, row or argument that a user gave cannot be used."""


class WorkspaceError(HomingError):
    """The workspace lacks something, or holds something that it must not."""


class PlannedError(WorkspaceError):
    """The epoch was planned before, otherwise; decisions are final."""


class LedgerBusyError(Retryable):
    """Another process is writing to the ledger."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the known word nearest to `word`, or an empty string."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]!r}?" if match else ""
