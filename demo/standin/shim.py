# SPDX-License-Identifier: GPL-3.0-or-later
"""What docker's daemon is to an exec: runs one command and passes its output on, also when nobody listens any more.

Started as a program. Without it a training that outlives madengine would die at its next print, which in a container it
does not.
"""

from __future__ import annotations

import os
import subprocess
import sys

_CHUNK_BYTES = 65536


def main() -> int:
    """Run the command given as arguments. Returns its exit code, 128 + N when signal N ended it."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    source, listening = process.stdout.fileno(), True
    while True:
        data = os.read(source, _CHUNK_BYTES)
        if not data:
            break
        listening = listening and _passed_on(data)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _passed_on(data: bytes) -> bool:
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
