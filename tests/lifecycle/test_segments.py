import dataclasses

import numpy as np
import pytest
from small_world import SmallWorld

from homing.lifecycle.segments import gate_of, segment_gains
from homing.lifecycle.valuation import Valued
from homing.report.facts import Estimate, ObjectiveValues, PolicyValue
from homing.schema import Vocabularies, Vocabulary


def table(judgement: str, guardrail: float | None = None) -> ObjectiveValues:
    learned = PolicyValue("learned", Estimate(0.3, 0.2, 0.4), judgement, "why", learned=True)  # type: ignore[arg-type]
    logging = PolicyValue("logging", Estimate(0.1, 0.0, 0.2), "reference")
    return ObjectiveValues("utility", "number", (logging, learned), guardrail=guardrail)


def test_the_gate_is_that_of_the_learned_policy() -> None:
    found = gate_of([table("better")], ())
    assert found is not None
    assert found.allowed
    worse = gate_of([table("worse", 0.25)], ["propensities are off"])
    assert worse is not None
    assert worse.reasons == (
        "The log is not sound: propensities are off.",
        "The candidate is worse on utility: why.",
        "utility may pass its guardrail of 0.25: the interval of 0.3 reaches to 0.2.",
    )
    nobody = dataclasses.replace(table("better"), policies=())
    assert gate_of([nobody], ()) is None


WORDS = Vocabularies(
    channels=Vocabulary(("push", "email")),
    domains=Vocabulary(("music", "podcasts")),
    categorical={"users": {"country": Vocabulary(("A", "B")), "same": Vocabulary(("only",))}},
)


def test_segments_are_user_columns_and_channels_on_offer(small_world: SmallWorld, valued: Valued) -> None:
    release = small_world.trained.release
    found = segment_gains(release.config, release, WORDS, valued, 0)
    by_name = {(s.column, s.segment): s for s in found}
    assert set(by_name) == {
        ("country", "A"),
        ("country", "B"),
        ("country", "(missing)"),
        ("channels on offer", "push"),
        ("channels on offer", "push + email"),
        ("lifecycle stage", "new"),
        ("lifecycle stage", "dormant"),
        ("podcasts on offer", "yes"),
        ("podcasts on offer", "no"),
    }
    # with a weight of 1 and nothing predicted for the choice, the gain is direct + outcome - outcome
    assert by_name["country", "A"].gain.value == pytest.approx(2 * release.weights[0], abs=0.01)
    assert by_name["country", "A"].judgement == "better"
    assert by_name["country", "B"].gain.value == pytest.approx(0, abs=0.01)
    assert by_name["country", "(missing)"].share == pytest.approx(1 / 3)


def test_rare_segments_are_put_together(small_world: SmallWorld, valued: Valued) -> None:
    many = np.arange(len(valued), dtype=np.int32)[:, None] % 40
    words = dataclasses.replace(
        WORDS, categorical={"users": {"city": Vocabulary(tuple(f"c{k}" for k in range(40)))}}
    )
    release = small_world.trained.release
    found = segment_gains(release.config, release, words, dataclasses.replace(valued, traits=many), 0)
    names = [s.segment for s in found if s.column == "city"]
    assert len(names) == 13
    assert names[0] == "(other)"


def test_the_small_world_has_both(small_world: SmallWorld) -> None:
    values = small_world.evaluated.values
    assert values.gate is not None
    assert {s.column for s in values.segments} > {"channels on offer"}
    shares = dict.fromkeys({s.column for s in values.segments}, 0.0)
    for segment in values.segments:
        shares[segment.column] += segment.share
    assert list(shares.values()) == pytest.approx([1.0] * len(shares))
