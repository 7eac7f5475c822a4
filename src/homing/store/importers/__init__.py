"""Public logs of other systems, as workspaces."""

from homing.store.importers.hillstrom import import_hillstrom
from homing.store.importers.log import ImportSummary
from homing.store.importers.open_bandit import import_open_bandit

__all__ = ["ImportSummary", "import_hillstrom", "import_open_bandit"]
