# SPDX-License-Identifier: GPL-3.0-or-later
"""One model of v1 in its container."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin import container, discover, gpus, perf
from standin.console import sh, show_command
from standin.data import Data, preparation, provide
from standin.errors import UnsupportedError
from standin.limits import time_limit

if TYPE_CHECKING:
    import argparse

_DEFAULT_TIMEOUT_S = 7200
_OPTIONS = (
    "--network host -u root --group-add video             --cap-add=SYS_PTRACE --cap-add SYS_ADMIN --device /dev/fuse"
    " --security-opt seccomp=unconfined --security-opt apparmor=unconfined --ipc=host "
)
_DIRECTORY = "run_directory"
_RULE = "======================================================"


class Model:
    """A model that is about to run.

    Args:
        info: Its card.
        context: The context; the number of GPUs of the model is written into it.
        options: The parsed command line.
        data: The providers of data.json, if there is one.
    """

    def __init__(
        self, info: discover.Model, context: dict[str, Any], options: argparse.Namespace, data: Data | None
    ) -> None:
        self._info = info
        self._context = context
        self._options = options
        self._data = data
        self._container: container.Container | None = None

    def run(self, dockerfile: str, row: perf.Row) -> None:
        """Run the model's script to its end; what becomes known goes into the row.

        Raises:
            Exception: Anything that makes the model a failure.
        """
        print()
        print(f"Running model {self._info['name']} on container built from {dockerfile}")
        if self._info.get("url"):
            message = f"model {self._info['name']} has a url to clone"
            raise UnsupportedError(message)
        name = self._image(dockerfile, row)
        options = self._docker_options(row)
        print(options)
        row["machine_name"] = sh("hostname", live=True)
        print(f"MACHINE NAME is {row['machine_name']}")
        timeout = self._options.timeout if self._options.timeout >= 0 else self._info.get("timeout", _DEFAULT_TIMEOUT_S)
        print(f"Setting timeout to {timeout} seconds.")
        with time_limit(timeout):
            print()
            self._start(options, name, row["docker_image"])
            self._prepare(row)
            self._run_script(row)
            self._clean()
            self.remove()

    def remove(self) -> None:
        """Stop and remove the container, if it is there and not to be kept."""
        if self._container is None or self._options.keep_alive:
            return
        for command in ("docker stop --time=1", "docker rm -f"):
            show_command(f"{command} {self._container.id}")
            print(self._container.id)
        self._container.remove()
        self._container = None

    def _image(self, dockerfile: str, row: perf.Row) -> str:
        """Return the container's name; the image is taken as built."""
        given = self._context.get("MAD_CONTAINER_IMAGE")
        if given:
            row["docker_image"] = given
            print(f"MAD_CONTAINER_IMAGE is {given}")
            print("Warning: User override MAD_CONTAINER_IMAGE. Model support on image not guaranteed.")
            return "container_" + str(given).replace("/", "_").replace(":", "_")
        short = Path(dockerfile).name.replace(".Dockerfile", "")
        image = f"{self._info['name'].replace('/', '_').lower()}_{short}"
        row["docker_file"] = dockerfile
        row["docker_image"] = "ci-" + image
        print("Building Docker image...")
        start_s = time.time()
        arguments = "".join(f"--build-arg {k}='{v}' " for k, v in self._context["docker_build_arg"].items())
        cache = "--no-cache" if self._options.clean_docker_cache else ""
        show_command(f"docker build {cache} --network=host  -t ci-{image} --pull -f {dockerfile} {arguments} ./docker")
        row["build_duration"] = time.time() - start_s
        print(f"Build Duration: {row['build_duration']} seconds")
        print(f"MAD_CONTAINER_IMAGE is ci-{image}")
        row["base_docker"] = sh(f"grep '^ARG BASE_DOCKER=' {dockerfile} | sed -E 's/ARG BASE_DOCKER=//g'", live=True)
        print(f"BASE DOCKER is {row['base_docker']}")
        print("BASE DOCKER SHA is ")
        return "container_" + image.rsplit(":", 1)[-1]

    def _docker_options(self, row: perf.Row) -> str:
        options = _OPTIONS + f"--env MAD_MODEL_NAME='{self._info['name']}' "
        options += f"--env JENKINS_BUILD_NUMBER='{os.environ.get('BUILD_NUMBER', '0')}' "
        env, mounts, columns = provide(self._data, self._info)
        row.update(columns)
        variables = self._context["docker_env_vars"]
        words, number = gpus.device_argument(
            self._info["n_gpus"], self._context["docker_gpus"], int(variables["MAD_SYSTEM_NGPUS"])
        )
        variables["MAD_RUNTIME_NGPUS"] = str(number)
        # Quoted without escaping, as the real tool does: a quote in a value breaks the line.
        quoted = "".join(f"--env {k}='{v}' " for k, v in [*env.items(), *variables.items()])
        print(f"Env arguments: {quoted}")
        mounts += "".join(f"-v {host}:{inside} " for inside, host in self._context.get("docker_mounts", {}).items())
        options += f"{words}{self._cpus()}{quoted}{mounts} {row['additional_docker_run_options']}"
        return options.replace("--ipc=host", "") if "SHM_SIZE" in self._context else options

    def _cpus(self) -> str:
        cpus = self._context.get("docker_cpus")
        return f"--cpuset-cpus {cpus.replace(' ', '')} " if cpus is not None else ""

    def _start(self, options: str, name: str, image: str) -> None:
        user, group = sh("id -u", live=True), sh("id -g", live=True)
        show_command(f"docker container ps -a | grep {name} | wc -l")
        taken = [known for known in container.recorded().values() if name in f"{known['image']} {known['name']}"]
        print(len(taken))
        if taken:
            message = (
                f"Container with name, {name} already exists. "
                "Please stop (docker stop --time=1 SHA) and remove this (docker rm -f SHA) to proceed..."
            )
            raise RuntimeError(message)
        command = f"docker run -t -d -u {user}:{group} {options} -v {Path.cwd()}:/myworkspace/ "
        command += f"--workdir /myworkspace/ --name {name} {image} cat "
        show_command(command)
        self._container = container.Container(command, image)
        print(self._container.id)
        show_command(f"docker ps -aqf 'name={name}' ")
        print(self._container.id)

    def _prepare(self, row: perf.Row) -> None:
        print("USER is " + self._exec("whoami"))
        self._exec(f"rm -rf {_DIRECTORY}")
        self._exec(f"mkdir -p {_DIRECTORY}")
        if self._options.generate_sys_env_details or self._context.get("gen_sys_env_details"):
            self._describe_system()
        folder, _ = self._script()
        commit = self._exec(f"cd {folder}; git rev-parse HEAD || true  ")
        print(_RULE)
        print("MODEL REPO COMMIT: ", commit)
        print(_RULE)
        self._exec(f"cp -vLR --preserve=all {folder}/. {_DIRECTORY}/")
        for script in preparation(self._data, self._info):
            self._exec(script)
        row["build_number"] = os.environ.get("BUILD_NUMBER", "0")
        build = {
            "node_name": row["machine_name"],
            "build_number": row["build_number"],
            "model_name": self._info["name"],
        }
        print(f"Build Info::{build}")
        self._exec(f"chmod -R a+rw {_DIRECTORY}")

    def _describe_system(self) -> None:
        name = self._info["name"].replace("/", "_") + "_env"
        script = {"path": "scripts/common/pre_scripts/run_rocenv_tool.sh", "args": name}
        print(f"pre encap post scripts: { {'pre_scripts': [script], 'encapsulate_script': '', 'post_scripts': []} }")
        Path(f"{name}.csv").write_text(f"os,release\n{os.uname().sysname},{os.uname().release}\n", encoding="utf-8")

    def _script(self) -> tuple[str, str]:
        """Return the directory of the model's script and the command that starts it there."""
        scripts: str = self._info["scripts"]
        folder, name = os.path.split(scripts) if scripts.endswith(".sh") else (scripts, "run.sh")
        return folder, f"{self._context.get('encapsulate_script', '')} bash {name}"

    def _run_script(self, row: perf.Row) -> None:
        start_s = time.time()
        arguments = self._context.get("model_args", self._info["args"])
        command = f"cd {_DIRECTORY} && {self._script()[1]} {arguments}"
        if self._options.skip_model_run:
            print("Skipping model run")
            print("To run model: " + command)
        else:
            print("Running model...")
            self._exec(command, model=True)
        row["test_duration"] = time.time() - start_s
        print(f"Test Duration: {row['test_duration']} seconds")

    def _clean(self) -> None:
        if self._options.keep_alive or self._options.keep_model_dir:
            self._exec(f"chmod -R a+rw {_DIRECTORY}")
            print(f"keep_alive is specified; model_dir({_DIRECTORY}) is not removed")
            return
        print(f"Cleaning up model directory: {_DIRECTORY}")
        self._exec(f"rm -rf {_DIRECTORY}")
        print(f"Successfully cleaned up {_DIRECTORY}")

    def _exec(self, script: str, *, model: bool = False) -> str:
        """Run a script in the container; the host's shell sees it in double quotes first, as in the real tool."""
        assert self._container is not None  # noqa: S101 - called after _start
        shown = f'docker exec {self._container.id} bash -c "{script}"'
        show_command(shown)
        expanded = _in_double_quotes(script)
        run = self._container.run if model else self._container.prepare
        return run(expanded, shown, live=True)


def _in_double_quotes(script: str) -> str:
    done = subprocess.run(["sh", "-c", f'printf %s "{script}"'], capture_output=True, text=True, check=True)  # noqa: S607 - sh is everywhere
    return done.stdout
