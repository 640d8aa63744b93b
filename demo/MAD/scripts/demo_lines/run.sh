# SPDX-License-Identifier: GPL-3.0-or-later
# DEMO_LINES numbered lines as fast as they can be written.
seq -f "node ${NODE_RANK:-0} line %05.0f of ${DEMO_LINES:-20000}" 1 "${DEMO_LINES:-20000}"
echo "performance: ${DEMO_LINES:-20000} lines"
