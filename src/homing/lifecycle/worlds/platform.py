"""A world's names in a platform's codes, so that what was trained on a ledger can decide in a world.

Codes are places in vocabularies. A ledger gives them in the order in which names came in, a world in the
order of its making; a model that was trained on the one must not read the codes of the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.schema import Consents, Messages, Shard, Vocabularies, Vocabulary
from homing.schema.times import MISSING

Columns = dict[str, NDArray[Any]]


class Platform:
    """Translates between a world's codes and those of a platform."""

    def __init__(self, world: Vocabularies, platform: Vocabularies | None = None) -> None:
        """Begin with both vocabularies.

        Args:
            world: of the world.
            platform: such as a ledger's, to which the world's new names are added; None: the world's own.
        """
        self._world, known = world, platform or world
        self.vocabularies = dataclasses.replace(
            world,
            releases=known.releases,
            **{name: getattr(known, name).extended(getattr(world, name).names) for name in _NOUNS},
            categorical={
                table: {
                    name: known.categorical.get(table, {}).get(name, Vocabulary()).extended(values.names)
                    for name, values in columns.items()
                }
                for table, columns in world.categorical.items()
            },
        )
        self._same = self.vocabularies == dataclasses.replace(world, releases=known.releases)
        ours = self.vocabularies
        self._codes = {name: _codes(getattr(world, name), getattr(ours, name)) for name in _NOUNS}
        self._back = {
            name: _codes(getattr(ours, name), getattr(world, name)) for name in ("messages", "channels")
        }

    def shard(self, shard: Shard) -> Shard:
        """Return a shard of the world in the platform's codes; its events and decisions stay as they are."""
        if self._same:
            return dataclasses.replace(shard, vocabularies=self.vocabularies)
        users, opportunities = shard.users, shard.opportunities
        return dataclasses.replace(
            shard,
            vocabularies=self.vocabularies,
            messages=self._messages(shard.messages),
            users=dataclasses.replace(
                users,
                zone=self._codes["zones"][users.zone],
                categorical=self._categorical("users", users.categorical),
            ),
            opportunities=dataclasses.replace(
                opportunities,
                message=self._codes["messages"][opportunities.message],
                generator=self._codes["generators"][opportunities.generator],
                categorical=self._categorical("opportunities", opportunities.categorical),
            ),
            consents=self.consents(shard.consents),
        )

    def consents(self, consents: Consents) -> Consents:
        """Return consents of the world in the platform's codes."""
        if self._same:
            return consents
        return dataclasses.replace(
            consents, channel=self._codes["channels"][consents.channel].astype(np.int16)
        )

    def events(self, log: Mapping[str, NDArray[Any]]) -> Columns:
        """Return events of the world, columns as `World.events` has them, in the platform's codes."""
        if self._same:
            return dict(log)
        return dict(log) | {
            "message": self._codes["messages"][log["message"]],
            "channel": self._codes["channels"][log["channel"]].astype(np.int16),
            "type": self._codes["event_types"][log["type"]].astype(np.int16),
        }

    def in_world(self, name: str, codes: NDArray[Any]) -> NDArray[Any]:
        """Return codes of `messages` or `channels` of the platform as the world's."""
        return codes if self._same else self._back[name][codes].astype(codes.dtype)

    def _messages(self, messages: Messages) -> Messages:
        """Return the catalogue in the platform's order; what the world does not have can be sent nowhere."""
        back = self._back["messages"][:-1]
        unknown = back < 0
        channels = messages.channels[back][:, self._back["channels"][:-1]]
        channels[:, self._back["channels"][:-1] < 0] = False
        channels[unknown] = False
        return Messages(
            domain=np.where(unknown, 0, self._codes["domains"][messages.domain[back]]),
            category=np.where(unknown, 0, self._codes["categories"][messages.category[back]]),
            channels=channels,
            valid_from=np.where(unknown, MISSING, messages.valid_from[back]),
            valid_until=np.where(unknown, MISSING, messages.valid_until[back]),
            transactional=messages.transactional[back] & ~unknown,
            numeric=np.where(unknown[:, None], np.float32(np.nan), messages.numeric[back]),
            categorical=np.where(
                unknown[:, None], np.int32(-1), self._categorical("messages", messages.categorical[back])
            ),
        )

    def _categorical(self, table: str, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        result = codes.copy()
        for place, (name, values) in enumerate(self._world.categorical.get(table, {}).items()):
            translated = _codes(values, self.vocabularies.categorical[table][name])
            result[:, place] = translated[codes[:, place]]
        return result


_NOUNS = ("channels", "event_types", "zones", "messages", "domains", "categories", "generators")


def _codes(names: Vocabulary, into: Vocabulary) -> NDArray[np.int32]:
    """Return int32 [names + 1]: the code in `into` of each name, -1 where there is none; the last is -1."""
    return np.array([*(into.code(name) for name in names.names), -1], np.int32)
