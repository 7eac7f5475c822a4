"""The nouns, the data contract, the configuration and the errors: what everything else is written in.

The configuration is looked up when it is first used, since functions over arrays need no pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from homing.schema.decisions import Candidates, Decisions, Exclusions, Instants, Reason, format_ids
from homing.schema.errors import (
    ConfigError,
    HomingError,
    InputError,
    LedgerBusyError,
    Retryable,
    WorkspaceError,
)
from homing.schema.events import Events, Sends
from homing.schema.features import Features, FeatureSpec
from homing.schema.logged import LoggedRows
from homing.schema.messages import Messages, Opportunities
from homing.schema.shard import Shard
from homing.schema.users import Consents, Users
from homing.schema.vocabulary import EVENT_TYPES, Vocabularies, Vocabulary

if TYPE_CHECKING:
    from homing.schema.config import Config, load_config, parse_config

__all__ = [
    "EVENT_TYPES",
    "Candidates",
    "Config",
    "ConfigError",
    "Consents",
    "Decisions",
    "Events",
    "Exclusions",
    "FeatureSpec",
    "Features",
    "HomingError",
    "InputError",
    "Instants",
    "LedgerBusyError",
    "LoggedRows",
    "Messages",
    "Opportunities",
    "Reason",
    "Retryable",
    "Sends",
    "Shard",
    "Users",
    "Vocabularies",
    "Vocabulary",
    "WorkspaceError",
    "format_ids",
    "load_config",
    "parse_config",
]


def __getattr__(name: str) -> object:
    if name not in {"Config", "load_config", "parse_config"}:
        raise AttributeError(f"module 'homing.schema' has no attribute {name!r}")
    return getattr(import_module("homing.schema.config"), name)
