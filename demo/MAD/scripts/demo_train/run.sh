# SPDX-License-Identifier: GPL-3.0-or-later
# v1's runner begins with assignments, so only eval reads it rightly; it does for v2's as well.
eval "${MAD_MULTI_NODE_RUNNER:-torchrun --standalone}" train.py "$@"
