from hypothesis import given
from hypothesis import strategies as st

from homing.schema import EVENT_TYPES, Vocabularies, Vocabulary

NAMES = st.lists(st.text(max_size=4), max_size=12)


def test_a_code_is_a_place() -> None:
    words = Vocabulary(("push", "email"))
    assert (words.code("push"), words.code("email"), words.code("sms")) == (0, 1, -1)
    assert len(words) == 2
    assert "email" in words
    assert "sms" not in words


@given(NAMES, NAMES)
def test_old_codes_never_move(first: list[str], later: list[str]) -> None:
    old = Vocabulary().extended(first)
    new = old.extended(later)
    assert new.names[: len(old)] == old.names
    assert set(new.names) == {*first, *later}
    assert len(set(new.names)) == len(new.names)
    assert [new.code(name) for name in new.names] == list(range(len(new)))


def test_nothing_new_is_the_same_vocabulary() -> None:
    words = Vocabulary(("a", "b"))
    assert words.extended(["b", "a", "b"]) is words
    assert Vocabulary(("a",)).extended(["c", "b", "c"]).names == ("a", "c", "b")


def test_every_workspace_knows_the_same_event_types() -> None:
    assert Vocabularies().event_types.names == EVENT_TYPES
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES)
