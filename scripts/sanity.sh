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
cp scripts/get_pip.py "$folder/home/.ansible/test/cache/get_pip_24_2.py"
python scripts/pip_settings.py >"$folder/home/.config/pip/pip.conf"

cd "$folder/ansible_collections/madlaunch/multinode"
# ansible-test asks git which files there are, and the folder may lie in a clone that ignores it: a repository of its own.
git init -q .
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
log=$folder/sanity.log
# pslint is for PowerShell; shellcheck is no Python package, and the collection has no shell scripts.
if HOME="$folder/home" LC_ALL=C.UTF-8 \
  ansible-test sanity --local --python "$version" --skip-test pslint --skip-test shellcheck >"$log" 2>&1; then
  count=$(grep -c '^Running sanity test' "$log" || true)
  # No files, no tests, no fault: that would pass for ever.
  [ "$count" -ge 15 ] || { printf 'Only %d sanity tests ran; see %s\n' "$count" "$log" && exit 1; }
  printf '%d sanity tests found nothing.\n' "$count"
else
  grep -E '^(Running|ERROR|FATAL|See documentation)' "$log"
  printf 'The whole output is in %s\n' "$log"
  exit 1
fi
