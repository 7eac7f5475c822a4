from dataclasses import replace

from rich.console import Console

from homing.app.show import _segments, log_values
from homing.report.facts import Estimate, Gate, ObjectiveValues, PolicyValue, SegmentGain, Values


def printed(values: Values) -> str:
    console = Console(width=100, record=True)
    with console.capture() as captured:
        _segments(console, values)
    return captured.get()


def test_what_cannot_be_told_says_how_many_more_decisions_it_would_take() -> None:
    known, gap = Estimate(0.1, 0.05, 0.15), Estimate(0.02, -0.01, 0.05)
    table = ObjectiveValues(
        "sales",
        "rate",
        (
            PolicyValue("logging", known, "reference"),
            PolicyValue("some", known, "cannot_tell", versus_logging=gap, more_decisions=1_310_000),
            PolicyValue("few", known, "cannot_tell", versus_logging=gap, more_decisions=4_200),
            PolicyValue("none", known, "cannot_tell", versus_logging=gap),
            PolicyValue("thin", known, "do_not_trust", "thin overlap: 12 of 900", gap, effective_size=12.0),
        ),
        meaning="converted",
    )
    console = Console(width=80, record=True)
    with console.capture() as captured:
        log_values(console, table, estimators=False)
    lines = {line.split()[0]: line for line in captured.get().split("\n") if line.strip()}
    assert lines["some"].rstrip().endswith("M")
    assert "1.31" in lines["some"]
    assert "4,200" in lines["few"]
    assert lines["none"].rstrip().endswith("no log")
    assert "cannot tell" not in lines["thin"]
    assert lines["thin:"] == "thin: thin overlap: 12 of 900."


def test_only_segments_that_are_told_are_printed() -> None:
    segments = (
        SegmentGain("country", "SE", Estimate(0.02, 0.01, 0.03), 0.6, "better"),
        SegmentGain("country", "NO", Estimate(-0.02, -0.03, -0.01), 0.3, "worse"),
        SegmentGain("country", "DK", Estimate(0.0, -0.03, 0.03), 0.1, "cannot_tell"),
    )
    shown = printed(Values((), 100, segments=segments))
    assert "Where it differs, 2 of 3 segments" in shown
    assert "country: SE" in shown
    assert "country: NO" in shown
    assert "DK" not in shown
    assert printed(Values((), 100, segments=segments[2:])) == ""


def test_the_gate_is_printed_with_its_reasons() -> None:
    values = Values((), 100, gate=Gate(False, ("It is worse.", "Its guardrail may not hold.")))
    assert printed(values).split("\n")[:3] == [
        "The learned policy may not go to a test on users.",
        "  It is worse.",
        "  Its guardrail may not hold.",
    ]
    assert printed(replace(values, gate=Gate(True, ()))).startswith("The learned policy may go to a test")
