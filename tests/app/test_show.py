from dataclasses import replace

from rich.console import Console

from homing.app.show import _segments
from homing.report.facts import Estimate, Gate, SegmentGain, Values


def printed(values: Values) -> str:
    console = Console(width=100, record=True)
    with console.capture() as captured:
        _segments(console, values)
    return captured.get()


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
