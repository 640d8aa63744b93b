# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the benchmarks: `python -m bench`, or `bash bench.sh`, which also installs what they need."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.bars import bars
from bench.machine import describe_machine
from bench.plan import parse
from bench.report import report
from bench.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.figures import Results


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables and write the report; 1 when a part could not be measured, a missed bar is no error."""
    plan, path = parse(arguments)
    machine = describe_machine()
    suite = Suite(plan)
    for part in plan.parts:
        suite.run(part)
        write_report(path, machine, suite.results)
    print(f"\n{report(suite.results, machine)}\n\nAll figures are in {path}.")
    return 1 if suite.failed else 0


def write_report(path: Path, machine: dict[str, Any], results: Results) -> None:
    """Write everything so far; a benchmark of an hour that breaks off still has what it measured."""
    judged = [{**asdict(bar), "met": bar.met} for bar in bars(results)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "bars": judged, "results": asdict(results)}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
