# SPDX-License-Identifier: GPL-3.0-or-later
"""`madengine run` of v1: every model in turn, each in a container, the results in perf.csv."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin import discover, perf, v1_cli, v1_context
from standin.console import logged_to, sh
from standin.data import Data
from standin.errors import UnsupportedError
from standin.v1_model import Model

if TYPE_CHECKING:
    import argparse

_PERFORMANCE = r"sed -n 's/.*performance:\s*\([+|-]\?[0-9]*[.]\?[0-9]*\(e[+|-]\?[0-9]\+\)\?\)\s*.*\s*/\1/p'"
_METRIC = r"sed -n 's/.*performance:\s*[+|-]\?[0-9]*[.]\?[0-9]*\(e[+|-]\?[0-9]\+\)\?\s*\(\w*\)\s*/\2/p'"
_RULE = "=============== ====="
_UNSUPPORTED = ("tools", "pre_scripts", "post_scripts")


class Run:
    """One invocation.

    Args:
        options: The parsed command line.

    Raises:
        Exception: What was wrong with the context; v1 lets it end the program.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._context = v1_context.make(options.additional_context, options.additional_context_file)
        data = options.data_config_file_name
        self._data = Data(data, options.force_mirror_local) if Path(data).exists() else None
        self._good = True
        print(f"Context is {self._context}")
        for key in _UNSUPPORTED:
            if key in self._context:
                message = f"the context key {key} is not supported"
                raise UnsupportedError(message)

    def run(self) -> None:
        """Run the models of the tags; without tags, none.

        Raises:
            FileNotFoundError, ValueError: No models.json, no model for a tag.
        """
        print(f"Running models with args {self._options}")
        sh("echo 'MAD Run Models'", live=True)
        self._print_credentials()
        models = v1_cli.show(discover.all_models(scoped_tags=True), self._options.tags)
        perf.create(self._options.output, ", ".join(perf.COLUMNS_V1))
        for model in models:
            self._run_model(model)
        print("scripts/common directory has been cleaned up.")
        print("Converting output csv to html...")
        perf.write_html(self._options.output)
        if self._good:
            print("All models ran successfully.")
        else:
            print("===== EXCEPTION =====")
            print("Some models failed to run.")

    @staticmethod
    def _print_credentials() -> None:
        try:
            print(f"Credentials: {json.loads(Path('credential.json').read_text(encoding='utf-8'))}")
        except (OSError, ValueError) as error:
            print(f"Exception encountered reading credential.json. {error}, ignoring ...")

    def _run_model(self, info: discover.Model) -> None:
        print(f"Running model {info['name']} with {info}")
        row = _new_row(info, self._context)
        print(f"Running model {info['name']} on {row['gpu_architecture']} architecture.")
        try:
            files = _dockerfiles(info)
        except Exception as error:  # noqa: BLE001 - v1 makes a failed model of everything
            self._failed(row, error)
            return
        for file in files:
            self._run_dockerfile(info, file, row)

    def _run_dockerfile(self, info: discover.Model, file: str, row: perf.Row) -> None:
        model = Model(info, self._context, self._options, self._data)
        log = f"{info['name']}_{Path(file).name.replace('.Dockerfile', '')}.live.log".replace("/", "_")
        try:
            print(f"Processing Dockerfile: {file}")
            with logged_to(log, live=self._options.live_output):
                model.run(file, row)
            if not self._options.skip_model_run:
                self._succeeded(info, row, log)
        except Exception as error:  # noqa: BLE001 - v1 makes a failed model of everything
            self._failed(row, error)
        finally:
            model.remove()

    def _succeeded(self, info: discover.Model, row: perf.Row, log: str) -> None:
        """Judge a model whose script ended with 0: it is good if it said how fast it was."""
        multiple = info.get("multiple_results")
        if multiple:
            row["performance"] = multiple
        else:
            row["performance"] = sh(f"cat {log} | {_PERFORMANCE}", live=True)
            row["metric"] = sh(f"cat {log} | {_METRIC}", live=True)
        row["status"] = "SUCCESS" if row["performance"] else "FAILURE"
        print(f"{row['model']} performance is {row['performance']} {row['metric']}")
        if multiple:
            print("Attaching performance metrics of models to perf.csv")
            perf.add_multiple(self._options.output, multiple, row)
        else:
            _write(self._options.output, row)
        self._good &= row["status"] == "SUCCESS"

    def _failed(self, row: perf.Row, error: Exception) -> None:
        self._good = False
        print("===== EXCEPTION =====")
        print("Exception: ", error)
        traceback.print_exc()
        print(_RULE)
        row["status"] = "FAILURE"
        _write(self._options.output, row)


def _write(output: str, row: perf.Row) -> None:
    Path("perf_entry.json").write_text(json.dumps(row), encoding="utf-8")
    print("Attaching performance metrics of models to perf.csv")
    perf.add_row(output, row)


def _dockerfiles(info: discover.Model) -> list[str]:
    listing = sh(f"ls {info['dockerfile']}.*", live=True)
    contexts = {
        file: sh(f"head -n5 {file} | grep '# CONTEXT ' | sed 's/# CONTEXT //g'", live=True)
        for file in listing.split("\n")
    }
    files = discover.dockerfiles(info, listing, contexts)
    print(f"FILTERED dockerfiles are { {file: contexts[file] for file in files} }")
    return files


def _new_row(info: discover.Model, context: dict[str, Any]) -> perf.Row:
    """Return the row of a model that has not run, with the keys in v1's order."""
    row: perf.Row = dict.fromkeys(
        ["model", "pipeline", *[name for name in perf.COLUMNS_V1 if name not in ("model", "pipeline")]], ""
    )
    row.update(
        model=info["name"],
        pipeline=os.environ.get("pipeline"),  # noqa: SIM112 - the real name
        n_gpus=info["n_gpus"],
        training_precision=info["training_precision"],
        args=info["args"],
        tags=info["tags"],
        gpu_architecture=context["docker_env_vars"]["MAD_SYSTEM_GPU_ARCHITECTURE"],
        status="FAILURE",
        additional_docker_run_options=info.get("additional_docker_run_options", ""),
    )
    size = context.get("SHM_SIZE")
    if size:
        row["additional_docker_run_options"] += f" --shm-size={size}"
    return row
