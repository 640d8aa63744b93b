# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks of the launcher beside clush, pdsh and mpirun, on hosts of this machine; `python -m bench --help`."""
