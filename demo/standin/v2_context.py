# SPDX-License-Identifier: GPL-3.0-or-later
"""The additional context of madengine v2: read, merged, checked."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, Dict, NoReturn

from standin.console import say
from standin.errors import UnsupportedError
from standin.v2_errors import EXIT_ARGUMENTS, ExitError

Context = Dict[str, Any]

_EXAMPLE = """--additional-context '{"docker_build_arg": {"MAD_SYSTEM_GPU_ARCHITECTURE": "gfx942"}}'"""
_DEFAULTS = {"gpu_vendor": "AMD", "guest_os": "UBUNTU"}
_ALLOWED = {"gpu_vendor": ("AMD", "NVIDIA"), "guest_os": ("UBUNTU", "CENTOS")}
_OBJECTS = ("docker_mounts", "env_vars")
_ARRAYS = ("tools", "pre_scripts")
_DEPLOYMENTS = ("k8s", "slurm", "kubernetes", "distributed", "vllm", "deployment_config", "deploy")
_NOT_HERE = ("k8s", "slurm", "kubernetes", "tools", "pre_scripts", "post_scripts")
# Key -> types and how they are called, in the order in which v2 looks.
_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "docker_gpus": ((str,), "a string"),
    "MAD_CONTAINER_IMAGE": ((str,), "a string"),
    "timeout": ((int, float, type(None)), "a number"),
    "debug": ((bool, type(None)), "a boolean"),
    "gpu_vendor": ((str,), "a string"),
    "guest_os": ((str,), "a string"),
    "MAD_ROCM_PATH": ((str, type(None)), "a string (host ROCm root override)"),
    "log_error_pattern_scan": ((bool, str, int, float, type(None)), "a boolean, string, number, or null"),
}


def make(text: str, file: str | None) -> Context:
    """Return the user's context, empty when none was given; a key on the command line replaces the file's whole key.

    Raises:
        ExitError: 4, when it cannot be read or a known key has the wrong type.
        UnsupportedError: It asks for something the stand-in cannot do.
    """
    given = bool(text) and text.strip() != "{}"
    if not file and not given:
        return {}
    context = _from_file(file) if file else {}
    if given:
        context.update(_from_text(text))
        say("✅ Loaded additional context from command line")
    _add_defaults(context)
    _check_types(context)
    _check_choices(context)
    _refuse_unsupported(context)
    return context


def _from_file(path: str) -> Context:
    try:
        context = json.loads(Path(path).read_text())
    except (FileNotFoundError, json.JSONDecodeError) as error:
        _fail(f"❌ Failed to load additional context file: {error}")
    if not isinstance(context, dict):
        _fail("❌ additional-context file must contain a JSON object at the top level.")
    say(f"✅ Loaded additional context from file: {path}")
    return dict(context)


def _from_text(text: str) -> Context:
    """Read JSON, else a Python literal."""
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError:
        try:
            parsed = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            _fail(
                f"❌ Invalid additional_context format: {error}",
                f"💡 Use JSON or a Python dict literal, e.g. {_EXAMPLE}",
            )
    if not isinstance(parsed, dict):
        _fail("❌ additional_context must be a JSON object at the top level, not a list or scalar.")
    return dict(parsed)


def _add_defaults(context: Context) -> None:
    missing = {key: value for key, value in _DEFAULTS.items() if key not in context}
    context.update(missing)
    if missing:
        say("\nℹ️  Using default values for build configuration:")  # noqa: RUF001 - the tool's own sign
        for key, value in missing.items():
            say(f"   • {key}: {value} (default)")
        say("""\n💡 To customize, use --additional-context '{"gpu_vendor": "NVIDIA", "guest_os": "CENTOS"}'\n""")


def _check_types(context: Context) -> None:
    _check_build_arguments(context)
    if not isinstance(context.get("docker_env_vars", {}), dict):
        _wrong("docker_env_vars", "an object")
    if not isinstance(context.get("docker_env_vars", {}).get("ROCM_PATH"), (str, type(None))):
        _wrong("docker_env_vars['ROCM_PATH']", "a string (container ROCm root override)")
    for keys, kind, name in (
        (_OBJECTS, dict, "an object"),
        (_ARRAYS, list, "an array"),
        (_DEPLOYMENTS, dict, "an object"),
    ):
        for key in keys:
            if not isinstance(context.get(key, kind()), kind):
                _wrong(key, name)
    for key, (types, name) in _SCALARS.items():
        if key in context and not isinstance(context[key], types):
            _wrong(key, name)
    for key, empty_allowed, name in (
        ("log_error_benign_patterns", True, "an array of strings"),
        ("log_error_patterns", False, "a non-empty array of strings"),
    ):
        if key in context and not _strings(context[key], empty_allowed=empty_allowed):
            _wrong(key, name)


def _check_build_arguments(context: Context) -> None:
    arguments = context.get("docker_build_arg", {})
    if not isinstance(arguments, dict):
        _wrong("docker_build_arg", "an object (string values)")
    for key, value in arguments.items():
        if not isinstance(key, str):
            _wrong("docker_build_arg", "an object with string keys")
        if not isinstance(value, (str, int, float, bool)):
            _wrong(f"docker_build_arg['{key}']", "a string, number, or boolean (Docker build-arg values)")
        arguments[key] = str(value)


def _strings(value: object, *, empty_allowed: bool) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) for x in value) and (empty_allowed or bool(value))


def _check_choices(context: Context) -> None:
    for key, allowed in _ALLOWED.items():
        value = context[key].upper()
        if value not in allowed:
            _fail(f"❌ Invalid {key}: {context[key]}", f"💡 Supported values: {', '.join(allowed)}")
        context[key] = value
    say(f"✅ Context validated: {context['gpu_vendor']} + {context['guest_os']}")


def _refuse_unsupported(context: Context) -> None:
    launcher = context.get("distributed", {}).get("launcher")
    found = [key for key in _NOT_HERE if key in context]
    found += ["distributed.launcher: slurm_multi"] if launcher == "slurm_multi" else []
    if found:
        message = f"the context key {found[0]} is not supported"
        raise UnsupportedError(message)


def _wrong(key: str, expected: str) -> NoReturn:
    _fail(f"❌ Invalid additional context: key {key} must be {expected}.", f"💡 Example: {_EXAMPLE}")


def _fail(*lines: str) -> NoReturn:
    for line in lines:
        say(line)
    raise ExitError(EXIT_ARGUMENTS)
