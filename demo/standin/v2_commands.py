# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `run` and `discover` of madengine v2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from standin import discover as models
from standin import v2_context
from standin.console import panel, say
from standin.errors import UnsupportedError
from standin.v2_errors import EXIT_ARGUMENTS, EXIT_FAILURE, EXIT_RUN, RunError
from standin.v2_report import performance_table, results_table
from standin.v2_workflow import Workflow

_DEFAULT_TIMEOUT_S = 7200


def discover(options: dict[str, Any]) -> int:
    """List the models of the tags. Returns 0, or 1 when a tag means none."""
    tags = split_tags(options["tags"])
    panel("Model Discovery", ["🔍 Discovering Models", f"Tags: {tags or 'All models'}"])
    try:
        select(tags)
    except (OSError, ValueError) as error:
        say(f"💥 Model discovery failed: {error}")
        return EXIT_FAILURE
    say("✅ Model discovery completed successfully")
    return 0


def select(tags: list[str]) -> list[models.Model]:
    """Return and print the models of the tags; without tags print all names and return none.

    Raises:
        FileNotFoundError, ValueError: No models.json, no model for a tag.
    """
    try:
        found = models.all_models(scoped_tags=False)
        selected = models.select_v2(found, tags)
    except (OSError, ValueError) as error:
        say(f"❌ {error}")
        raise
    if selected:
        say(f"📋 Selected Models ({len(selected)} models):")
        print(json.dumps(selected, indent=4))
    else:
        say(f"📊 Available Models ({len(found)} total):")
        for model in found:
            print(f"  {model['name']}")
    return selected


def split_tags(tags: list[str]) -> list[str]:
    """Return the tags of all --tags, each a list with commas."""
    return [tag.strip() for word in tags for tag in word.split(",") if tag.strip()]


def run(options: dict[str, Any]) -> int:
    """Build and run the models of the tags.

    Returns:
        0 all went well, 1 cancelled, 2 nothing to build, 3 a model failed, 4 bad arguments.

    Raises:
        ExitError: 4, for a bad context.
    """
    tags = split_tags(options["tags"])
    if options["timeout"] < -1:
        say("❌ Timeout must be -1 (default), 0 (no timeout), or a positive integer")
        return EXIT_ARGUMENTS
    context = v2_context.make(options["additional_context"], options["additional_context_file"])
    timeout = {-1: _DEFAULT_TIMEOUT_S, 0: None}.get(options["timeout"], options["timeout"])
    manifest = options["manifest_file"]
    if manifest and Path(manifest).exists():
        message = "--manifest-file with an existing manifest is not supported"
        raise UnsupportedError(message)
    if manifest:
        say(f"⚠️  Manifest file {manifest} not found, running complete workflow")
    _announce(tags, options, timeout)
    try:
        return _finish(Workflow(options, context, timeout).run(tags), options)
    except RunError as error:
        say(str(error))
        say("\n💡 Suggestions:")
        for suggestion in error.suggestions:
            say(f"  • {suggestion}")
        return error.code
    except KeyboardInterrupt:
        say("\n🛑 Run cancelled by user")
        return EXIT_FAILURE


def _announce(tags: list[str], options: dict[str, Any], timeout: int | None) -> None:
    lines = [
        "🔨🚀 Complete Workflow (Build + Run)",
        f"Tags: {', '.join(tags) or 'All models'}",
        f"Registry: {options['registry'] or 'Local only'}",
        f"Timeout: {'disabled' if timeout is None else f'{timeout}s'}",
    ]
    skip = ["Skip run: yes (--skip-model-run)"] if options["skip_model_run"] else []
    panel("Workflow Configuration", lines + skip)


def _finish(summary: dict[str, Any], options: dict[str, Any]) -> int:
    results_table("Build Results", summary["build_phase"].get("successful_builds", []), [])
    done = summary["run_phase"]
    results_table("Execution Results", done["successful_runs"], done["failed_runs"])
    performance_table(options["output"], done["session_start_row"])
    Path(".madengine_session_start").unlink()
    if options["summary_output"]:
        Path(options["summary_output"]).write_text(json.dumps(summary, indent=2), encoding="utf-8")
        say(f"💾 Workflow summary saved to: {options['summary_output']}")
    if summary["overall_success"]:
        if done.get("skipped_model_run"):
            say("Model run was skipped (--skip-model-run); build completed.")
        say("🎉 Complete workflow finished successfully!")
        return 0
    say(f"💥 Workflow completed but {len(done['failed_runs'])} model executions failed")
    return EXIT_RUN
