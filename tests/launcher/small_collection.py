# SPDX-License-Identifier: GPL-3.0-or-later
"""A small stand-in for the collection: real playbooks for the real ansible-runner, on this machine only.

Its one action answers what the playbook tells it to answer, and shows lines while it runs, as the real
actions do. So the launcher's half is tested with true events and without any node.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from madlaunch.job import Job
from madlaunch.request import PlayRequest
from madlaunch.secrets import Secrets

_ACTION = """
from __future__ import annotations
import os, time
from pathlib import Path
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        args = self._task.args
        for text in args.get("show", []):
            Display().display(text)
        for number in range(int(args.get("count", 0))):
            Display().display("\\n".join(f"{args['label']} line {number * 100 + i}" for i in range(100)))
        if args.get("touch"):
            Path(args["touch"]).write_text(str(os.getpid()))
        deadline = time.monotonic() + float(args.get("limit_s", 20))
        while args.get("wait_for") and not os.path.exists(args["wait_for"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        result = {"failed": bool(args.get("fail", False)), "msg": args.get("msg", "")}
        if args.get("answer"):
            result["madlaunch"] = args["answer"]
        if args.get("environment"):
            result["msg"] = os.environ.get(args["environment"], "(not set)")
        return result
"""


def plan(log_dir: Path, *hosts: str, **changes: object) -> dict[str, Any]:
    """Return a plan as the collection answers it."""
    return {
        "schema": 1,
        "run_id": "run-1",
        "model": "tiny",
        "nnodes": len(hosts),
        "master_addr": "127.0.0.1",
        "master_port": 4000,
        "timeout_s": 60,
        "grace_s": 0,
        "log_dir": str(log_dir),
        "hosts": {host: {"node_rank": rank, "address": "127.0.0.1"} for rank, host in enumerate(hosts)},
        **changes,
    }


def outcome(host: str, node_rank: int, state: str = "ok", **changes: object) -> dict[str, Any]:
    """Return the outcome of a rank as the collection answers it."""
    return {
        "host": host,
        "node_rank": node_rank,
        "state": state,
        "exit_code": 0,
        "signal": None,
        "started_at_s": 100.0,
        "ended_at_s": 104.5,
        "reason": "exit code 0 and a performance value",
        "performance": [{"model": "tiny", "performance": 12.5, "metric": "samples/s"}],
        "first_lines": ["hello"],
        "last_lines": ["bye"],
        "log_path": f"/logs/rank{node_rank}.log",
        **changes,
    }


def task(action: str = "answer", **arguments: object) -> dict[str, Any]:
    """Return a task of the playbook that runs the action with these arguments."""
    return {"name": f"{action} task", f"madlaunch.multinode.{action}": arguments}


def make(folder: Path, *tasks: dict[str, Any]) -> Path:
    """Write a collection whose ``launch.yml`` has these tasks and return its root."""
    actions = folder / "plugins" / "action"
    actions.mkdir(parents=True)
    for name in ("answer", "launch_plan"):
        (actions / f"{name}.py").write_text(_ACTION)
    (folder / "galaxy.yml").write_text("namespace: madlaunch\nname: multinode\nversion: 0.1.0\n")
    (folder / "playbooks").mkdir()
    play = {"name": "test", "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
    (folder / "playbooks" / "launch.yml").write_text(json.dumps([play]))
    return folder


def request(record_dir: Path, *hosts: str, **changes: Any) -> PlayRequest:  # noqa: ANN401 # fields of the request
    """Return a request for these hosts, all of them this machine without SSH."""
    local = {"ansible_connection": "local"}
    fields: dict[str, Any] = {
        "playbook": "launch.yml",
        "inventory": {"all": {"hosts": {host: dict(local) for host in hosts or ("a",)}}},
        "inventory_sources": (),
        "limit": None,
        "extra_vars": {},
        "forks": 4,
        "secrets": Secrets(),
        "check_mode": False,
        "environment": {},
        "run_id": "run-1",
        "record_dir": record_dir,
        **changes,
    }
    return PlayRequest(**fields)


def job(log_dir: Path, **changes: Any) -> Job:  # noqa: ANN401 # fields of the job
    """Return the job of a test run."""
    fields: dict[str, Any] = {
        "run_id": "run-1",
        "mode": "run",
        "model": "tiny",
        "nodes": ("a",),
        "master": "127.0.0.1:4000",
        "shared_data_path": "/nfs/data",
        "timeout_s": 60,
        "log_dir": log_dir,
        "notes": (),
        "settings": (),
        **changes,
    }
    return Job(**fields)
