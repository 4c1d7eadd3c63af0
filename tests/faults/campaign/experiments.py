"""All experiments of the campaign, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.faults.campaign import deaths, load, races, storage
from tests.faults.campaign.row import Row

Experiment: TypeAlias = Callable[[Path, bool], Row]

EXPERIMENTS: dict[str, Experiment] = {
    "scheduler-killed": deaths.scheduler_killed,
    "worker-killed": deaths.worker_killed,
    "child-killed": deaths.child_killed,
    "worker-stopped": deaths.worker_stopped,
    "worker-stopped-for-good": deaths.worker_stopped_for_good,
    "keeper-killed": deaths.keeper_killed,
    "scheduler-stopped": deaths.scheduler_stopped,
    "hung-timeout": deaths.hung_until_timeout,
    "hung-cancel": deaths.hung_until_cancel,
    "fork-bomb": deaths.fork_bomb,
    "much-log": storage.much_log,
    "huge-value": storage.huge_value,
    "disk-full-blob": storage.disk_full_in_a_blob,
    "disk-full-commit": storage.disk_full_in_a_commit,
    "read-only": storage.read_only,
    "power-cut": storage.power_cut,
    "two-schedulers": races.two_schedulers,
    "cancelled": races.cancelled,
    "identical-runs": races.identical_runs,
    "holder-killed": races.holder_killed,
    "clock-jumps": races.clock_jumps,
    "clock-set-back": races.clock_set_back_meanwhile,
    "burst": load.burst,
    "restart": load.restart_with_many_open,
}
