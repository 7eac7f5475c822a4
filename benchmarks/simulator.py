"""Worlds: user-days a second, memory, and how both grow with users; beside RecSim.

    python benchmarks/simulator.py [--users 1000000] [--days 28] [--world streaming] [--recsim PYTHON]

Four opportunities a user and day, daily epochs. The policy is a rule of a few array operations: a random
opportunity that is alive, by a random channel at a random hour, for half of the users. Its time is stated
apart. Logs are made and dropped part by part, as `homing simulate` writes and drops them. The run is a
process of its own, so that its peak memory is its own; a tenth of the users before it shows the growth.

RecSim steps one user at a time. It needs an environment of its own (pip install "numpy<2" absl-py scipy six,
then --no-deps recsim-no-tf gin-config gym cloudpickle gym_notices), whose interpreter is given.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import Setup, SimulatedWorld
from homing.simulator.registry import PRESETS

_RECSIM = """
import time
import numpy as np
from recsim.environments import interest_evolution, long_term_satisfaction
for module in (interest_evolution, long_term_satisfaction):
    config = {"num_candidates": 15, "slate_size": 1, "resample_documents": True, "seed": 0}
    environment, rng = module.create_environment(config), np.random.default_rng(0)
    environment.reset()
    steps, start = 0, time.process_time()
    while steps < 5000:
        done = environment.step([int(rng.integers(15))])[2]
        steps += 1
        if done:
            environment.reset()
    print(module.__name__.split(".")[-1], steps / (time.process_time() - start))
"""


@dataclass
class Spent:
    """CPU seconds of one part."""

    making: float
    policy: float
    days: float
    events: int


def one_part(world_name: str, part: Setup) -> Spent:
    start = time.thread_time()
    world = SimulatedWorld(replace(PRESETS[world_name], opportunities=4.0), part)
    making, policy = time.thread_time() - start, 0.0
    rng = np.random.default_rng([part.seed, part.first])
    opportunities, messages = world.opportunities, world.messages
    owner = np.repeat(np.arange(part.users), np.diff(opportunities.offsets))
    begun = time.thread_time()
    for day in range(part.days):
        start, now = time.thread_time(), world.now
        alive = np.flatnonzero((opportunities.created_at < now) & (opportunities.expires_at > now + DAY))
        alive = alive[rng.permutation(len(alive))]
        user, first = np.unique(owner[alive], return_index=True)
        message = opportunities.message[alive[first]]
        channel = rng.integers(0, len(part.channels), len(user))
        slot = now + rng.integers(0, 24, len(user)) * HOUR
        until = messages.valid_until[message]
        keep = (rng.random(len(user)) < 0.5) & messages.channels[message, channel]
        keep &= world.reachable()[user, channel] & ((until == MISSING) | (slot < until))
        user, message, channel, slot = user[keep], message[keep], channel[keep], slot[keep]
        policy += time.thread_time() - start
        world.respond(
            day,
            user=user,
            message=message,
            channel=channel,
            slot_start=slot,
            slot_end=slot + HOUR,
            decision_id=np.column_stack([np.full(len(user), day + 1), user + 1]).astype(np.uint64),
        )
    return Spent(making, policy, time.thread_time() - begun - policy, len(world.events()["at"]))


def timed(world: str, users: int, days: int) -> None:
    """Simulate, and print the facts as JSON."""
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda part: one_part(world, part), Setup(users, days).parts()))
    facts = {name: sum(getattr(part, name) for part in parts) for name in Spent.__annotations__}
    facts |= {
        "wall": time.perf_counter() - start,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(facts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--world", default="streaming", choices=PRESETS)
    parser.add_argument("--recsim", help="interpreter of an environment with RecSim")
    parser.add_argument("--timed", action="store_true", help="only simulate, in this process")
    given = parser.parse_args()
    if given.timed:
        timed(given.world, given.users, given.days)
        return
    own = 0.0
    for users in (given.users // 10, given.users):
        command = [sys.executable, __file__, "--timed", "--world", given.world]
        command += ["--users", str(users), "--days", str(given.days)]
        facts = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        world = facts["making"] + facts["days"]
        own = users * given.days / world
        print(
            f"{users:,} users, {given.days} days: {facts['wall']:.1f} s on 2 threads, peak "
            f"{facts['peak'] / 2**30:.2f} GiB, {facts['events']:,} events; CPU-s: making people and "
            f"opportunities {facts['making']:.1f}, days {facts['days']:.1f}, policy {facts['policy']:.1f} "
            f"({facts['policy'] / (world + facts['policy']):.0%}); {own:,.0f} user-days a CPU-s"
        )
    if given.recsim:
        done = subprocess.run(
            [given.recsim, "-W", "ignore", "-c", _RECSIM], check=True, stdout=subprocess.PIPE, text=True
        )
        for line in done.stdout.splitlines():
            name, rate = line.split()
            print(
                f"RecSim {name}: {float(rate):,.0f} user-steps a CPU-s; Homing {own / float(rate):.0f} times"
            )


if __name__ == "__main__":
    main()
