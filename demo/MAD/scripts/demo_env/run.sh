# SPDX-License-Identifier: GPL-3.0-or-later
# The environment of the container as one line of JSON between two marks.
python3 -c 'import json, os; print("DEMO_ENV_BEGIN", json.dumps(dict(os.environ), sort_keys=True), "DEMO_ENV_END", sep="\n")'
echo "demo_env arguments: $*"
echo "performance: 1 environments"
