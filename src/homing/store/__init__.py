"""The workspace on disk: ledger, quarantine, vocabularies, importers; strings to codes and back."""

from homing.store.contract_files import write_tables
from homing.store.ledger import Ledger
from homing.store.ledger_writer import LedgerWriter
from homing.store.lookup import DecisionPlace, Happening, UserPlace, find_decision, find_user, history
from homing.store.shards import LoadedShard, ShardIds, load_messages, load_shard
from homing.store.workspace import Workspace
from homing.store.writing import (
    Run,
    append_decisions,
    append_exclusions,
    decision_rows,
    exclusion_rows,
    write_decisions,
)

__all__ = [
    "DecisionPlace",
    "Happening",
    "Ledger",
    "LedgerWriter",
    "LoadedShard",
    "Run",
    "ShardIds",
    "UserPlace",
    "Workspace",
    "append_decisions",
    "append_exclusions",
    "decision_rows",
    "exclusion_rows",
    "find_decision",
    "find_user",
    "history",
    "load_messages",
    "load_shard",
    "write_decisions",
    "write_tables",
]
