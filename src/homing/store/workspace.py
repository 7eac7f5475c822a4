"""A workspace: the folder that holds homing.toml, the ledger, releases, runs and quarantine."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from homing.schema import Config, ConfigError, WorkspaceError, load_config, parse_config
from homing.schema.reference import default_toml
from homing.store.ledger import Ledger

_FOLDERS = ("ledger", "ledger/commits", "releases", "runs", "quarantine", "experiments")


@dataclass(frozen=True)
class Workspace:
    """An open workspace."""

    path: Path
    config: Config

    @classmethod
    def create(cls, path: Path | str, toml_text: str | None = None) -> Workspace:
        """Make a workspace in the folder `path`.

        Args:
            path: a folder; made if it is not there, and it may hold other files.
            toml_text: of homing.toml; without it, a commented one of the defaults.

        Raises:
            WorkspaceError: there is a workspace already, or the folder cannot be made.
            ConfigError: `toml_text` breaks a rule.
        """
        path = Path(path)
        settings = path / "homing.toml"
        if settings.exists():
            raise WorkspaceError(f"{path} is a workspace already (it has a homing.toml); nothing was changed")
        text = default_toml() if toml_text is None else toml_text
        try:
            config = parse_config(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([f"is not TOML: {error}"]) from None
        try:
            for folder in _FOLDERS:
                (path / folder).mkdir(parents=True, exist_ok=True)
            with settings.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise WorkspaceError(f"{path} cannot become a workspace: {error}") from None
        return cls(path, config)

    @classmethod
    def open(cls, path: Path | str) -> Workspace:
        """Open the workspace in the folder `path`.

        Raises:
            WorkspaceError: the folder is not a workspace.
            ConfigError: homing.toml breaks a rule.
        """
        path = Path(path)
        if not (path / "homing.toml").is_file():
            raise WorkspaceError(
                f"{path} is not a workspace (it has no homing.toml); 'homing init' makes one"
            )
        if not (path / "ledger" / "commits").is_dir():
            raise WorkspaceError(
                f"{path / 'ledger' / 'commits'} is missing, so what the ledger holds is not known; "
                "restore it from a backup, or make a new workspace with 'homing init'"
            )
        return cls(path, load_config(path / "homing.toml"))

    @cached_property
    def ledger(self) -> Ledger:
        """The tables."""
        return Ledger(self.path / "ledger", self.config)

    @property
    def releases_path(self) -> Path:
        """The folder of releases."""
        return self.path / "releases"

    @property
    def runs_path(self) -> Path:
        """The folder of runs."""
        return self.path / "runs"

    @property
    def quarantine_path(self) -> Path:
        """The folder of rows that ingest refused."""
        return self.path / "quarantine"

    @property
    def experiments_path(self) -> Path:
        """The folder of experiments: their designs, and what became of them."""
        return self.path / "experiments"
