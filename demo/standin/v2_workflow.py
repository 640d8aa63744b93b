# SPDX-License-Identifier: GPL-3.0-or-later
"""`madengine run --tags` of v2: build phase, manifest, run phase."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from standin import discover, gpus, perf, v2_commands
from standin.console import panel, say, sh
from standin.data import Data
from standin.errors import UnsupportedError
from standin.v2_errors import build_error, nothing_to_run, runtime_error
from standin.v2_model import Model

_RULE = "=" * 60
_WIDE_RULE = "=" * 80
_IMAGE_FIELDS = [
    "name",
    "tags",
    "scripts",
    "n_gpus",
    "owner",
    "training_precision",
    "args",
    "timeout",
    "data",
    "cred",
    "additional_docker_run_options",
]


class Workflow:
    """One invocation.

    Args:
        options: The parsed command line.
        context: The user's context.
        timeout: Seconds a model may take, None for any time.
    """

    def __init__(self, options: dict[str, Any], context: dict[str, Any], timeout: int | None) -> None:
        self._options = options
        self._context = context
        self._timeout = timeout
        self._builds: dict[str, dict[str, Any]] = {}
        self._cards: dict[str, discover.Model] = {}

    def run(self, tags: list[str]) -> dict[str, Any]:
        """Return the summary.

        Raises:
            RunError: Nothing was run.
        """
        say(f"Run additional context (CLI): {', '.join(sorted(self._context)) or '(none)'}")
        say(f"\n{_RULE}\n🚀 RUN PHASE\n{_RULE}\n")
        start_row = self._start_session()
        if not tags:
            say("⠋ Building and running models...")
            raise nothing_to_run()
        built = "MAD_CONTAINER_IMAGE" not in self._context
        phase = self._build(tags) if built else self._use_image(tags)
        if built and self._options["skip_model_run"]:
            say("Skipping model run (--skip-model-run) after build.\n")
            done: dict[str, Any] = {
                "successful_runs": [],
                "failed_runs": [],
                "total_runs": 0,
                "skipped_model_run": True,
            }
        else:
            done = self._run_models()
        if built and not self._options["skip_model_run"]:
            self._combine_logs()
        say("\n🧹 Cleaning up madengine package files...")
        say("⠦ Workflow completed!")
        done["session_start_row"] = start_row
        done["session_row_count"] = self._rows() - start_row
        return {"build_phase": phase, "run_phase": done, "overall_success": not done["failed_runs"]}

    def _rows(self) -> int:
        path = self._options["output"]
        return len(perf.read_table(path)[0]) if Path(path).exists() else 0

    def _start_session(self) -> int:
        rows = self._rows()
        Path(".madengine_session_start").write_text(str(rows), encoding="utf-8")
        return rows

    def _build(self, tags: list[str]) -> dict[str, Any]:
        """Pretend to build an image for each model; returns the phase's summary."""
        say("No manifest found, building first...\n")
        say("Build additional context\n")
        panel("Context (from --additional-context / --additional-context-file)", _json_lines(self._context))
        say(f"\n{_RULE}\n🔨 BUILD PHASE\n(Build-only mode - no GPU detection)\n{_RULE}\n")
        say("🔍 Discovering models...")
        try:
            models = v2_commands.select(tags)
            say(f"✓ Found {len(models)} models\n")
            for model in models:
                self._build_one(model)
        except (OSError, ValueError, RuntimeError) as error:
            say("⠋ Building and running models...")
            raise build_error(error) from error
        builds = list(self._builds.values())
        phase = {
            "successful_builds": builds,
            "failed_builds": [],
            "total_build_time": sum(build["build_duration"] for build in builds),
            "successful_pushes": [],
            "failed_pushes": [],
        }
        self._write_manifest(phase)
        say(f"✓ Build complete: {self._options['manifest_output']}\n{_RULE}\n")
        return phase

    def _build_one(self, model: discover.Model) -> None:
        if model.get("url"):
            message = f"model {model['name']} has a url to clone"
            raise UnsupportedError(message)
        listing = sh(f"ls {model['dockerfile']}.*", live=True)
        contexts = {
            f: sh(f"head -n5 {f} | grep '# CONTEXT ' | sed 's/# CONTEXT //g'", live=True) for f in listing.split("\n")
        }
        for file in discover.dockerfiles(model, listing, contexts):
            start_s = time.time()
            short = Path(file).name.replace(".Dockerfile", "")
            image = f"ci-{model['name'].replace('/', '_').lower()}_{short}"
            command = f"docker build  --network=host -t {image} --pull -f {file} "
            command += f"--build-arg MAD_SYSTEM_GPU_ARCHITECTURE={gpus.ARCHITECTURE}  ./docker"
            log = f"{model['name'].replace('/', '_')}_{short}.build.live.log"
            text = "🔨 Executing build command...\n> \n"
            text += f"{_WIDE_RULE}\n🔨 DOCKER BUILD OPERATION: {command}\n{_WIDE_RULE}\n"
            text += f"✅ DOCKER BUILD COMPLETED SUCCESSFULLY\n{_WIDE_RULE}\n\n"
            Path(log).write_text(text, encoding="utf-8")
            print(f"\n🔨 Starting Docker build for model: {model['name']}\n{text}", end="")
            self._builds[image] = {
                "model": model["name"],
                "docker_image": image,
                "dockerfile": file,
                "base_docker": sh(f"grep '^ARG BASE_DOCKER=' {file} | sed -E 's/ARG BASE_DOCKER=//g'", live=True),
                "docker_sha": "",
                "build_duration": time.time() - start_s,
                "build_command": command,
                "log_file": log,
                "gpu_vendor": "AMD",
                "gpu_architecture": gpus.ARCHITECTURE,
            }
            self._cards[image] = model

    def _use_image(self, tags: list[str]) -> dict[str, Any]:
        """Take the image the user named, and of each model only the fields that v2 keeps then."""
        image = self._context["MAD_CONTAINER_IMAGE"]
        say(f"🏠 Local Image Mode: Using {image}\nSkipping build phase, creating synthetic manifest...\n")
        try:
            models = v2_commands.select(tags)
        except (OSError, ValueError) as error:
            raise runtime_error(error) from error
        for model in models:
            key = f"local-{model['name'].replace('/', '_')}"
            self._builds[key] = {"docker_image": image, "dockerfile": "N/A (local image mode)", "build_duration": ""}
            self._cards[key] = {name: model[name] for name in _IMAGE_FIELDS if name in model}
        self._write_manifest({})
        say(f"⚠️  Warning: User-provided image {image}. Model support not guaranteed.\n")
        return {}

    def _write_manifest(self, phase: dict[str, Any]) -> None:
        manifest = {
            "built_images": self._builds,
            "built_models": self._cards,
            "context": {
                "docker_env_vars": self._context.get("docker_env_vars", {}),
                "gpu_vendor": "AMD",
                "guest_os": "UBUNTU",
            },
            "credentials_required": [],
            "summary": phase,
            "deployment_config": {
                "target": "local",
                "distributed": self._context.get("distributed", {}),
                "env_vars": self._context.get("env_vars", {}),
                "debug": False,
            },
        }
        Path(self._options["manifest_output"]).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        print(f"Build manifest exported to: {self._options['manifest_output']}")

    def _run_models(self) -> dict[str, Any]:
        say("Deployment target: local\n\nExecuting locally...\n")
        print("Detecting GPU configuration...")
        try:
            number = gpus.count()
        except (RuntimeError, ValueError) as error:
            say("⠙ Building and running models...")
            reason = f"GPU detection failed: {error}"
            raise runtime_error(reason) from error
        path = self._options["data_config"]
        data = Data(path, self._options["force_mirror_local"]) if Path(path).exists() else None
        variables = dict(self._context.get("docker_env_vars", {}))
        detected = {
            "MAD_GPU_VENDOR": "AMD",
            "MAD_SYSTEM_NGPUS": number,
            "MAD_SYSTEM_GPU_ARCHITECTURE": gpus.ARCHITECTURE,
            "MAD_SYSTEM_HIP_VERSION": gpus.HIP_VERSION,
            "MAD_SYSTEM_GPU_PRODUCT_NAME": gpus.PRODUCT,
        }
        done: dict[str, Any] = {"successful_runs": [], "failed_runs": []}
        for key, build in self._builds.items():
            model = Model(self._cards[key], build, self._options, self._context)
            good, outcome = model.run({**variables, **detected}, data, self._timeout)
            done["successful_runs" if good else "failed_runs"].append(outcome)
        say("\n📊 Execution Summary:")
        say(f"  ✓ Successful: {len(done['successful_runs'])}")
        say(f"  ✗ Failed: {len(done['failed_runs'])}")
        say(f"\n✓ Local execution complete\n{_RULE}\n")
        done["total_runs"] = len(self._builds)
        return done

    def _combine_logs(self) -> None:
        say("\n📝 Combining build and run logs...")
        for build in self._builds.values():
            stem = build["log_file"][: -len(".build.live.log")]
            parts = [Path(f"{stem}.{phase}.live.log") for phase in ("build", "run")]
            Path(f"{stem}.live.log").write_bytes(b"\n".join(part.read_bytes() for part in parts if part.exists()))
            say(f"  Combined: {stem}.live.log")


def _json_lines(value: object) -> list[str]:
    return json.dumps(value, indent=2).split("\n")
