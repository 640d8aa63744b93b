#!/usr/bin/env bash
# Install what the tests need and run them: without options all but what takes very long (see usage).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
Usage: bash test.sh [--quick] [--with-torch] [--with-faults] [--with-molecule] [--help]

Makes .venv, installs requirements-dev.txt, and runs linters, type checker, import contracts, Ansible's sanity tests
and pytest. Needs Python 3.11 to 3.13 and OpenSSH; as root on Debian it installs what is missing.

  --quick          only what takes seconds: without the sanity tests and the tests marked slow
  --with-faults    also tests/faults: every row of docs/what-happens-when.md on real nodes (about ten minutes)
  --with-molecule  also the Molecule scenarios of extensions/molecule on real nodes (needs root; about two minutes)
  --with-torch     also the trainings with real PyTorch (a large download into .venv-torch)

One test:  .venv/bin/pytest tests/launcher/test_hosts.py -k name
TEXT
}

quick=no torch=no faults=no molecule=no
for argument in "$@"; do
  case $argument in
    --quick) quick=yes ;;
    --with-torch) torch=yes ;;
    --with-faults) faults=yes ;;
    --with-molecule) molecule=yes ;;
    --help | -h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LOG=$work/install.log
. scripts/environment.sh

# The collections awx.awx, against whose documentation tests check arguments, and containers.podman, for a scenario of
# Molecule. The package ansible 11 is the last that has awx.awx.
fetch_collections() {
  local folder=.venv/awx have=.venv/awx/ansible_collections
  [ ! -e $have/awx/awx/MANIFEST.json ] || [ ! -e $have/containers/podman/MANIFEST.json ] || return 0
  say "Fetching collections awx.awx and containers.podman into $folder"
  .venv/bin/python -m pip download --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$work" ansible==11.13.0 >"$LOG" 2>&1 || die "pip failed: $(tail -n 20 "$LOG")"
  .venv/bin/python - "$work"/ansible-11.*.whl $folder <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wanted = ("ansible_collections/awx/awx/", "ansible_collections/containers/podman/")
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith(wanted)])
PYTHON
}

packages=(git:git sshd:openssh-server ssh:openssh-client ip:iproute2 unshare:util-linux mount:mount ps:procps)
# Logins and privileges of estates; the tests that need them need root for their nodes, too.
[ "$(id -u)" -ne 0 ] || packages+=(sudo:sudo fish:fish tcsh:tcsh)
install_packages "${packages[@]}"
make_environment .venv -r requirements-dev.txt
fetch_collections
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
  mypy -p madlaunch -p bench -p tests -p standin -p ansible_collections.madlaunch.multinode.plugins &&
    mypy launcher.py scripts/*.py demo/MAD/scripts/*/train.py
}

# Whether podman can run a container here.
podman_works() { .venv/bin/python -m tests.cluster.containers works; }

# Molecule prints all that Ansible does; of a success the summary is enough.
run_molecule() {
  local exclude=()
  podman_works || exclude=(--exclude containers)
  if ANSIBLE_HOME=$work/ansible molecule test --all "${exclude[@]}" >"$work/molecule.log" 2>&1; then
    sed -n '/^SCENARIO RECAP/,$p' "$work/molecule.log"
  else
    cat "$work/molecule.log"
    return 1
  fi
}

# More failures than this are not looked at again.
looked_at_again=3
unsteady=()

# The names of the tests that failed last, a line each.
last_failed() {
  python -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")'
}

# Run the tests. A few that failed are run once more, alone, which tells those that fail only beside others; the step has
# failed all the same.
run_tests() {
  local code=0 names=()
  pytest --cache-clear -n "$workers" --dist loadfile "$@" || code=$?
  [ $code -eq 1 ] || return $code
  mapfile -t names < <(last_failed)
  [ ${#names[@]} -le $looked_at_again ] || return 1
  printf '\n== pytest, alone: %s\n' "${names[*]}"
  ! pytest --last-failed --last-failed-no-failures none "$@" || unsteady=("${names[@]}")
  return 1
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
places=(--ignore=tests/matrix --ignore=tests/faults --ignore=tests/scale)
[ "$faults" = no ] || places=(--ignore=tests/matrix --ignore=tests/scale)
# Nodes on loopback share one machine, where the runs of another test are found as leftovers, and its port as taken.
workers=1
! unshare --net --pid --fork true 2>/dev/null || workers=2
step "pytest" run_tests -m "${selection# and }" "${places[@]}"
[ "$molecule" = no ] || [ "$(id -u)" -ne 0 ] || step "molecule" run_molecule

printf '\n== summary\n'
printf '%s\n' "${results[@]}"
for name in "${unsteady[@]}"; do say "Unsteady: $name failed beside other tests and passed alone."; done
[ "$(id -u)" -eq 0 ] || say "Left out: tests that need network namespaces (run as root for those)."
[ "$quick" = no ] || say "Left out: ansible-test sanity and the tests marked slow (run without --quick for those)."
[ "$faults" = yes ] || say "Left out: the table of faults, tests/faults (run with --with-faults for those)."
[ "$molecule" = yes ] || say "Left out: the Molecule scenarios (run with --with-molecule for those)."
[ "$molecule" = no ] || [ "$(id -u)" -eq 0 ] || say "Left out: the Molecule scenarios (they need root)."
[ "$molecule" = no ] || podman_works || say "Left out: the Molecule scenario containers (podman cannot run one here)."
say "Left out: other versions of ansible-core (bash scripts/matrix.sh runs those)."
[ "$torch" = yes ] || say "Left out: trainings with real PyTorch (run with --with-torch for those)."
[ "$failed" -eq 0 ] || die "$failed of ${#results[@]} steps failed."
say "All ${#results[@]} steps passed."
