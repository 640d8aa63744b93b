# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for madengine that keeps the contract of v1.0.0 or v2.1.0, for tests and for a first try without GPUs.

It parses, refuses, prints, writes and exits as the real tool does (tests/unit/demo holds what was compared with it),
and runs the model's script as a plain process instead of in a container. Where it differs on purpose:

- No image is built and nothing is pulled. The "container" is a process in a session of its own that sees the host's
  file system, gets only the environment a container would get, and lives on when madengine dies by SIGTERM or SIGKILL.
- `docker stop` needs no second to pass, and data lies at `<mirror>/<name>` itself, not at a mount point below `/`.
- `build`, `report`, `database`, `validate`, manifests, tools, pre- and post-scripts, models with a url, and the slurm
  and k8s deployments are refused with exit code 70 and a message that names the stand-in.

Environment variables of its own:
    MADENGINE_STANDIN        major version to be, 1 or 2 (default 2); a name that ends in 1 or 2 (madengine1) wins.
    MADENGINE_STANDIN_STATE  directory that plays the docker daemon of this host: one JSON file per container, so that
                             a container left behind is found by the next run. Without it nothing is recorded.
    MADENGINE_STANDIN_PATH   PATH inside the container (default: madengine's own, then demo/bin, then the usual ones).
    MADENGINE_STANDIN_RAW    non-empty: pass the model's bytes on unchanged. The real tool fails on bytes that are not
                             UTF-8 and turns carriage returns into newlines; so does the stand-in without this.
"""
