"""The data contract: the columns of every table. The documentation of the contract is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["id", "string", "timestamp", "bool", "float", "int", "list", "binary"]


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    meaning: str
    required: bool = True  # the column must be there and its values must not be missing
    known_in: str = ""  # vocabulary or table in which a value must be found


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    meaning: str
    key: tuple[str, ...]  # a row with the same key counts once
    columns: tuple[Column, ...]
    features: bool = False  # takes x_* columns
    by_user: bool = True  # partitioned by the hash of user_id
    once: tuple[str, ...] = ()  # no two rows with different keys share the values of these columns
    newest_wins: bool = False  # a later row with the same key replaces the earlier; else it must be equal

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)


_USER: Final = Column("user_id", "id", "the user", known_in="users")

USERS: Final = Table(
    "users",
    "People, one row a user; the newest row wins.",
    ("user_id",),
    (
        Column("user_id", "id", "the user"),
        Column(
            "timezone",
            "string",
            "IANA name; empty means the workspace's default",
            required=False,
            known_in="time zones",
        ),
        Column("signed_up_at", "timestamp", "when the user signed up", required=False),
    ),
    features=True,
    newest_wins=True,
)

CONSENTS: Final = Table(
    "consents",
    "Reachability over time, append-only.",
    ("user_id", "channel", "at"),
    (
        _USER,
        Column("channel", "string", "a channel of homing.toml", known_in="channels"),
        Column("at", "timestamp", "when it took effect"),
        Column("reachable", "bool", "opted in, and has an address or token"),
        Column("reason", "string", "opt_in, opt_out, bounce, complaint, token_lost ...", required=False),
    ),
)

MESSAGES: Final = Table(
    "messages",
    "The catalogue; the newest row wins.",
    ("message_id",),
    (
        Column("message_id", "id", "the message"),
        Column("domain", "string", "new releases, podcasts, payments ..."),
        Column("category", "string", "the unit of repetition fatigue"),
        Column("channels", "list", "channels in which it can be shown", known_in="channels"),
        Column("valid_from", "timestamp", "not sent before; empty: since ever", required=False),
        Column("valid_until", "timestamp", "not sent from then on; empty: for ever", required=False),
        Column("priority", "string", "normal or transactional; empty: normal", required=False),
    ),
    features=True,
    by_user=False,
    newest_wins=True,
)

OPPORTUNITIES: Final = Table(
    "opportunities",
    "Reasons to message, from upstream.",
    ("opportunity_id",),
    (
        Column("opportunity_id", "id", "the opportunity"),
        _USER,
        Column("message_id", "id", "what to send", known_in="messages"),
        Column("generator", "string", "which upstream generator made it"),
        Column("domain_value", "float", "the generator's own estimate, in its domain's unit", required=False),
        Column("created_at", "timestamp", "when it became known"),
        Column("earliest_at", "timestamp", "not sent before; empty: created_at", required=False),
        Column("expires_at", "timestamp", "not sent from then on"),
    ),
    features=True,
)

EVENTS: Final = Table(
    "events",
    "What happened, to or by users.",
    ("event_id",),
    (
        Column("event_id", "id", "makes ingest idempotent"),
        _USER,
        Column("at", "timestamp", "when it happened"),
        Column("type", "string", "an event type of the workspace", known_in="event types"),
        Column("decision_id", "id", "the decision that caused it; empty: organic", required=False),
        Column("message_id", "id", "the message it is about", required=False, known_in="messages"),
        Column("channel", "string", "the channel it came through", required=False, known_in="channels"),
        Column("value", "float", "minutes, money or count; empty means 1", required=False),
    ),
)

DECISIONS: Final = Table(
    "decisions",
    "What Homing chose: one row a user and epoch, holds included. Other systems' logs come so too.",
    ("decision_id",),
    (
        Column("decision_id", "id", "derived from (salt, user, epoch)"),
        Column("run_id", "string", "the run that made it", required=False),
        Column("release_id", "string", "the policy that drew it", required=False),
        Column("epoch_at", "timestamp", "the instant that the decision is about"),
        Column("decided_at", "timestamp", "when it was computed; empty: epoch_at", required=False),
        _USER,
        Column(
            "opportunity_id",
            "id",
            "of the chosen candidate; empty: hold",
            required=False,
            known_in="opportunities",
        ),
        Column(
            "message_id", "id", "of the chosen candidate; empty: hold", required=False, known_in="messages"
        ),
        Column(
            "channel", "string", "of the chosen candidate; empty: hold", required=False, known_in="channels"
        ),
        Column("slot_start", "timestamp", "of the chosen candidate; empty: hold", required=False),
        Column("slot_end", "timestamp", "of the chosen candidate; empty: hold", required=False),
        Column("action", "string", "send or hold"),
        Column("propensity", "float", "exact probability of this choice given the logged state, in (0, 1]"),
        Column("candidates", "int", "how many there were, hold included", required=False),
        Column("candidate_set", "binary", "16 bytes: hash of the candidate set", required=False),
        Column("value_*", "float", "value of the chosen candidate, one column an objective", required=False),
        Column("arms", "list", "experiment arms, as 'experiment:arm'", required=False),
        Column(
            "triggered", "list", "experiments whose other arms would have decided otherwise", required=False
        ),
        Column(
            "reason",
            "string",
            "drawn, explored, no_candidate, transactional, imported, arm, budget_stop",
            required=False,
        ),
    ),
    once=("user_id", "epoch_at"),
)

EXCLUSIONS: Final = Table(
    "exclusions",
    "Candidates that a rule removed, for a sample of users.",
    (),
    (
        Column("run_id", "string", "the run that asked"),
        Column("epoch_at", "timestamp", "the epoch that was planned"),
        _USER,
        Column("opportunity_id", "id", "of the removed candidate"),
        Column("channel", "string", "of the removed candidate"),
        Column("slot_start", "timestamp", "empty where the rule is not about a slot", required=False),
        Column("rule", "string", "the one rule that removed it"),
    ),
)

#: What a user can ingest, in the order in which references can be checked.
INGESTED: Final = (USERS, MESSAGES, CONSENTS, OPPORTUNITIES, DECISIONS, EVENTS)
TABLES: Final = {table.name: table for table in (*INGESTED, EXCLUSIONS)}
