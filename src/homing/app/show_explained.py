"""Why a decision is what it is, as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from homing.app.show import table

if TYPE_CHECKING:
    from homing.lifecycle.explain import Effect, Explanation, Option


def explained(console: Console, result: Explanation, shown: int = 12) -> None:
    """Print why a decision is what it is."""
    console.print(Text.assemble((result.user_id, "bold"), f" at {result.at}, release {result.release}"))
    if result.decision is not None:
        what = result.decision["message_id"] or "hold"
        console.print(
            Text.assemble(
                "decided: ",
                (what, "bold"),
                f" ({result.decision['reason']}), logged propensity {result.decision['propensity']:.4g}",
            )
        )
    if result.same_set is not None:
        console.print(
            "candidate set: " + ("as logged" if result.same_set else "[yellow]not the one logged[/]")
        )
    for note in result.notes:
        console.print(Text(note, "yellow"))
    console.print()
    names = list(result.options[0].values) if result.options else []
    budgets = list(dict.fromkeys(name for option in result.options for name in option.prices))
    rows = [
        (
            ("> " if option.chosen else "  ") + (option.message or "hold"),
            option.channel or "",
            _slot(option),
            f"{option.probability:.4f}",
            f"{option.utility:.3g}",
            *([f"{sum(option.prices.values()):.3g}"] if budgets else []),
            *(f"{option.values[name]:.3g}" for name in names),
        )
        for option in result.options[:shown]
    ]
    heads = (
        "candidate",
        "channel",
        "slot (UTC)",
        "share",
        "utility",
        *(["pays"] if budgets else []),
        *names,
    )
    table(console, f"Candidates ({len(result.options)})", heads, rows, left=3)
    if budgets:
        paid = [
            (
                ("> " if option.chosen else "  ") + (option.message or "hold"),
                option.channel or "",
                *(f"{option.prices.get(budget, 0.0):.3g}" for budget in budgets),
            )
            for option in result.options[:shown]
        ]
        table(console, "What they pay, in utility", ("candidate", "channel", *budgets), paid, left=2)
    if any(option.effects for option in result.options):
        _now_and_later(console, result, shown)
    removed: dict[str, int] = {}
    for gone in result.removed:
        removed[gone.rule] = removed.get(gone.rule, 0) + 1
    if removed:
        table(console, "Removed by rule", ("rule", "candidates"), removed.items())


def _now_and_later(console: Console, result: Explanation, shown: int) -> None:
    """Print what each send changes against hold, on its first day and later, and whether hold wins."""
    sends = [option for option in result.options if option.message is not None]
    if not sends:
        return
    lasting = {name: any(send.effects[name].later for send in sends) for name in sends[0].effects}

    def told(effect: Effect, lasts: bool) -> str:
        return f"{effect.now:+.2g} / {effect.later:+.2g}" if lasts else f"{effect.now:+.2g}"

    rows = [
        (
            send.message,
            send.channel or "",
            _slot(send),
            *(told(send.effects[name], lasts) for name, lasts in lasting.items()),
        )
        for send in sends[:shown]
    ]
    heads = ("candidate", "channel", "slot (UTC)", *lasting)
    table(console, "What each send changes against hold: now / later", heads, rows, left=3)
    best = max(sends, key=lambda send: send.utility)
    worth = best.effects["utility"]
    wins = "it beats hold" if worth.now + worth.later > 0 else "hold wins"
    console.print(
        f"The best send, {best.message} by {best.channel}, is worth {worth.now:+.3g} now and "
        f"{worth.later:+.3g} later; {wins}."
    )
    console.print()


def _slot(option: Option) -> str:
    return "" if option.slot_start is None else option.slot_start[5:16].replace("T", " ")
