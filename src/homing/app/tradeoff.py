"""`homing tradeoff` and `homing journeys`: what the newest evaluation says beyond single numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from homing.app.options import HERE, Folder, Json, opened, printed


def tradeoff(
    workspace: Folder = HERE,
    guardrail: Annotated[
        list[str] | None,
        typer.Option(
            help="OBJECTIVE=WORST, the worst acceptable mean per decision, such as reachability=0.002; once "
            "for each; by default those of homing.toml."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what other weights would do, and which keep the guardrails; from the newest evaluation."""
    from homing.app.show_tradeoff import traded
    from homing.lifecycle.tradeoff import tradeoff as look
    from homing.report.encoding import encode

    there = opened(workspace)
    found = look(there, None if guardrail is None else dict(_named(text) for text in guardrail))
    fixed = there.config.exploration.temperature != "auto"
    printed(as_json, encode(found), lambda console: traded(console, found, fixed_temperature=fixed))


def journeys(workspace: Folder = HERE, as_json: Json = False) -> None:
    """Tell how users go from one lifecycle stage to another, and what they are worth in each."""
    from homing.app.show_tradeoff import travelled
    from homing.lifecycle.journeys import journeys as look
    from homing.report.encoding import encode

    found = look(opened(workspace))
    printed(as_json, encode(found), lambda console: travelled(console, found))


def _named(text: str) -> tuple[str, float]:
    from homing.schema.errors import InputError

    name, _, number = text.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise InputError(
            f"--guardrail == {text!r}, must be OBJECTIVE=NUMBER, as reachability=0.002"
        ) from None
