#!/usr/bin/env bash
# Try the collection with every supported version of ansible-core, on nodes with every supported Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
Usage: bash scripts/matrix.sh [--with-sanity] [--help] [VERSION ...]

For each version of ansible-core (2.17, 2.18, 2.19, 2.20 and newest; or those named): makes .venv-matrix/VERSION, builds
and installs the collection with it, and runs tests/matrix: launch, failure, stop, collect and dry run by
ansible-playbook on nodes of which each has another Python from 3.8 on, and from 2.19 on also the launcher. Then the
tests that compare the three doors, and those of AWX, with that version in ansible-playbook and in the AWX job. With the
oldest version also the tests of launches in an Ansible estate. Needs root (the nodes are network namespaces) and OpenSSH.
A version for which this machine has no fitting Python is named and left out; Pythons are looked for on PATH and where
pyenv puts them.

  --with-sanity  also ansible-test sanity with the oldest and the newest version (test.sh has it with its own)
TEXT
}

# Which Pythons (3.x) each version runs on, the one to take first. "newest" is whatever pip finds.
cores=("2.17:11 12" "2.18:12 11 13" "2.19:13 11 12" "2.20:12 13" "newest:13 12")

sanity=no wanted=()
for argument in "$@"; do
  case $argument in
    --with-sanity) sanity=yes ;;
    --help | -h) usage && exit ;;
    -*) usage >&2 && exit 2 ;;
    *) wanted+=("$argument") ;;
  esac
done
for version in "${wanted[@]}"; do
  [[ " ${cores[*]}" == *" $version:"* ]] || { printf 'Not among the versions: %s\n' "$version" >&2 && exit 2; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LOG=$work/install.log
. scripts/environment.sh
[ "$(id -u)" -eq 0 ] || die "The nodes of the matrix are network namespaces: run it as root."
install_packages git:git sshd:openssh-server ssh:openssh-client ip:iproute2 unshare:util-linux mount:mount ps:procps

# Whether a version is the oldest of all. $1: the version
is_oldest() { [ "$1" = "${cores[0]%%:*}" ]; }

# Print the first of the Pythons 3.$1, 3.$2 ... that this machine has and that can be run.
first_python() {
  local minor candidate
  for minor in "$@"; do
    for candidate in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python3; do
      if "$candidate" -c "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, $minor))" 2>/dev/null; then
        command -v "$candidate" && return
      fi
    done
  done
}

# Make the environment of one version: what the launcher needs, but for ansible-core, and pytest. The oldest has paramiko,
# a connection of which newer versions know less and less. $1: the version; $2: its Python.
make_core() {
  local core="ansible-core~=$1.0"
  [ "$1" != newest ] || core=ansible-core
  [ -x ".venv-matrix/$1/bin/python" ] || "$2" -m venv ".venv-matrix/$1"
  { grep -v -e '^#' -e '^ansible-core' requirements.txt && grep '^pytest[>-]' requirements-dev.txt && echo "$core"
    ! is_oldest "$1" || echo paramiko; } \
    >"$work/requirements.txt"
  ".venv-matrix/$1/bin/python" -m pip install --disable-pip-version-check --upgrade -r "$work/requirements.txt" \
    >"$LOG" 2>&1 || die "pip failed: $(tail -n 20 "$LOG")"
}

# The doors are compared by the launcher of .venv, which is bound to its own ansible-core. $1: the environment's bin.
compare_doors() {
  MADLAUNCH_TEST_ANSIBLE_PLAYBOOK=$1/ansible-playbook .venv/bin/pytest -n 2 --dist loadfile \
    tests/integration/test_three_doors.py tests/integration/test_awx.py
}

make_environment .venv -r requirements-dev.txt
results=() failed=0
for entry in "${cores[@]}"; do
  version=${entry%%:*}
  [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $version "* ]] || continue
  read -ra minors <<<"${entry#*:}"
  python=$(first_python "${minors[@]}")
  if [ -z "$python" ]; then
    results+=("left out  ansible-core $version: needs Python $(printf '3.%s ' "${minors[@]}")")
    continue
  fi
  printf '\n== ansible-core %s\n' "$version"
  make_core "$version" "$python"
  bin=$PWD/.venv-matrix/$version/bin
  name="ansible-core $("$bin/python" -c 'import ansible.release, sys
print(ansible.release.__version__, "on Python %d.%d" % sys.version_info[:2])')"
  word=ok
  "$bin/pytest" tests/matrix || word=FAILED
  compare_doors "$bin" || word=FAILED
  if is_oldest "$version"; then
    "$bin/pytest" -n 2 --dist loadfile tests/integration/test_estate_*.py || word=FAILED
  fi
  if [ "$sanity" = yes ] && { [ "$version" = newest ] || is_oldest "$version"; }; then
    PATH=$bin:$PATH bash scripts/sanity.sh ".venv-matrix/$version/ansible-test" || word=FAILED
  fi
  [ "$word" = ok ] || failed=$((failed + 1))
  results+=("$(printf '%-9s %s' "$word" "$name")")
done

printf '\n== matrix\n'
printf '%s\n' "${results[@]}"
say "Pythons for nodes on this machine: $("$(find_python)" -c 'import sys; sys.path.insert(0, ".")
from tests.matrix.pythons import found
print(", ".join(f"3.{minor}" for minor in found()) or "none")')"
[ "$failed" -eq 0 ] || die "$failed of the versions failed."
