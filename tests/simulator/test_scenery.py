import hashlib
from typing import Any

import numpy as np
import pytest

from homing.schema import InputError
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import Scenery, Setup, make_scenery
from homing.simulator.latents import NEVER

SETUP = Setup(users=3, days=2, channels=("email", "push"), first=10_000)


def columns() -> dict[str, Any]:
    created = SETUP.start + np.array([5, 1, 2]) * HOUR
    return {
        "users": {
            "timezone": (("Asia/Tokyo", "UTC"), np.array([1, 0, 1])),
            "signed_up_at": np.full(3, SETUP.start - DAY),
            "x_plan": (("free", "paid"), np.array([1, -1, 0])),
            "x_age": [30.0, np.nan, 50.0],
        },
        "messages": {
            "message_id": ["a", "b"],
            "domain": ["news", "news"],
            "category": ["sport", "local"],
            "channels": [("push",), ("email", "push", "in_app")],
            "valid_until": [MISSING, SETUP.start + DAY],
            "x_topic": np.array([[1.0, 0.0], [0.6, 0.8]]),
        },
        "opportunities": {
            "user": [2, 0, 2],
            "message": [0, 1, 1],
            "generator": (("desk",), np.zeros(3, int)),
            "created_at": created,
            "expires_at": created + DAY,
            "domain_value": [0.1, 0.2, 0.3],
        },
        "opted_in": np.array([[True, False], [False, False], [True, True]]),
    }


def made(table: str = "", **changes: Any) -> Scenery:
    given = columns()
    if table:
        given[table] = {k: v for k, v in (given[table] | changes).items() if v is not None}
    else:
        given |= changes
    return make_scenery(SETUP, **given)


def test_columns_become_nouns_and_names_codes() -> None:
    scenery = made()
    words, users, messages = scenery.vocabularies, scenery.users, scenery.messages
    assert words.zones.names == ("Asia/Tokyo", "UTC") and users.zone.tolist() == [1, 0, 1]
    assert words.categorical["users"]["x_plan"].names == ("free", "paid")
    assert users.categorical.tolist() == [[1], [-1], [0]]
    assert users.numeric[:, 0].tolist()[::2] == [30, 50] and np.isnan(users.numeric[1, 0])
    assert messages.channels.tolist() == [[False, True], [True, True]]
    assert words.categories.names == ("sport", "local") and messages.domain.tolist() == [0, 0]
    assert words.numeric["messages"] == ("x_topic[0]", "x_topic[1]")
    assert messages.valid_from.tolist() == [MISSING, MISSING]
    assert messages.valid_until.tolist() == [MISSING, SETUP.start + DAY]
    assert (scenery.reach.since != NEVER).tolist() == columns()["opted_in"].tolist()
    digest = hashlib.md5(b"user-010001").digest()
    assert users.hash[1].tolist() == [int.from_bytes(part, "big") for part in (digest[:8], digest[8:])]


def test_opportunities_lie_by_user_and_hash_with_their_own_ids() -> None:
    offers = made().opportunities
    assert offers.offsets.tolist() == [0, 1, 1, 3]
    ids = [bytes(row).decode() for row in made().opportunity_ids]
    assert sorted(ids) == [f"opp-1-{number:08d}" for number in range(3)]
    for place, name in enumerate(ids):
        row = int(name[-1])  # in the table that was given
        assert offers.hash[place] == int.from_bytes(hashlib.md5(name.encode()).digest()[:8], "big")
        assert offers.message[place] == [0, 1, 1][row]
        assert offers.domain_value[place] == pytest.approx([0.1, 0.2, 0.3][row])
        assert (
            offers.created_at[place]
            == offers.earliest_at[place]
            == columns()["opportunities"]["created_at"][row]
        )


@pytest.mark.parametrize(
    ("table", "changes", "rule"),
    [
        ("users", {"timezone": None}, r"users: columns \['timezone'\] are missing"),
        ("messages", {"catgory": ["x", "y"]}, "did you mean 'category'"),
        ("opportunities", {"user": None}, "opportunities: columns"),
        ("users", {"x_age": [1.0]}, "x_age has 1 rows, must have 3"),
        ("opportunities", {"message": [0, 1, 2]}, r"message must be a row in \[0, 2\)"),
        ("opportunities", {"user": [0, 1, -1]}, r"user must be a row in \[0, 3\)"),
        ("", {"opted_in": np.ones((3, 3), np.bool_)}, "opted_in has shape"),
    ],
)
def test_columns_that_do_not_fit_are_refused(table: str, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        made(table, **changes)
