# SPDX-License-Identifier: GPL-3.0-or-later
# Ends only by SIGKILL.
trap '' INT TERM HUP
echo "demo_hang: waiting on node ${NODE_RANK:-0}"
while :; do sleep 1; done
