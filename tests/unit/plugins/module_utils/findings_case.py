# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch on which all is well, to be spoiled by the tests of the preflight's judgment."""

from __future__ import annotations

from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _findings

GIB = 1 << 30
MOUNT = {
    "point": "/nfs/data",
    "source": "srv:/data",
    "fstype": "nfs4",
    "root": "/",
    "options": "rw,vers=4.2",
    "device": "0:50",
    "read_only": False,
}
ROOT_MOUNT = {**MOUNT, "point": "/", "source": "/dev/sda1", "fstype": "ext4", "device": "8:1"}


def facts(number: int) -> dict[str, Any]:
    """Return the facts of a host on which all is well."""
    return {
        "schema": 1,
        "hostname": f"node{number}",
        "python": "3.11.2",
        "user": "u",
        "uid": 1000,
        "home": "/home/u",
        "boot_id": f"boot{number}",
        "network": "net:[1]",
        "clock": {"start_s": 1000.0, "end_s": 1001.0},
        "controller_clock": {"before_s": 999.9, "after_s": 1001.1},
        "failed": {},
        "madengine": {"path": "/usr/bin/madengine", "version": "2.1.0", "major": 2, "error": None, "elsewhere": []},
        "discover": {"ran": True, "rc": 0, "found": True, "tail": ""},
        "mad_dir": {
            "path": "/home/u/MAD",
            "exists": True,
            "models_json": True,
            "scripts": True,
            "readable": True,
            "size_bytes": 1 << 20,
            "error": None,
        },
        "interfaces": {
            "lo": {"up": True, "carrier": True, "addresses": ["127.0.0.1", "::1"]},
            "eth0": {"up": True, "carrier": True, "addresses": [f"10.9.0.{number}"]},
            "ens14np0": {"up": True, "carrier": True, "addresses": [f"10.0.0.{number}", "fe80::1"]},
        },
        "master_interface": "ens14np0",
        "shared": {
            "path": "/nfs/data",
            "real_path": "/nfs/data",
            "exists": True,
            "is_dir": True,
            "mount": dict(MOUNT),
            "is_mount": True,
            "fsid": None,
            "device": "0:50",
            "writable": True,
            "free_bytes": 900 * GIB,
            "nonce_path": "/nfs/data/.madlaunch-r1-x" if number == 1 else None,
            "nonce_written": number == 1,
            "error": None,
        },
        "state": {
            "path": "/home/u/.local/state/madlaunch",
            "writable": True,
            "free_bytes": 50 * GIB,
            "free_inodes": 100000,
            "error": None,
        },
        "master": {
            "owns_addr": number == 1,
            "resolved": ["10.0.0.1"],
            "resolve_error": None,
            "port_free": True if number == 1 else None,
            "holder": None,
            "listener": {"pid": 7, "start_ticks": 8, "address": "::", "port": 4000} if number == 1 else None,
        },
        "gpus": {"count": 8, "source": "/sys/class/kfd/kfd/topology/nodes"},
        "locks": [],
        "leftovers": [],
    }


def confirmed(number: int) -> dict[str, Any]:
    """Return what a host confirms when all is well."""
    return {
        "schema": 1,
        "clock": {"start_s": 1005.0, "end_s": 1005.1},
        "controller_clock": {"before_s": 1004.9, "after_s": 1005.2},
        "nonce": {"seen": True, "matches": True, "error": None},
        "rendezvous": {"tried": number > 1, "failures": [], "elapsed_s": 0.01},
        "peers_seen": [1, 2] if number == 1 else None,
        "port_free": True if number == 1 else None,
        "taken_by": None,
    }


class Case:
    """A launch on three hosts on which all is well, to be spoiled."""

    def __init__(self, hosts: int = 3) -> None:
        settings = {
            "nccl_interface": "ens14np0",
            "gloo_interface": "ens14np0",
            "shared_data_path": "/nfs/data",
            "madengine_path": "madengine",
            "mad_dir": "MAD",
            "nproc_per_node": 0,
            "node_state_dir": "",
        }
        numbers = range(1, hosts + 1)
        self.plan: dict[str, Any] = {
            "model": "tag",
            "nnodes": hosts,
            "master_addr": "10.0.0.1",
            "master_port": 4000,
            "madengine_version": "auto",
            "skip_checks": [],
            "forks": 64,
            "hosts": {f"node{n}": {"node_rank": n - 1, "address": f"10.9.0.{n}", **settings} for n in numbers},
        }
        self.probes: dict[str, Any] = {f"node{number}": {"facts": facts(number)} for number in numbers}
        self.confirms: dict[str, Any] = {f"node{number}": {"facts": confirmed(number)} for number in numbers}

    def spoil(self, number: int, *path: str, **values: Any) -> Case:  # noqa: ANN401 - any fact
        """Change facts of a host."""
        place = self.probes[f"node{number}"]["facts"]
        for key in path:
            place = place[key]
        place.update(values)
        return self

    def spoil_confirmed(self, number: int, *path: str, **values: Any) -> Case:  # noqa: ANN401 - any fact
        """Change what a host confirmed."""
        place = self.confirms[f"node{number}"]["facts"]
        for key in path:
            place = place[key]
        place.update(values)
        return self

    def block(self, number: int, kind: str, **values: Any) -> Case:  # noqa: ANN401 - any fact
        """Add a way on which a host did not reach rank 0: by the system's routes unless `values` say otherwise."""
        way = {"kind": kind, "error": None, "address": "10.0.0.1", "interface": None, "settings": [], **values}
        self.confirms[f"node{number}"]["facts"]["rendezvous"]["failures"].append(way)
        return self

    def set(self, **values: Any) -> Case:  # noqa: ANN401 - any setting
        """Change settings of the launch, or of all hosts."""
        for name, value in values.items():
            for place in [self.plan] if name in self.plan else self.plan["hosts"].values():
                place[name] = value
        return self

    def set_host(self, number: int, **values: Any) -> Case:  # noqa: ANN401 - any setting
        """Change settings of one host."""
        self.plan["hosts"][f"node{number}"].update(values)
        return self

    def findings(self) -> list[dict[str, Any]]:
        """Judge the launch."""
        return _findings.evaluate(self.plan, self.probes, self.confirms)

    def brief(self) -> list[tuple[str, str, str | None, str]]:
        """Judge the launch; return (check, severity, host, message) of each finding."""
        keys = ("check", "severity", "host", "message")
        return [tuple(finding[key] for key in keys) for finding in self.findings()]


def finding(check: str, severity: str, host: str | None, **text: str) -> dict[str, Any]:
    """Return a whole finding."""
    return {"check": check, "severity": severity, "host": host, **text}
