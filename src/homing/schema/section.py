"""What tables of `homing.toml` are made of: a type without unknown keys, and texts that are checked."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from homing.schema.errors import nearest
from homing.schema.times import parse_duration, parse_time


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _clock(text: str) -> str:
    hours, _, minutes = text.partition(":")
    if not (
        len(text) == 5 and hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60
    ):
        raise ValueError(f"{text!r} is not a clock time; write 'HH:MM' from 00:00 to 23:59")
    return text


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError(f"{text!r} is not an IANA time zone{nearest(text, available_timezones())}")
    return text


def _time(text: str) -> str:
    parse_time(text)
    return text


Time = Annotated[str, AfterValidator(_time)]
Duration = Annotated[str, AfterValidator(_duration)]
Clock = Annotated[str, AfterValidator(_clock)]
Zone = Annotated[str, AfterValidator(_zone)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """One table of `homing.toml`: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
