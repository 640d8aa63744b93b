# SPDX-License-Identifier: GPL-3.0-or-later
# PyTorch's own torchrun, of whatever python3 comes first on PATH; another torchrun may come first.
torchrun() { python3 -m torch.distributed.run "$@"; }
eval "${MAD_MULTI_NODE_RUNNER:-torchrun --standalone}" train.py "$@"
