"""A log of transitions that is larger than memory: written part by part, mapped, read in mixed parts."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from homing.models.value.transitions import CUT, Transitions
from homing.schema.errors import InputError

_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Transitions))
_OPTIONAL: Final = frozenset(
    field.name for field in dataclasses.fields(Transitions) if field.default is not dataclasses.MISSING
)
_MOST: Final = np.iinfo(np.int32).max


def save_transitions(parts: Iterable[Transitions], folder: Path) -> None:
    """Write parts of a log, one behind the other, to a new folder with a file a column.

    One part is in memory at a time. The folder appears when it is whole.

    Args:
        parts: each with whole users; all with the same columns, of the same widths.
        folder: that does not exist.

    Raises:
        InputError: the folder exists, there is no part, or a part has other columns than the first one.
    """
    if folder.exists():
        raise InputError(f"folder == {str(folder)!r} exists, must be new; remove it or name another")
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    files: dict[str, _Column] = {}
    try:
        for part in parts:
            columns = {name: getattr(part, name) for name in _COLUMNS if getattr(part, name) is not None}
            if not files:
                files = {name: _Column(aside / f"{name}.npy", columns[name]) for name in columns}
            if files.keys() != columns.keys():
                raise InputError(
                    f"a part has columns {sorted(columns)}, must have those of the first, {sorted(files)}"
                )
            columns |= _behind(part, *(files[name].rows for name in ("choice", "action", "actions")))
            for name, file in files.items():
                file.append(columns[name])
        if not files:
            raise InputError("parts yields nothing, must yield transitions; check what it reads")
        for file in files.values():
            file.close()
        aside.rename(folder)
    except BaseException:
        for file in files.values():
            file.close()
        shutil.rmtree(aside, ignore_errors=True)
        raise


def open_transitions(folder: Path) -> Transitions:
    """Return what `save_transitions` wrote, memory-mapped.

    Raises:
        InputError: a column is missing.
    """
    columns: dict[str, Any] = {}
    for name in _COLUMNS:
        path = folder / f"{name}.npy"
        if path.is_file():
            columns[name] = np.load(path, mmap_mode="r")
        elif name not in _OPTIONAL:
            raise InputError(f"{path} is missing, must hold a column of transitions; save them again")
    return Transitions(**columns)


def mapped_parts(
    data: Transitions,
    rows: int = 1 << 18,
    block: int = 1 << 12,
    seed: int = 0,
    process: int = 0,
    processes: int = 1,
) -> Callable[[int], Iterator[Transitions]]:
    """Return what yields parts of a memory-mapped log, for `Streamed`.

    A part is many blocks of neighbouring rows, from all over the log: reading is sequential within a block,
    and a part is as mixed as the log. Several processes that train one model share the blocks of each pass
    among them.

    Args:
        data: from `open_transitions`.
        rows: in a part.
        block: rows in a block.
        seed: of the order of blocks, the same in all processes.
        process: which one this is, in [0, processes).
        processes: how many read the log together.

    Raises:
        InputError: `process` is not one of them, or there are fewer blocks than processes.
    """
    starts = np.arange(0, len(data), block)
    per_part = max(1, rows // block)
    if not 0 <= process < processes <= len(starts):
        raise InputError(
            f"process == {process} of processes == {processes}, must be in [0, processes), with at most "
            f"{len(starts)} processes, one for each block of {block} rows; choose smaller blocks"
        )

    def parts(number: int) -> Iterator[Transitions]:
        order = np.random.default_rng([seed, number]).permutation(starts)[process::processes]
        for first in range(0, len(order), per_part):
            chosen = np.sort(order[first : first + per_part])
            index = (chosen[:, None] + np.arange(block)).ravel()
            index = index[index < len(data)]
            index = index[data.following[index] != CUT]
            if len(index):
                yield data.part(index)[0]

    return parts


def _behind(part: Transitions, rows: int, candidates: int, blocks: int) -> dict[str, NDArray[Any]]:
    """Return the columns that point to rows, candidates and blocks, as they are behind so many of them."""
    if blocks + len(part.actions) > _MOST:
        raise InputError(
            f"the log has more than {_MOST:,} action blocks, which is as many as can be told apart; let "
            "candidates share blocks, or save it as several logs"
        )
    first = 0 if rows == 0 else 1  # where one part's offsets end, the next one's begin
    return {
        "offsets": part.offsets[first:] + candidates,
        "action": part.action + np.int32(blocks),
        "following": np.where(part.following >= 0, part.following + rows, part.following),
    }


class _Column:
    """A .npy file that grows: its header has room for any number of rows, and is written last."""

    def __init__(self, path: Path, like: NDArray[Any]) -> None:
        self.rows = 0
        self._shape, self._kind = like.shape[1:], like.dtype
        self._file: BinaryIO = path.open("wb")
        self._header()
        self._begin = self._file.tell()

    def append(self, values: NDArray[Any]) -> None:
        if values.shape[1:] != self._shape:
            raise InputError(
                f"a part has {list(values.shape[1:])} numbers a row in {Path(self._file.name).stem}, must "
                f"have {list(self._shape)} as the first one"
            )
        np.ascontiguousarray(values, self._kind).tofile(self._file)
        self.rows += len(values)

    def close(self) -> None:
        if self._file.closed:
            return
        self._file.seek(0)
        self._header()
        assert self._file.tell() == self._begin
        self._file.close()

    def _header(self) -> None:
        shape = (self.rows, *self._shape)
        facts = {"descr": npy.dtype_to_descr(self._kind), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, facts)
