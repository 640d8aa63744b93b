# SPDX-License-Identifier: GPL-3.0-or-later
# Bytes that are not UTF-8. The real madengine makes a failure of them.
printf 'latin-1: caf\351, and all ones: \377\n'
echo "performance: 1 lines"
