# SPDX-License-Identifier: GPL-3.0-or-later
"""One model of v2: its container, its result row."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
import traceback
from pathlib import Path
from typing import Any

from standin import container, discover, gpus, perf, v2_status
from standin.console import logged_to, say, sh, show_command
from standin.data import Data, preparation, provide
from standin.limits import time_limit
from standin.v2_environment import container_variables

_OPTIONS = (
    "--network host -u root --group-add video --cap-add=SYS_PTRACE --cap-add SYS_ADMIN --device /dev/fuse"
    " --security-opt seccomp=unconfined --security-opt apparmor=unconfined --ipc=host "
)
_DEFAULT_TIMEOUT_S = 7200
_DIRECTORY = "run_directory"
_RULE = "=" * 80
_THIN_RULE = "======================================================"
_ERROR = "Container execution failed - check logs for details"


class Model:
    """A model that is about to run.

    Args:
        info: Its card.
        build: The image it was built into.
        options: The parsed command line.
        context: The user's context.
    """

    def __init__(
        self, info: discover.Model, build: dict[str, Any], options: dict[str, Any], context: dict[str, Any]
    ) -> None:
        self._info = info
        self._build = build
        self._options = options
        self._context = context
        self._image = build["docker_image"]
        self._live = options["live_output"]
        self._container: container.Container | None = None
        self._row: perf.Row = {}

    def run(self, variables: dict[str, Any], data: Data | None, timeout: int | None) -> tuple[bool, dict[str, Any]]:
        """Run the model; failures end up in the result.

        Args:
            variables: The context's docker_env_vars.
            data: The providers of data.json, if there is one.
            timeout: Seconds, None for any time.

        Returns:
            Whether it was good, and its entry in the summary.
        """
        try:
            return self._run(variables, data, timeout)
        except Exception as error:  # noqa: BLE001 - v2 makes a failed model of everything
            say(f"❌ Failed to run {self._info['name']}: {error}")
            self._row = self._new_row(self._info["n_gpus"], "")
            self._row.update(gpus_per_node=self._info["n_gpus"], n_gpus=self._info["n_gpus"])
            self._create_table()
            perf.add_row(self._options["output"], self._row)
            return False, {"model": self._info["name"], "image": self._image, "error": str(error)}

    def _run(self, variables: dict[str, Any], data: Data | None, timeout: int | None) -> tuple[bool, dict[str, Any]]:
        say(f"🏃 Running model: {self._info['name']} in container {self._image}")
        if timeout == _DEFAULT_TIMEOUT_S and (self._info.get("timeout") or 0) > 0:
            timeout = self._info["timeout"]
        log = self._log_name()
        print(f"Run log will be written to: {log}")
        machine = sh("hostname", live=self._live)
        print(f"MACHINE NAME is {machine}")
        docker_options, number, columns = self._docker_options(variables, data)
        self._row = {**self._new_row(str(number), machine), **columns}
        say("\n🏃 Starting Docker container execution...")
        print(f"🏷️  Image: {self._image}\n📦 Container: {self._name()}\n📝 Log file: {log}\n🎮 GPU Vendor: AMD\n{_RULE}")
        try:
            with logged_to(log, live=self._live):
                print(f"⏰ Setting timeout to {timeout} seconds.")
                with time_limit(timeout):
                    self._execute(docker_options, data, log)
        except Exception as error:  # noqa: BLE001 - v2 makes a failed model of everything
            self._failed(error)
        finally:
            self._remove()
        return self._outcome()

    def _outcome(self) -> tuple[bool, dict[str, Any]]:
        common = {"model": self._info["name"], "image": self._image, "status": self._row["status"]}
        if self._row["status"] == "SUCCESS":
            return True, {**common, "performance": self._row["performance"], "duration": self._row["test_duration"]}
        say(f"❌ Run failed for {self._info['name']}: Status={self._row['status']}")
        return False, {**common, "error": _ERROR}

    def _docker_options(self, variables: dict[str, Any], data: Data | None) -> tuple[str, int, dict[str, str]]:
        """Return the options of `docker run`, the number of GPUs, and the columns that the data gives."""
        options = _OPTIONS + f"--env MAD_MODEL_NAME='{self._info['name']}' "
        if self._info.get("multiple_results"):
            options += f"--env MAD_OUTPUT_CSV='{self._info['multiple_results']}' "
        options += f"--env JENKINS_BUILD_NUMBER='{os.environ.get('BUILD_NUMBER', '0')}' "
        env, mounts, columns = provide(data, self._info) if data else ({}, "", {})
        system = int(variables["MAD_SYSTEM_NGPUS"])
        requested = str(self._context.get("gpus_per_node", self._info["n_gpus"]))
        devices = self._context.get("docker_gpus") or f"0-{system - 1}"
        words, number = gpus.device_argument(requested, devices, system)
        inside = container_variables(variables, self._context, self._info, number)
        quoted = "".join(f"--env {_name(k)}={shlex.quote(str(v))} " for k, v in [*env.items(), *inside.items()])
        mounts += "".join(
            f"-v {shlex.quote(host)}:{shlex.quote(path)} "
            for path, host in self._context.get("docker_mounts", {}).items()
        )
        cpus = self._context.get("docker_cpus")
        options += words + (f"--cpuset-cpus {cpus.replace(' ', '')} " if cpus is not None else "") + quoted + mounts
        options += f" {self._info.get('additional_docker_run_options', '')}"
        print(f"Docker options: {options}")
        return options, number, columns

    def _execute(self, options: str, data: Data | None, log: str) -> None:
        self._start(options)
        print("👤 Running as user: " + self._exec("whoami"))
        self._exec(f"rm -rf {_DIRECTORY}")
        self._exec(f"mkdir -p {_DIRECTORY}")
        folder, command = self._script()
        commit = self._exec(f"cd {folder}; git rev-parse HEAD || true")
        print(f"{_THIN_RULE}\nMODEL REPO COMMIT:  {commit}\n{_THIN_RULE}")
        self._exec(f"cp -vLR --preserve=all {folder}/. {_DIRECTORY}/")
        self._exec(f"chmod -R a+rw {_DIRECTORY}")
        for fetch in preparation(data, self._info):
            self._exec(fetch)
        self._run_script(command)
        self._judge(log)
        if self._options["keep_alive"] or self._options["keep_model_dir"]:
            self._exec(f"chmod -R a+rw {_DIRECTORY}")
            reason = "keep_alive" if self._options["keep_alive"] else "keep_model_dir"
            print(f"{reason} specified; model_dir({_DIRECTORY}) is not removed")
        else:
            self._exec(f"rm -rf {_DIRECTORY}")
        self._remove()

    def _run_script(self, command: str) -> None:
        start_s = time.time()
        say("Running model...")
        arguments = self._context.get("model_args", self._info["args"])
        output = self._exec(
            f"cd {_DIRECTORY} && {self._context.get('encapsulate_script', '')} {command} {arguments}", model=True
        )
        if not self._live:
            print(output)
        self._row["test_duration"] = time.time() - start_s
        print(f"Test Duration: {self._row['test_duration']} seconds")
        print(f"test_duration: {self._row['test_duration']:.2f}s")

    def _judge(self, log: str) -> None:
        """Decide between good and failed, and write the row, for a script that ended with 0."""
        multiple = (self._info.get("multiple_results") or "").strip()
        text = Path(log).read_text(encoding="utf-8", errors="ignore")
        if multiple:
            found = v2_status.multiple_performance(multiple, _DIRECTORY)
            self._row.update(performance=found, metric="")
        else:
            self._row.update(zip(("performance", "metric"), v2_status.performance(text)))
        self._row["status"] = v2_status.status(text, self._row["performance"], self._info, self._context)
        print(f"{self._info['name']} performance is {self._row['performance']} {self._row['metric']}")
        if self._context.get("skip_perf_collection", False):
            say("ℹ️  Worker node: Skipping performance metric collection (master node will collect results)")  # noqa: RUF001 - the tool's own sign
            return
        self._create_table()
        if multiple and self._row["performance"] and self._row["status"] == "SUCCESS":
            perf.add_multiple(self._options["output"], self._row["performance"], self._row)
            print(f"Updated perf.csv with multiple results for {self._info['name']}")
        else:
            self._write_row("result")

    def _failed(self, error: Exception) -> None:
        say("===== EXCEPTION =====")
        say(f"Exception: {error}")
        traceback.print_exc()
        say("=============== =====")
        self._row["status"] = "FAILURE"
        self._create_table()
        self._write_row("exception result")

    def _create_table(self) -> None:
        if not Path(self._options["output"]).exists():
            perf.create(self._options["output"], ",".join(perf.COLUMNS_V2))
            print(f"Created performance CSV file: {self._options['output']}")

    def _write_row(self, what: str) -> None:
        row = perf.flat(self._row)
        Path("perf_entry.json").write_text(json.dumps({**row, "configs": None}), encoding="utf-8")
        print(f"\n{_RULE}\n📈 ATTACHING PERFORMANCE METRICS TO DATABASE\n{_RULE}")
        print(f"📂 Target file: {self._options['output']}")
        good = self._row["status"] == "SUCCESS"
        print("🔄 Processing single result..." if good else "⚠️  Processing exception result...")
        perf.add_row(self._options["output"], row)
        print(f"✅ Successfully updated: {self._options['output']}\n{_RULE}\n")
        print(f"Updated perf.csv with {what} for {self._info['name']}")
        perf.add_super(row)

    def _new_row(self, number: str, machine: str) -> perf.Row:
        launcher = self._context.get("distributed", {}).get("launcher") or (self._info.get("distributed") or {}).get(
            "launcher"
        )
        launcher = launcher or os.environ.get("MAD_LAUNCHER") or "docker"
        row: perf.Row = dict.fromkeys(perf.COLUMNS_V2, "")
        row.update(
            {
                key: self._info.get(key, "")
                for key in ("training_precision", "args", "tags", "additional_docker_run_options")
            },
            model=self._info["name"],
            n_gpus=number,
            nnodes="1",
            gpus_per_node=number,
            pipeline=os.environ.get("pipeline", ""),  # noqa: SIM112 - the real name
            docker_file=self._build["dockerfile"],
            base_docker=self._build.get("base_docker", ""),
            docker_image=self._image,
            machine_name=machine,
            deployment_type=os.environ.get("MAD_DEPLOYMENT_TYPE", "local"),
            launcher=launcher,
            gpu_architecture=gpus.ARCHITECTURE,
            status="FAILURE",
            build_duration=self._build["build_duration"],
            test_duration=0,
            build_number=os.environ.get("BUILD_NUMBER", "0"),
        )
        return row

    def _name(self) -> str:
        name = "container_" + self._image.replace("/", "_").replace(":", "_")
        rank = os.environ.get("SLURM_PROCID") or os.environ.get("RANK")
        return name if rank is None else f"{name}_node{rank}"

    def _log_name(self) -> str:
        model = self._info["name"].replace("/", "_")
        image = self._image.replace("/", "_").replace(":", "_").replace("ci-", "")
        prefix = model.lower() + "_"
        return f"{model}_{image[len(prefix) :] if image.startswith(prefix) else image}.run.live.log"

    def _script(self) -> tuple[str, str]:
        """Return the directory of the model's script and the command that starts it there."""
        scripts = self._info["scripts"]
        folder, name = os.path.split(scripts)
        if scripts.endswith((".sh", ".slurm")):
            return folder, f"bash {name}"
        return (folder, f"python3 {name}") if scripts.endswith(".py") else (scripts, "bash run.sh")

    def _start(self, options: str) -> None:
        name = self._name()
        sh("id -u", live=True)
        sh("id -g", live=True)
        pattern = shlex.quote(f"^/{re.escape(name)}$")
        show_command(f"docker container ps -aq --filter name={pattern}")
        known = container.recorded().get(name)
        if known is not None:
            print(f"⚠️  Container '{name}' already exists. Cleaning up...")
            container.kill_marked(str(known["id"]))
            container.forget(name)
            print(f"✓ Cleaned up existing container '{name}'")
        cwd = shlex.quote(str(Path.cwd()))
        command = f"docker run -t -d {options} -v {cwd}:/myworkspace/ "
        command += f"--workdir /myworkspace/ --name {name} {self._image} cat "
        print(f"> \n{_RULE}\n🏃 DOCKER RUN OPERATION: {command}\n{_RULE}", flush=True)
        self._container = container.Container(command, self._image)
        print(self._container.id)
        print(f"✅ DOCKER RUN COMPLETED SUCCESSFULLY\n{_RULE}\n")

    def _exec(self, script: str, *, model: bool = False) -> str:
        assert self._container is not None  # noqa: S101 - called after _start
        shown = f"docker exec {self._container.id} bash -c {shlex.quote(script)}"
        show_command(shown)
        run = self._container.run if model else self._container.prepare
        return run(script, shown, live=self._live)

    def _remove(self) -> None:
        """Stop and remove the container, if it is there and not to be kept."""
        if self._container is None or self._options["keep_alive"]:
            return
        for command in ("docker stop -t 1", "docker rm -f"):
            show_command(f"{command} {self._container.id}")
            print(self._container.id)
        self._container.remove()
        self._container = None


def _name(variable: str) -> str:
    """Return the name of a variable.

    Raises:
        ValueError: It is none.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        message = f"Invalid environment variable name: {variable!r}"
        raise ValueError(message)
    return variable
