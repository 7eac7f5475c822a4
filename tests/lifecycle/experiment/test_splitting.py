"""How users are divided, checked against what the ledger says of them."""

import numpy as np
import pytest
from small_world import SmallWorld

from homing.experiments import Experiment, assign
from homing.lifecycle.experiment.splitting import arm_splitter, segment_splitters
from homing.schema import InputError
from homing.schema.experiment import REACH, STAGE, parse_design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY, MISSING
from homing.store import Cohort, load_shard, user_numbers

TOML = """\
salt = "s"
segments = ["lifecycle stage", "reachable by", "x_device"]
[arms.control]
share = 0.5
[arms.new]
share = 0.5
[metrics.m]
role = "success"
event = "session"
effect = 0.1
"""


def test_segments_are_those_of_the_entry(small_world: SmallWorld) -> None:
    workspace, start = small_world.workspace, small_world.end - 7 * DAY
    shard = load_shard(workspace, 0).shard
    users = user_numbers(workspace, 0, Cohort(("all",), start, small_world.end), ())
    inside = users.entered_at != MISSING
    names: dict[str, np.ndarray] = {}
    for divide in segment_splitters(workspace, parse_design(TOML, "x")):
        names |= divide(0, users, inside)
    assert {name: len(each) for name, each in names.items()} == dict.fromkeys(
        (STAGE, REACH, "x_device"), int(inside.sum())
    )
    fresh = shard.users.signed_up_at[inside] > start - 28 * DAY
    assert ((names[STAGE] == "new") == fresh).all()
    devices = shard.vocabularies.categorical["users"]["x_device"].names
    place = list(shard.vocabularies.categorical["users"]).index("x_device")
    assert (np.array(devices)[shard.users.categorical[inside, place]] == names["x_device"]).all()
    # the newest consent before the entry, channel by channel
    consents, channels = shard.consents, shard.vocabularies.channels.names
    for row, user in enumerate(np.flatnonzero(inside)[:40]):
        said = slice(*consents.offsets[user : user + 2])
        known = {
            channels[channel]: bool(on)
            for at, channel, on in zip(
                consents.at[said], consents.channel[said], consents.reachable[said], strict=True
            )
            if at < start
        }
        want = " + ".join(name for name in channels if known.get(name)) or "no channel"
        assert names[REACH][row] == want


def test_arms_of_another_experiment_are_those_of_the_hash(small_world: SmallWorld) -> None:
    workspace, end = small_world.workspace, small_world.end
    other = Record("y", parse_design(TOML, "y"), (Change("start", end, "", 0.5),))
    users = user_numbers(workspace, 0, Cohort(("all",), end, end + DAY), ())
    inside = users.entered_at != MISSING
    (named,) = arm_splitter(other, end + DAY)(0, users, inside).values()
    arm = assign(users.hash[inside], Experiment("y", {"control": 0.5, "new": 0.5}, 0.5), "s")
    assert (named == np.array(["control", "new", ""])[arm]).all()
    assert set(named.tolist()) == {"control", "new", ""}


def test_a_column_that_is_not_there(small_world: SmallWorld) -> None:
    from homing.lifecycle.experiment.running import check_design

    design = parse_design(TOML.replace("x_device", "x_devise"), "x")
    with pytest.raises(InputError, match="did you mean 'x_device'"):
        check_design(small_world.workspace, design)
    weighed = parse_design('rule = "worth"\n' + TOML, "x")
    with pytest.raises(InputError, match=r"set worth.METRIC"):
        check_design(small_world.workspace, weighed)
