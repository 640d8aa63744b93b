#!/usr/bin/env bash
# Run ansible-test's sanity tests on the collection as it would be installed: built, then unpacked.
# Usage: sanity.sh FOLDER (for the collection and for what ansible-test keeps between runs)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mkdir -p "$1" && cd "$1" && pwd)

rm -rf "$folder/artifact" "$folder/ansible_collections"
ansible-galaxy collection build --output-path "$folder/artifact" . >/dev/null
export ANSIBLE_COLLECTIONS_PATH=$folder
ansible-galaxy collection install --no-deps --offline "$folder"/artifact/*.tar.gz >/dev/null

# ansible-test makes its own virtual environments and would download the program that puts pip into them. A home of
# its own holds ours instead (pip comes with Python), so that only packages are fetched, as pip is set up to do here.
mkdir -p "$folder/home/.ansible/test/cache" "$folder/home/.config/pip"
# Each ansible-core has its own version of pip, and looks for the program under that name.
requirements=$(python -c 'import ansible_test._internal as package; print(package.__path__[0])')/python_requirements.py
for version in $(grep -o "pip='[0-9.]*'" "$requirements" | tr -d "pi='"); do
  cp scripts/get_pip.py "$folder/home/.ansible/test/cache/get_pip_${version//./_}.py"
done
python scripts/pip_settings.py >"$folder/home/.config/pip/pip.conf"

# The artifact has no tests; the exceptions (a reason in each line) are read from where ansible-test looks for them.
mkdir -p "$folder/ansible_collections/madlaunch/multinode/tests"
cp -R tests/sanity "$folder/ansible_collections/madlaunch/multinode/tests/"

cd "$folder/ansible_collections/madlaunch/multinode"
# ansible-test asks git which files there are, and the folder may lie in a clone that ignores it: a repository of its own.
git init -q .
python_version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
log=$folder/sanity.log
# pslint is for PowerShell; shellcheck is no Python package, and the collection has no shell scripts.
if HOME="$folder/home" LC_ALL=C.UTF-8 \
  ansible-test sanity --local --python "$python_version" --skip-test pslint --skip-test shellcheck >"$log" 2>&1; then
  count=$(grep -c '^Running sanity test' "$log" || true)
  # No files, no tests, no fault: that would pass for ever.
  [ "$count" -ge 15 ] || { printf 'Only %d sanity tests ran; see %s\n' "$count" "$log" && exit 1; }
  printf '%d sanity tests found nothing.\n' "$count"
else
  grep -E '^(Running|ERROR|FATAL|See documentation)' "$log"
  printf 'The whole output is in %s\n' "$log"
  exit 1
fi
