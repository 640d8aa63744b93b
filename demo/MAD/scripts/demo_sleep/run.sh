# SPDX-License-Identifier: GPL-3.0-or-later
# A tick every DEMO_TICK_S for DEMO_SECONDS ticks.
for tick in $(seq 1 "${DEMO_SECONDS:-60}"); do
  echo "tick $tick of ${DEMO_SECONDS:-60} on node ${NODE_RANK:-0}"
  sleep "${DEMO_TICK_S:-1}"
done
echo "performance: 1 ticks_per_second"
