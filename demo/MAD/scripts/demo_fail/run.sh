# SPDX-License-Identifier: GPL-3.0-or-later
# The node DEMO_FAIL_RANK ends with DEMO_FAIL_CODE after DEMO_FAIL_AFTER_S seconds; the others wait for DEMO_SECONDS.
echo "demo_fail on node ${NODE_RANK:-0}"
if [ "${NODE_RANK:-0}" = "${DEMO_FAIL_RANK:-1}" ]; then
  sleep "${DEMO_FAIL_AFTER_S:-1}"
  echo "demo_fail: node ${NODE_RANK:-0} ends with exit code ${DEMO_FAIL_CODE:-7}" >&2
  exit "${DEMO_FAIL_CODE:-7}"
fi
sleep "${DEMO_SECONDS:-60}"
echo "performance: 1 runs_per_minute"
