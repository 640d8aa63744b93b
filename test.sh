#!/usr/bin/env bash
# Install what the tests need and run all of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
Usage: bash test.sh [--quick] [--with-torch] [--with-faults] [--help]

Makes .venv, installs requirements-dev.txt, and runs linters, type checker, import contracts, Ansible's sanity tests
and pytest. Needs Python 3.11 to 3.13 and OpenSSH; as root on Debian it installs what is missing.

  --quick       only what takes seconds: without the sanity tests and the tests marked slow
  --with-faults also tests/faults: every row of docs/what-happens-when.md on real nodes (about fifteen minutes)
  --with-torch  also the trainings with real PyTorch (a large download into .venv-torch)

One test:  .venv/bin/pytest tests/launcher/test_hosts.py -k name
TEXT
}

quick=no torch=no faults=no
for argument in "$@"; do
  case $argument in
    --quick) quick=yes ;;
    --with-torch) torch=yes ;;
    --with-faults) faults=yes ;;
    --help | -h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LOG=$work/install.log
. scripts/environment.sh

install_packages git:git sshd:openssh-server ssh:openssh-client ip:iproute2 unshare:util-linux mount:mount ps:procps
make_environment .venv -r requirements-dev.txt
[ "$torch" = no ] || make_environment .venv-torch torch==2.13.0 numpy

# Tools find the clone as the collection that it is through a link outside the clone.
mkdir -p "$work/ansible_collections/madlaunch"
ln -s "$PWD" "$work/ansible_collections/madlaunch/multinode"
PATH=$PWD/.venv/bin:$PATH
export PATH MYPYPATH=$work NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1

results=() failed=0

# Run one step; remember how it ended. $1: its name; the rest: the command.
step() {
  local name=$1 start=$SECONDS word=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" || { word=FAILED && failed=$((failed + 1)); }
  results+=("$(printf '%-7s %-22s %4d s' "$word" "$name" $((SECONDS - start)))")
}

# ansible-lint knows a collection by the path it is run in.
lint_playbooks() {
  (cd "$work/ansible_collections/madlaunch/multinode" && ANSIBLE_COLLECTIONS_PATH=$work ansible-lint --offline --nocolor)
}

check_types() {
  mypy -p madlaunch -p tests -p standin -p ansible_collections.madlaunch.multinode.plugins &&
    mypy launcher.py scripts/*.py demo/MAD/scripts/*/train.py
}

step "ruff check" ruff check .
step "ruff format" ruff format --check .
step "mypy" check_types
step "import contracts" lint-imports
step "changelog fragments" antsibull-changelog lint
step "ansible-lint" lint_playbooks
[ "$quick" = yes ] || step "ansible-test sanity" bash scripts/sanity.sh .venv/ansible-test

left_out=()
[ "$torch" = yes ] || left_out+=("not torch")
[ "$quick" = no ] || left_out+=("not slow")
selection=$(printf ' and %s' "${left_out[@]}")
places=(--ignore=tests/faults)
[ "$faults" = no ] || places=()
step "pytest" pytest -n 2 --dist loadfile -m "${selection# and }" "${places[@]}"

printf '\n== summary\n'
printf '%s\n' "${results[@]}"
[ "$(id -u)" -eq 0 ] || say "Left out: tests that need network namespaces (run as root for those)."
[ "$quick" = no ] || say "Left out: ansible-test sanity and the tests marked slow (run without --quick for those)."
[ "$faults" = yes ] || say "Left out: the table of faults, tests/faults (run with --with-faults for those)."
[ "$torch" = yes ] || say "Left out: trainings with real PyTorch (run with --with-torch for those)."
[ "$failed" -eq 0 ] || die "$failed of ${#results[@]} steps failed."
say "All ${#results[@]} steps passed."
