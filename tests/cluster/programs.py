# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a node's own directory of programs: the stand-in madengine, torchrun, a GPU tool, a shifted clock."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from tests.cluster.options import DEMO, NodeOptions

_BIN = Path(__file__).with_name("bin")


def link_programs(directory: Path, options: NodeOptions, demo: str) -> Path:
    """Fill ``directory/bin``.

    Args:
        directory: The node's own directory.
        options: What the node has.
        demo: Where the node sees demo/ of the clone.
    """
    programs = directory / "bin"
    programs.mkdir()
    for path in _stand_ins():
        if path.name != "madengine" or options.madengine:
            (programs / path.name).symlink_to(f"{demo}/{path.relative_to(DEMO)}")
    (directory / "gpus").write_text(f"{options.gpus}\n")
    if options.gpus:
        shutil.copy(_BIN / "rocm-smi", programs)
    if options.clock_skew_s:
        _shift_clock(directory, options)
    elif options.python:
        # Not a link: a virtual environment is found by the path that its interpreter was started with.
        _write_program(programs / "python3", f'#!/bin/sh\nexec {shlex.quote(str(options.python))} "$@"\n')
    return programs


def _stand_ins() -> list[Path]:
    """The programs of demo/: `demo/madengine` and everything in `demo/bin`."""
    found = [DEMO / "madengine", *sorted((DEMO / "bin").glob("*"))]
    return [path for path in found if path.is_file()]


def _shift_clock(directory: Path, options: NodeOptions) -> None:
    """A `python3` that sees another wall clock (Linux has no time namespace for it)."""
    interpreter = options.python or Path("/usr/bin/python3")
    text = (_BIN / "python-skewed").read_text()
    _write_program(directory / "bin" / "python3", f"#!{interpreter}\n{text}")
    (directory / "clock_skew_s").write_text(f"{options.clock_skew_s}\n")


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def interpreter_dirs() -> tuple[Path, ...]:
    """Directories that must be visible on a node to run the interpreter of these tests there."""
    return tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix))))
