"""The rules once more: one user at a time, in plain Python, by zoneinfo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from homing.schema import EVENT_TYPES, Config, Sends, Shard
from homing.schema.times import DAY, MINUTE, MISSING, parse_duration, to_datetime

Key = tuple[int, int, int]  # opportunity, channel, slot start


def us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def slot_starts(zone: str, epoch: int, clocks: tuple[str, ...], horizon: int) -> list[int]:
    local_zone = ZoneInfo(zone)
    today = to_datetime(epoch).astimezone(local_zone).date()
    found = []
    for day in range(-2, horizon // DAY + 4):
        for clock in clocks:
            naive = datetime.fromisoformat(f"{today + timedelta(days=day)}T{clock}")
            instant = naive.replace(tzinfo=local_zone, fold=0).astimezone(UTC)
            shown = instant.astimezone(local_zone).replace(tzinfo=None)
            if shown == naive and epoch <= us(instant) < epoch + horizon:
                found.append(us(instant))
    return sorted(found)


def quiet(zone: str, start: int, length: int, hours: tuple[str, ...]) -> bool:
    if not hours:
        return False
    since, until = hours
    for instant in range(start, start + length, MINUTE):
        clock = to_datetime(instant).astimezone(ZoneInfo(zone)).strftime("%H:%M")
        if (since <= clock < until) if since <= until else (clock >= since or clock < until):
            return True
    return False


def may_reach(shard: Shard, user: int, channel: int, at: int) -> bool:
    consents, events = shard.consents, shard.events
    history = [
        (int(consents.at[place]), not consents.reachable[place])
        for place in range(consents.offsets[user], consents.offsets[user + 1])
        if consents.channel[place] == channel
    ]
    for place in range(events.offsets[user], events.offsets[user + 1]):
        kind = EVENT_TYPES[events.type[place]]
        if kind == "opted_out" and events.channel[place] in (channel, -1):
            history.append((int(events.at[place]), True))
        if kind == "opted_in" and events.channel[place] == channel:
            history.append((int(events.at[place]), False))
    history = [change for change in history if change[0] < at]
    return bool(history) and not max(history)[1]


def too_often(times: list[int], start: int, most: int, window: int) -> bool:
    """Whether some window [x, x + window) that holds `start` would hold more than `most` sends."""
    held = [*times, start]
    return any(
        sum(left <= time < left + window for time in held) > most
        for left in held
        if left <= start < left + window
    )


def rule_of(shard: Shard, user: int, at: int, config: Config, sends: Sends, candidate: Key) -> str | None:  # noqa: PLR0911
    opportunity, channel, start = candidate
    name = shard.vocabularies.channels.names[channel]
    settings, end = config.channels[name], start + parse_duration(config.slots.length)
    zone = shard.vocabularies.zones.names[shard.users.zone[user]]
    reason, message = shard.opportunities, shard.opportunities.message[opportunity]
    free = shard.messages.transactional[message]
    valid_until = shard.messages.valid_until[message]
    if reason.expires_at[opportunity] <= at:
        return "expired"
    if start < shard.messages.valid_from[message] or (valid_until != MISSING and end > valid_until):
        return "message_not_valid"
    if not may_reach(shard, user, channel, at):
        return "not_reachable"
    if not free and quiet(zone, start, end - start, settings.quiet_hours):
        return "quiet_hours"
    if start < reason.earliest_at[opportunity]:
        return "before_earliest"
    if end > reason.expires_at[opportunity]:
        return "after_expiry"
    if free:
        return None
    mine = [
        (int(sends.at[place]), int(sends.channel[place]))
        for place in range(sends.offsets[user], sends.offsets[user + 1])
        if sends.known_at[place] < at
    ]
    for label, limit, only in ((name, settings, channel), ("total", config.limits, None)):
        times = [time for time, through in mine if only is None or through == only]
        if any(too_often(times, start, cap.max, parse_duration(cap.per)) for cap in limit.caps):
            return f"cap:{label}"
        if too_often(times, start, 1, parse_duration(limit.spacing)):
            return f"spacing:{label}"
    return None


def candidates_of(
    shard: Shard, user: int, at: int, config: Config
) -> tuple[list[Key], list[tuple[Key, str]]]:
    """Return the eligible candidates of one user at one epoch, sorted, and the removed with their rule."""
    sends, horizon = shard.sends(), parse_duration(config.slots.horizon)
    zone = shard.vocabularies.zones.names[shard.users.zone[user]]
    kept, removed = [], []
    for opportunity in range(shard.opportunities.offsets[user], shard.opportunities.offsets[user + 1]):
        if shard.opportunities.created_at[opportunity] > at:
            continue
        if shard.opportunities.expires_at[opportunity] <= at - horizon:
            continue
        for channel, name in enumerate(shard.vocabularies.channels.names):
            shown = shard.messages.channels[shard.opportunities.message[opportunity], channel]
            if not shown or name not in config.channels:
                continue
            clocks = config.channels[name].slots or config.slots.starts
            for start in slot_starts(zone, at, clocks, horizon):
                candidate = (opportunity, channel, start)
                rule = rule_of(shard, user, at, config, sends, candidate)
                if rule is None:
                    kept.append(candidate)
                else:
                    removed.append((candidate, rule))
    return kept, removed
