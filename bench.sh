#!/usr/bin/env bash
# Measure the launcher beside clush, pdsh and mpirun, on hosts of this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
Usage: bash bench.sh [--quick] [--only PART,...] [--hosts N,...] [--repeat N] [--json FILE] [--ssh-option NAME=VALUE]

Makes .venv, installs requirements.txt into it, and measures launch, relay, stop and idle on throwaway SSH servers on
127.x.y.z, each beside the tools that people use for it. Prints tables with the bars beside the figures and writes all of
it, with a description of this machine, to build/bench.json. It takes about an hour; with --quick two minutes.
Needs Python 3.11 to 3.13 and OpenSSH. As root on Debian it installs what is missing, also clustershell, pdsh and
openmpi-bin; otherwise it leaves out the tools that are missing, and says so.

TEXT
}

for argument in "$@"; do
  case $argument in
    --help | -h) usage && exit ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LOG=$work/install.log
. scripts/environment.sh

# The tools for comparison. Without root, those that are missing are left out by the benchmark itself.
packages=(sshd:openssh-server ssh:openssh-client setpriv:util-linux)
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  packages+=(clush:clustershell pdsh:pdsh mpirun:openmpi-bin)
fi
install_packages "${packages[@]}"
make_environment .venv -r requirements.txt
.venv/bin/python -m bench "$@"
