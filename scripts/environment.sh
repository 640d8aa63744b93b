# shellcheck shell=bash
# What test.sh, bench.sh and quick-start.sh share: the programs they need, and a virtual environment. Read with ".", not run.

say() { printf '%s\n' "$*"; }

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Print the first Python from 3.11 to 3.13 on PATH.
find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
}

# Print the Debian packages that are missing, given "program:package" pairs. sshd and ip live where a user's PATH may
# not look.
missing_packages() {
  local pair missing=()
  for pair in "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  if [ -z "$(find_python)" ]; then
    missing+=(python3 python3-venv)
  elif ! "$(find_python)" -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=(python3-venv)
  fi
  printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ' | sed 's/^ *//; s/ *$//'
}

# Install what is missing as root on Debian and its relatives; otherwise say what to install.
install_packages() {
  local missing
  missing=$(missing_packages "$@")
  [ -z "$missing" ] && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    die "These packages are missing: $missing
Install them first, on Debian or Ubuntu with: sudo apt-get install -y $missing"
  fi
  say "Installing Debian packages: $missing"
  if [ -d /run/systemd/system ] && [[ " $missing " == *" openssh-server "* ]]; then
    say "Debian starts a newly installed OpenSSH server; to stop it: systemctl disable --now ssh"
  fi
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of package names, split on purpose
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$LOG" 2>&1 ||
    die "apt-get failed: $(tail -n 20 "$LOG")"
  missing=$(missing_packages "$@")
  [ -z "$missing" ] || die "Still missing after apt-get: $missing. This needs Python 3.11 to 3.13 (Debian 12 or later)."
}

# Make a virtual environment and install requirements into it, unless the same were installed before.
# $1: its folder; the rest: arguments for pip install.
make_environment() {
  local folder=$1 wanted
  shift
  wanted="$* $(cat requirements*.txt)"
  if [ -x "$folder/bin/python" ] && [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  say "Installing into $folder: $*"
  [ -x "$folder/bin/python" ] || "$(find_python)" -m venv "$folder"
  "$folder/bin/python" -m pip install --disable-pip-version-check "$@" >"$LOG" 2>&1 ||
    die "pip failed: $(tail -n 20 "$LOG")"
  printf '%s\n' "$wanted" >"$folder/.installed"
}
