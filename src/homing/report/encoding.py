"""Frozen dataclasses to JSON types and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite, nan
from types import NoneType, UnionType
from typing import Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from homing.schema.errors import InputError, nearest

T = TypeVar("T")


class Document:
    """A tree of frozen dataclasses that is kept as one JSON file."""

    root = "facts"  # what errors call it

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON types only; numbers that are not finite become None."""
        encoded = encode(self)
        assert isinstance(encoded, dict)
        return encoded

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_dict` was given; None becomes NaN where a number is expected.

        Raises:
            InputError: a key is unknown or missing, or a value has another type.
        """
        return decode(cls, data, cls.root)


def encode(value: object) -> Any:
    """Return `value` as dict, list, str, int, float, bool or None; numbers that are not finite become None.

    Raises:
        TypeError: something in it is neither a dataclass, a sequence, an array nor a scalar.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return encode(value.tolist())
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{value!r} of {type(value).__name__} has no place in a report's facts")


def decode(kind: type[T], data: object, where: str) -> T:
    """Return `data`, as `encode` wrote it, as a `kind`.

    Raises:
        InputError: a key is unknown or missing, or a value has another type; names the place.
    """
    return cast(T, _decode_fields(kind, data, where))


def _decode(kind: Any, data: object, where: str) -> object:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _decode_fields(cast(type, kind), data, where)
    if origin in (Union, UnionType):
        if data is None and NoneType in arguments:
            return None
        return _decode(next(argument for argument in arguments if argument is not NoneType), data, where)
    if origin is tuple and isinstance(data, list | tuple):
        kinds = arguments[:1] * len(data) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(data):
            return tuple(
                _decode(inner, item, f"{where}[{place}]")
                for place, (inner, item) in enumerate(zip(kinds, data, strict=True))
            )
    if kind is float and type(data) in (int, float, NoneType):
        return nan if data is None else float(cast(float, data))
    if type(data) is kind or (origin is Literal and data in arguments):
        return data
    raise InputError(f"{where} == {data!r:.80}, must be {kind}; write it with to_dict")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode_fields(kind: type, data: object, where: str) -> object:
    if not isinstance(data, Mapping):
        raise InputError(f"{where} == {data!r:.80}, must be an object; write it with to_dict")
    hints = _hints(kind)
    for key in data:
        if key not in hints:
            raise InputError(f"{where}.{key} is not a fact{nearest(str(key), hints)}")
    for field in fields(kind):
        if field.name not in data and field.default is MISSING:
            raise InputError(f"{where}.{field.name} is missing; write it with to_dict")
    return kind(**{key: _decode(hints[key], item, f"{where}.{key}") for key, item in data.items()})
