# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's command lines. Expected texts and exit codes were read off madengine v1.0.0 and v2.1.0 themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.demo.conftest import Host

NOISE = "MAD_MINIO environment variable is not set.\nMAD_MINIO is using default values.\n"
USAGE_V1 = "usage: madengine [-h] [-v] {run,discover,report,database,validate} ...\n"


def box(*lines: str, title: str) -> str:
    """What v2 prints around a message on a console of 200 columns."""
    edge = (
        f" {title} ".center(198, "─")
        if len(title) % 2 == 0
        else ("─" * ((196 - len(title)) // 2) + f" {title} ").ljust(198, "─")
    )
    return "".join([f"╭{edge}╮\n", *(f"│ {line.ljust(196)} │\n" for line in lines), f"╰{'─' * 198}╯\n"])


def usage_v2(command: str, message: str) -> str:
    """What v2 prints to stderr for a word it does not take."""
    words = f"{command} [OPTIONS]" if command != "madengine" else "madengine [OPTIONS] COMMAND [ARGS]..."
    return f"Usage: {words}\nTry '{command} --help' for help.\n" + box(message, title="Error")


@pytest.mark.parametrize(
    ("version", "words", "code", "out"),
    [
        pytest.param("1", ["--version"], 0, NOISE + "1.0.0\n", id="v1"),
        pytest.param("1", ["-v"], 0, NOISE + "1.0.0\n", id="v1-short"),
        pytest.param("2", ["--version"], 0, "🚀 madengine version 2.1.0\n", id="v2"),
    ],
)
def test_version_when_asked_then_prints_as_the_real_one(
    make_host: Callable[..., Host], version: str, words: list[str], code: int, out: str
) -> None:
    """`--version` prints v1's two lines of noise and a bare number, or v2's one line."""
    result = make_host(version).run(*words)
    assert (result.code, result.out, result.err) == (code, out, "")


def test_version_when_called_by_a_numbered_name_then_the_name_wins(make_host: Callable[..., Host]) -> None:
    """A link called madengine1 is version 1, whatever the variable says."""
    host = make_host("2")
    program = host.mad.parent / "bin" / "madengine"
    program.rename(program.with_name("madengine1"))
    program.symlink_to("madengine1")
    assert host.run("--version").out == "🚀 madengine version 2.1.0\n"
    program.unlink()
    program.write_text('#!/bin/sh\nexec "$(dirname "$0")/madengine1" "$@"\n')
    program.chmod(0o755)
    assert host.run("--version").out == NOISE + "1.0.0\n"


def test_version_1_when_run_anywhere_then_leaves_its_log_and_copies_the_model_dir(
    make_host: Callable[..., Host],
) -> None:
    """Even `--version` of v1 makes madengine.log and copies $MODEL_DIR into the working directory."""
    host = make_host("1")
    source = host.mad.parent / "source"
    source.mkdir()
    (source / "credential.json").write_text('{"MAD_MINIO": {}}')
    result = host.run("--version", env={"MODEL_DIR": str(source)})
    copied = f"Current working directory: {host.mad}\nModel dir: {source} copied to current dir: {host.mad}\n"
    assert result.out == copied + NOISE.split("\n", maxsplit=1)[0] + "\n1.0.0\n"
    assert (host.mad / "madengine.log").read_text() == ""


@pytest.mark.parametrize(
    ("version", "words", "err"),
    [
        pytest.param(
            "1", ["run", "--bad"], USAGE_V1 + "madengine: error: unrecognized arguments: --bad\n", id="v1-flag"
        ),
        pytest.param(
            "1",
            ["run", "--tags", "demo_sleep", "-l"],
            USAGE_V1 + "madengine: error: unrecognized arguments: -l\n",
            id="v1-has-no-short-live",
        ),
        pytest.param("2", ["-v"], usage_v2("madengine", "No such option: -v"), id="v2-no-short-version"),
        pytest.param("2", ["bogus"], usage_v2("madengine", "No such command 'bogus'."), id="v2-command"),
        pytest.param("2", ["run", "--bad", "--help"], usage_v2("madengine run", "No such option: --bad"), id="v2-flag"),
        pytest.param(
            "2",
            ["run", "--live"],
            usage_v2("madengine run", "No such option: --live (Possible options: --keep-alive, --live-output)"),
            id="v2-names-close-options",
        ),
        pytest.param(
            "2",
            ["run", "--tag", "a"],
            usage_v2("madengine run", "No such option: --tag (Possible options: --tags)"),
            id="v2-takes-no-abbreviation",
        ),
        pytest.param(
            "2",
            ["run", "--tags", "a", "b"],
            usage_v2("madengine run", "Got unexpected extra argument(s) (b)"),
            id="v2-two-words-after-tags",
        ),
        pytest.param(
            "2",
            ["run", "--timeout", "x"],
            usage_v2(
                "madengine run",
                "Invalid value for '--timeout': Input should be a valid integer, unable to parse string as an integer",
            ),
            id="v2-timeout",
        ),
        pytest.param(
            "2", ["run", "--tags"], box("Option '--tags' requires an argument.", title="Error"), id="v2-no-value"
        ),
        pytest.param(
            "2",
            ["run", "--live-output=1"],
            box("Option '--live-output' does not take a value.", title="Error"),
            id="v2-flag-with-value",
        ),
    ],
)
def test_command_line_when_wrong_then_refused_with_2(
    make_host: Callable[..., Host], version: str, words: list[str], err: str
) -> None:
    """A word the real tool does not take is refused with exit code 2 and its message on stderr."""
    result = make_host(version).run(*words)
    assert (result.code, result.err) == (2, err)


def test_v1_when_timeout_is_no_number_then_refused_with_2(make_host: Callable[..., Host]) -> None:
    """Argparse names the bad value last, after the usage of `run`."""
    result = make_host("1").run("run", "--timeout", "x")
    assert (result.code, result.err.splitlines()[-1]) == (
        2,
        "madengine run: error: argument --timeout: invalid int value: 'x'",
    )


@pytest.mark.parametrize(
    ("words", "out"),
    [
        pytest.param(
            ["--timeout", "-2"],
            "❌ Timeout must be -1 (default), 0 (no timeout), or a positive integer\n",
            id="timeout-below-minus-one",
        ),
        pytest.param(
            ["-c", "[1]"],
            "❌ additional_context must be a JSON object at the top level, not a list or scalar.\n",
            id="list",
        ),
        pytest.param(
            ["-f", "nofile"],
            "❌ Failed to load additional context file: [Errno 2] No such file or directory: 'nofile'\n",
            id="no-file",
        ),
    ],
)
def test_v2_when_argument_is_wrong_then_4(make_host: Callable[..., Host], words: list[str], out: str) -> None:
    """V2 refuses bad values with exit code 4, on stdout."""
    result = make_host("2").run("run", "--tags", "demo_env", *words)
    assert (result.code, result.out) == (4, out)


@pytest.mark.parametrize(
    ("version", "code", "last"),
    [
        pytest.param("1", 0, "All models ran successfully.", id="v1"),
        pytest.param("2", 4, "  • Provide --tags to build and run models", id="v2"),
    ],
)
def test_run_when_no_tags_then_v1_is_content_and_v2_refuses(
    make_host: Callable[..., Host], version: str, code: int, last: str
) -> None:
    """Without tags v1 runs nothing and says that all went well; v2 ends with 4."""
    result = make_host(version).run("run")
    assert (result.code, result.out.splitlines()[-1]) == (code, last)


@pytest.mark.parametrize(
    ("version", "tags", "code", "line"),
    [
        pytest.param("1", ["demo_env"], 0, '        "name": "demo_env",', id="v1-found"),
        pytest.param("1", ["demo_env", "demo_data"], 0, '        "name": "demo_data",', id="v1-words"),
        pytest.param("1", ["all"], 0, '        "name": "demo_multi",', id="v1-all"),
        pytest.param("2", ["all"], 0, '        "name": "demo_multi",', id="v2-all"),
        pytest.param("1", ["demo_env,demo_data"], 1, "Discovering all models in the project", id="v1-splits-no-commas"),
        pytest.param("1", ["nosuch"], 1, "Discovering all models in the project", id="v1-unknown"),
        pytest.param("2", ["demo_env,demo_data"], 0, '        "name": "demo_data",', id="v2-commas"),
        pytest.param("2", ["demo_env:a=1"], 0, '        "args": " --a 1"', id="v2-extra-arguments"),
        pytest.param("2", ["nosuch"], 1, "❌ No models found corresponding to the given tag: nosuch", id="v2-unknown"),
    ],
)
def test_discover_when_asked_for_tags_then_lists_or_fails(
    make_host: Callable[..., Host], version: str, tags: list[str], code: int, line: str
) -> None:
    """`discover --tags` needs no GPU, prints the cards, and ends with 1 for a tag that means nothing."""
    result = make_host(version, gpus=False).run("discover", "--tags", *tags)
    assert result.code == code
    assert line in result.out.splitlines()


@pytest.mark.parametrize(
    ("version", "tag", "code", "last"),
    [
        pytest.param(
            "1", "nosuch", 1, "ValueError: No models found corresponding to the given tag: nosuch", id="v1-tag"
        ),
        pytest.param("2", "nosuch", 2, "", id="v2-tag"),
    ],
)
def test_run_when_tag_is_unknown_then_v1_1_and_v2_2(
    make_host: Callable[..., Host], version: str, tag: str, code: int, last: str
) -> None:
    """An unknown tag is an uncaught exception in v1 and a build error in v2."""
    result = make_host(version).run("run", "--tags", tag)
    assert (result.code, (result.err.splitlines() or [""])[-1]) == (code, last)


@pytest.mark.parametrize(("version", "code"), [pytest.param("1", 1, id="v1"), pytest.param("2", 3, id="v2")])
def test_run_when_no_gpu_tool_then_v1_1_and_v2_3(make_host: Callable[..., Host], version: str, code: int) -> None:
    """Without a GPU tool nothing runs: v1 dies of an exception, v2 ends with 3."""
    host = make_host(version, gpus=False)
    result = host.run("run", "--tags", "demo_env")
    assert result.code == code
    assert "Unable to determine gpu vendor." in result.out + result.err
    assert not (host.mad / "perf.csv").exists()


@pytest.mark.parametrize("version", ["1", "2"])
def test_run_when_not_in_a_checkout_then_fails(make_host: Callable[..., Host], version: str) -> None:
    """Without models.json v1 ends with 1 and v2, in its build phase, with 2."""
    host = make_host(version)
    (host.mad / "models.json").unlink()
    result = host.run("run", "--tags", "demo_env")
    assert result.code == int(version)
    assert "models.json file not found." in result.out + result.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["build", "--tags", "demo_env"], id="command"),
        pytest.param(["run", "--tags", "demo_env", "-c", '{"slurm": {}}'], id="slurm"),
        pytest.param(["run", "--tags", "demo_env", "-c", '{"k8s": {}}'], id="k8s"),
        pytest.param(
            ["run", "--tags", "demo_env", "-c", '{"distributed": {"launcher": "slurm_multi"}}'], id="launcher"
        ),
        pytest.param(["run", "--manifest-file", "models.json"], id="manifest"),
    ],
)
def test_v2_when_the_stand_in_cannot_do_it_then_70_and_it_says_so(
    make_host: Callable[..., Host], words: list[str]
) -> None:
    """What the real tool would do and the stand-in cannot is refused by name."""
    result = make_host("2").run(*words)
    assert result.code == 70
    assert result.err.startswith("madengine stand-in: ")


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        pytest.param("1", "--generate-sys-env-details", "--manifest-file", id="v1"),
        pytest.param("2", "--manifest-file", "--generate-sys-env-details", id="v2"),
    ],
)
def test_help_when_asked_for_run_then_tells_the_versions_apart(
    make_host: Callable[..., Host], version: str, has: str, lacks: str
) -> None:
    """`run --help` ends with 0 and names the options by which the versions can be told apart."""
    result = make_host(version).run("run", "--help")
    assert (result.code, has in result.out, lacks in result.out) == (0, True, False)
