"""The workspace on disk: ledger, quarantine, vocabularies, importers; strings to codes and back."""

from homing.store.around import Number
from homing.store.cohort import Cohort, Held, UserNumbers, held_by, user_numbers
from homing.store.contract_files import write_tables
from homing.store.doctor import Finding, check_ledger
from homing.store.experiments import (
    change_record,
    design_path,
    experiment_names,
    read_design,
    read_record,
    read_records,
    start_record,
    write_design,
)
from homing.store.importers import ImportSummary, import_hillstrom, import_open_bandit
from homing.store.ingest import IngestSummary, ingest
from homing.store.ledger import Ledger
from homing.store.ledger_writer import LedgerWriter
from homing.store.logged_rows import LogColumns, read_logged_rows
from homing.store.lookup import DecisionPlace, Happening, UserPlace, find_decision, find_user, history
from homing.store.overview import (
    Daily,
    TableSpan,
    events_by_day,
    quarantined,
    reachable_by_day,
    table_spans,
)
from homing.store.sends import SendRows, read_sends
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
    "Cohort",
    "Daily",
    "DecisionPlace",
    "Finding",
    "Happening",
    "Held",
    "ImportSummary",
    "IngestSummary",
    "Ledger",
    "LedgerWriter",
    "LoadedShard",
    "LogColumns",
    "Number",
    "Run",
    "SendRows",
    "ShardIds",
    "TableSpan",
    "UserNumbers",
    "UserPlace",
    "Workspace",
    "append_decisions",
    "append_exclusions",
    "change_record",
    "check_ledger",
    "decision_rows",
    "design_path",
    "events_by_day",
    "exclusion_rows",
    "experiment_names",
    "find_decision",
    "find_user",
    "held_by",
    "history",
    "import_hillstrom",
    "import_open_bandit",
    "ingest",
    "load_messages",
    "load_shard",
    "quarantined",
    "reachable_by_day",
    "read_design",
    "read_logged_rows",
    "read_record",
    "read_records",
    "read_sends",
    "start_record",
    "table_spans",
    "user_numbers",
    "write_decisions",
    "write_design",
    "write_tables",
]
