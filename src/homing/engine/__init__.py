"""Run pure functions over shards of users."""

from homing.engine.local import over_shards, worker_count

__all__ = ["over_shards", "worker_count"]
