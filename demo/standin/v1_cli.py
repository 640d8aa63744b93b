# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of madengine v1.0.0 (argparse)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

from standin import discover
from standin.errors import UnsupportedError
from standin.v1_run import Run

VERSION = "1.0.0"
_TRUE = ("true", "1", "yes")


def main(argv: list[str]) -> int:
    """Run one command.

    Returns:
        0, whatever became of the models: v1 drops the status of a run.

    Raises:
        SystemExit: 2 for a bad command line.
        Exception: Whatever v1 does not catch; it ends as a traceback with exit code 1.
    """
    _side_effects()
    parser = make_parser()
    options = parser.parse_args(argv)
    if not options.command:
        parser.print_help()
    elif options.command == "discover":
        print("Discovering all models in the project")
        show(discover.all_models(scoped_tags=True), options.tags)
    elif options.command == "run":
        print("Running models on container")
        Run(options).run()
    else:
        message = f"the command {options.command} is not supported"
        raise UnsupportedError(message)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of v1, abbreviations of long options included."""
    parser = argparse.ArgumentParser(
        prog="madengine",
        description="A Models automation and dashboarding command-line tool to run LLMs and Deep Learning models"
        " locally.",
    )
    parser.add_argument("-v", "--version", action="version", version=VERSION)
    commands = parser.add_subparsers(
        title="Commands",
        description="Available commands for running models, generating reports, and toolings.",
        dest="command",
    )
    _add_run(commands.add_parser("run", help="Run models on container"))
    found = commands.add_parser("discover", help="Discover the models.")
    found.add_argument("--tags", nargs="+", default=[])
    for name in ("report", "database", "validate"):
        commands.add_parser(name)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tags", nargs="+", default=[])
    parser.add_argument("--ignore-deprecated-flag", action="store_true")
    parser.add_argument("--timeout", type=int, default=-1)
    parser.add_argument("--live-output", action="store_true")
    parser.add_argument("--clean-docker-cache", action="store_true")
    parser.add_argument("--additional-context-file")
    parser.add_argument("--additional-context", default="{}")
    parser.add_argument("--data-config-file-name", default="data.json")
    parser.add_argument("--tools-json-file-name", default="./scripts/common/tools.json")
    parser.add_argument("--generate-sys-env-details", type=lambda word: word.lower() in _TRUE, default=True)
    parser.add_argument("--force-mirror-local")
    for flag in ("--keep-alive", "--keep-model-dir", "--skip-model-run", "--disable-skip-gpu-arch"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-o", "--output", default="perf.csv")


def show(models: list[discover.Model], tags: list[str]) -> list[discover.Model]:
    """Print and return the selected models; without tags print all names and return none."""
    selected = discover.select_v1(models, tags)
    if selected:
        print(json.dumps(selected, indent=4))
    else:
        print(f"Number of models in total: {len(models)}")
        for model in models:
            print(model["name"])
    return selected


def _side_effects() -> None:
    """Do what importing v1 does, before any argument is looked at."""
    Path("madengine.log").touch()
    model_dir = os.environ.get("MODEL_DIR")
    if model_dir:
        print(f"Current working directory: {Path.cwd()}")
        _copy_into_cwd(Path(model_dir))
        print(f"Model dir: {model_dir} copied to current dir: {Path.cwd()}")
    if "MAD_MINIO" in os.environ:
        print("MAD_MINIO is loaded from env variables.")
        json.loads(os.environ["MAD_MINIO"])
        return
    print("MAD_MINIO environment variable is not set.")
    if "MAD_MINIO" not in _credentials():
        print("MAD_MINIO is using default values.")


def _copy_into_cwd(source: Path) -> None:
    """Copy everything but dotfiles."""
    for path in (path for path in source.iterdir() if not path.name.startswith(".")):
        if path.is_dir():
            shutil.copytree(path, path.name, dirs_exist_ok=True)
        else:
            shutil.copy2(path, path.name)


def _credentials() -> dict[str, Any]:
    path = Path("credential.json")
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
