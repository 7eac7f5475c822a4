"""Progress of long work on a terminal; nothing when nobody watches."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """One bar a step, in the order in which steps first report. Satisfies `lifecycle.Progress`."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._steps: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, step: str, done: float, note: str = "") -> None:
        """Move the bar of `step` to `done`, a share in [0, 1]."""
        if step not in self._steps:
            self._steps[step] = self._bars.add_task(step, total=1.0, note=note)
        self._bars.update(self._steps[step], completed=done, note=note)
