"""What a plan comes to: counts over shards, as facts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from homing.lifecycle.estimates import unit_of
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.release import Release
from homing.report.facts import Count, Expected, Funnel, HourRow, MessageShare, Named, Schedule
from homing.schema import Exclusions, Shard, Vocabularies
from homing.schema.drawn import Drawn
from homing.schema.times import DAY, format_time
from homing.state import ZoneTable, local_hour_of_week

WEEK = 7 * DAY
_MESSAGES_SHOWN = 15


class Tally:
    """Counts over the shards of one plan."""

    def __init__(self, release: Release, vocabularies: Vocabularies) -> None:
        self.rules: dict[str, int] = {}
        self.users = self.opportunities = self.eligible = self.sends = self.added = 0
        self.hours = np.zeros((len(vocabularies.channels), 24), np.int64)
        self.by_message = np.zeros(len(vocabularies.messages), np.int64)
        self.message_values = np.zeros((len(vocabularies.messages), len(release.objectives)))
        self.per_user = np.zeros(1, np.int64)  # [sends in a week] users
        self.values = np.zeros(len(release.objectives))
        self.hold_values = np.zeros(len(release.objectives))

    def add(
        self,
        shard: Shard,
        drawn: Drawn,
        removed: Exclusions,
        hold_values: NDArray[np.float64],
        epoch_at: int,
    ) -> None:
        """Count one shard's decisions; `hold_values` [objectives] are those of hold, over its rows."""
        self.hold_values += hold_values
        for rule, count in zip(removed.rules, removed.counts.tolist(), strict=True):
            self.rules[rule] = self.rules.get(rule, 0) + count
        sent = np.flatnonzero(drawn.message >= 0)
        waiting, owner = shard.opportunities, np.zeros(len(shard.users), np.bool_)
        owner[drawn.rows.user] = True
        alive = (waiting.created_at <= epoch_at) & (waiting.expires_at > epoch_at)
        self.opportunities += int((alive & np.repeat(owner, np.diff(waiting.offsets))).sum())
        self.users += len(drawn)
        self.sends += len(sent)
        self.eligible += int(drawn.candidates.sum()) - len(drawn)
        self.values += drawn.values.sum(axis=0, dtype=np.float64)
        message, start = drawn.message[sent], drawn.slot_start[sent]
        zones = ZoneTable.build(shard.vocabularies.zones.names, epoch_at, int(start.max(initial=epoch_at)))
        hour = local_hour_of_week(shard.users.zone[drawn.rows.user[sent]], start, zones) % 24
        np.add.at(self.hours, (drawn.channel[sent], hour), 1)
        np.add.at(self.by_message, message, 1)
        np.add.at(self.message_values, message, drawn.values[sent])
        log = shard.decisions
        recent = (log.message >= 0) & (log.slot_start >= epoch_at - WEEK) & (log.epoch_at < epoch_at)
        week = np.bincount(log.user[recent], minlength=len(shard.users))[drawn.rows.user] + (
            drawn.message >= 0
        )
        counts = np.bincount(week, minlength=len(self.per_user))
        self.per_user = counts + np.pad(self.per_user, (0, len(counts) - len(self.per_user)))


def funnel_of(tally: Tally) -> Funnel:
    """Return what rules left of the opportunities."""
    removed = sorted(((n, rule) for rule, n in tally.rules.items() if n), reverse=True)
    return Funnel(
        users=tally.users,
        opportunities=tally.opportunities,
        candidates=tally.eligible + sum(tally.rules.values()),
        eligible=tally.eligible,
        sends=tally.sends,
        holds=tally.users - tally.sends,
        removed=tuple(Count(rule, n) for n, rule in removed),
    )


def schedule_of(
    release: Release, vocabularies: Vocabularies, at: int, tally: Tally, category: NDArray[np.int32]
) -> Schedule:
    """Return who gets what and when; `category` [messages] are codes."""
    names, kinds = vocabularies.messages.names, vocabularies.categories.names
    top = np.argsort(-tally.by_message, kind="stable")[:_MESSAGES_SHOWN]
    by_category = np.bincount(category, weights=tally.by_message, minlength=len(kinds))
    counted = over_horizons(release.config)
    return Schedule(
        epoch_at=format_time(at),
        users=tally.users,
        sends=tally.sends,
        holds=tally.users - tally.sends,
        channels=tuple(
            Count(name, int(tally.hours[code].sum())) for code, name in enumerate(vocabularies.channels.names)
        ),
        hours=tuple(
            HourRow(name, tuple(tally.hours[code].tolist()))
            for code, name in enumerate(vocabularies.channels.names)
        ),
        messages=tuple(
            MessageShare(
                names[code],
                kinds[category[code]],
                int(tally.by_message[code]),
                tuple(
                    Named(name, float(value))
                    for name, value in zip(
                        release.objectives, tally.message_values[code] / tally.by_message[code], strict=True
                    )
                ),
            )
            for code in top.tolist()
            if tally.by_message[code]
        ),
        categories=tuple(
            Count(kinds[code], int(by_category[code]))
            for code in np.argsort(-by_category)
            if by_category[code]
        ),
        sends_per_user=tuple(Count(str(n), int(users)) for n, users in enumerate(tally.per_user.tolist())),
        expected=tuple(
            Expected(
                name,
                unit_of(counted.objectives[name]),
                float(tally.values[k] / max(tally.users, 1)),
                float(tally.hold_values[k] / max(tally.users, 1)),
            )
            for k, name in enumerate(release.objectives)
        ),
    )
