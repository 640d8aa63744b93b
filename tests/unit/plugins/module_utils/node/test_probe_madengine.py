# SPDX-License-Identifier: GPL-3.0-or-later
"""madengine and the GPU tools, played by scripts on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import probe_madengine
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.probe_gpus import gpus

MISSING = {"path": None, "version": None, "major": None}


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a folder bin on PATH, a checkout MAD, and a MODEL_DIR that must not be used."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "MAD" / "scripts").mkdir(parents=True)
    (tmp_path / "MAD" / "models.json").write_text("[]")
    (tmp_path / "MAD" / "old.log").write_text("kept")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("MODEL_DIR", "/nonexistent")
    return tmp_path


def program(home: Path, text: str, path: str = "bin/madengine") -> str:
    """Write an executable shell script."""
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("output", "version", "major"),
    [
        ("echo 'MAD_MINIO is using default values.'; echo 1.0.0", "1.0.0", 1),
        ("echo '\U0001f680 madengine version 2.1.0'", "2.1.0", 2),
        ("echo 'madengine version 2.1.0.post8+gef87d05'", "2.1.0", 2),
        ("echo 'python 3.11.7 in use'; echo 'madengine version 10.20.30'", "10.20.30", 10),
        ("echo 'warning 9.9.9' >&2; echo 1.2.3; exit 1", "1.2.3", 1),
    ],
    ids=["v1-noise", "v2-emoji", "v2-development", "last-one", "stderr-ignored"],
)
def test_madengine_when_it_names_its_version_then_the_last_one_on_stdout_counts(
    home: Path, output: str, version: str, major: int
) -> None:
    """Both major versions print noise around it."""
    path = program(home, output)
    told = probe_madengine.madengine("madengine", str(home / "MAD"))
    assert told == {"path": path, "version": version, "major": major, "error": None, "elsewhere": []}


@pytest.mark.parametrize("given", ["~/own/madengine", "own/madengine", "{home}/own/madengine"])
def test_madengine_when_a_path_is_given_then_it_starts_at_the_home(home: Path, given: str) -> None:
    """A relative path means the same as after a login; ~ is expanded."""
    path = program(home, "echo 1.0.0", "own/madengine")
    told = probe_madengine.madengine(given.replace("{home}", str(home)), str(home / "MAD"))
    assert (told["path"], told["major"]) == (path, 1)


def test_madengine_when_it_is_not_on_path_then_the_usual_places_are_looked_at(home: Path) -> None:
    """A login without ~/.local/bin on PATH is the common mistake."""
    path = program(home, "echo 1.0.0", ".local/bin/madengine")
    error = "no executable file named 'madengine' on the PATH of the login"
    told = probe_madengine.madengine("madengine", str(home / "MAD"))
    assert told == {**MISSING, "error": error, "elsewhere": [path]}


def test_madengine_when_the_path_is_wrong_then_it_says_how(home: Path) -> None:
    """Missing is not the same as not executable."""
    (home / "plain").write_text("")
    messages = [str(probe_madengine.madengine(f"{home}/{name}", "/")["error"]) for name in ("none", "plain")]
    assert messages == [f"{home}/none does not exist", f"{home}/plain is no file that this login may execute"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo '  ImportError: x\"y' >&2; exit 1",
            " --version ended with 1 and named no version; it said: '  ImportError: x\"y'",
        ),
        ("sleep 60 & sleep 60", " --version: did not end within 0.5 s"),
    ],
    ids=["broken", "hangs"],
)
def test_madengine_when_it_is_broken_then_what_it_said_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """A madengine that cannot start is found, but has no version."""
    monkeypatch.setattr(probe_madengine, "_TIMEOUT_S", 0.5)
    path = program(home, script)
    told = probe_madengine.madengine("madengine", str(home / "MAD"))
    assert told == {"path": path, "version": None, "major": None, "error": path + reason, "elsewhere": []}


def test_discover_when_asked_then_the_checkout_stays_as_it_was(home: Path) -> None:
    """The program sees the checkout, without MODEL_DIR and old logs, and what it writes there is gone afterwards."""
    log = home / "asked"
    program(
        home, f'echo "$@" "$(ls | tr "\\n" " ")" "${{MODEL_DIR-unset}}" "$NO_COLOR" > {log}; touch madengine.log; pwd'
    )
    before = sorted(str(path) for path in (home / "MAD").rglob("*"))
    told = probe_madengine.discover("madengine", str(home / "MAD"), "tag'x;y")
    scratch = str(told.pop("tail"))
    assert told == {"ran": True, "rc": 0, "found": True}
    assert log.read_text() == "discover --tags tag'x;y models.json scripts  unset 1\n"
    assert sorted(str(path) for path in (home / "MAD").rglob("*")) == before
    assert not Path(scratch).exists()


def test_discover_when_the_model_is_unknown_then_the_end_of_its_words_is_told(home: Path) -> None:
    """Colors are taken out of what is shown."""
    program(home, "printf 'one\\n\\n\\033[31mNo models found\\033[0m\\n'; exit 1")
    told = probe_madengine.discover("madengine", str(home / "MAD"), "x")
    assert told == {"ran": True, "rc": 1, "found": False, "tail": "one\nNo models found"}


@pytest.mark.parametrize("missing", ["MAD/models.json", "bin/madengine"])
def test_discover_when_there_is_nothing_to_ask_then_it_does_not_run(home: Path, missing: str) -> None:
    """Without a checkout or madengine, other checks speak."""
    program(home, "exit 0")
    (home / missing).unlink()
    told = probe_madengine.discover("madengine", str(home / "MAD"), "x")
    assert told == {"ran": False, "rc": None, "found": False, "tail": ""}


AMD = "echo; echo gpu,gpu_bdf,gpu_uuid; for i in 0 1 2; do echo $i,0000:0$i:00.0,x; done"
ROCM = "echo device,Device Name; for i in 0 1; do echo card$i,MI300X; done"
NVIDIA = 'for i in 0 1 2 3; do echo "GPU $i: H100 (UUID: x)"; done'


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ({}, {"count": None, "source": ""}),
        ({"rocm-smi": ROCM}, {"count": 2, "source": "rocm-smi --showid --csv"}),
        ({"amd-smi": AMD, "rocm-smi": ROCM}, {"count": 3, "source": "amd-smi list --csv"}),
        ({"amd-smi": "exit 1", "rocm-smi": ROCM}, {"count": 2, "source": "rocm-smi --showid --csv"}),
        ({"nvidia-smi": NVIDIA}, {"count": 4, "source": "nvidia-smi -L"}),
        ({"rocm-smi": "echo no devices"}, {"count": 0, "source": "rocm-smi --showid --csv"}),
    ],
    ids=["nothing", "rocm", "amd-first", "broken-tool", "nvidia", "no-devices"],
)
def test_gpus_when_only_tools_can_tell_then_the_first_that_counts_is_believed(
    home: Path, tools: dict[str, str], expected: dict[str, object]
) -> None:
    """The tools are those with which madengine counts."""
    for name, script in tools.items():
        program(home, script, f"bin/{name}")
    assert gpus(str(home / "no-kfd"), str(home / "no-nvidia")) == expected


def test_gpus_when_the_kernel_knows_then_no_tool_is_asked(home: Path) -> None:
    """CPUs are nodes of the topology too; a node that may not be read is no GPU."""
    program(home, "echo card0,x; touch $HOME/asked", "bin/rocm-smi")
    for node, properties in (("0", "cpu_cores_count 96\nsimd_count 0\n"), ("1", "simd_count 304\n"), ("2", None)):
        folder = home / "kfd" / node
        folder.mkdir(parents=True)
        if properties is not None:
            (folder / "properties").write_text(properties)
    told = gpus(str(home / "kfd"), str(home / "no-nvidia"))
    assert (told, (home / "asked").exists()) == ({"count": 1, "source": str(home / "kfd")}, False)


def test_search_path_when_rocm_is_not_on_it_then_it_comes_first(home: Path) -> None:
    """The tools of ROCm are often missing from the PATH of a non-interactive login."""
    log = home / "path"
    program(home, f"echo $PATH > {log}; echo 1.0.0")
    probe_madengine.madengine("madengine", str(home / "MAD"))
    assert log.read_text().strip() == "/opt/rocm/bin:" + os.environ["PATH"]
