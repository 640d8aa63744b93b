#!/usr/bin/env bash
# See a distributed training run across two SSH nodes, on this machine alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
Usage: bash quick-start.sh [--help]

Makes .venv, installs requirements.txt into it, starts two throwaway SSH servers on 127.0.x.y, and launches a small
training in pure Python across them: the two ranks exchange gradients over MASTER_ADDR and MASTER_PORT. No GPU, no
container and no madengine is needed; a stand-in for madengine plays its part. Everything that was started is ended
again; what stays is .venv, and the record of the run in ~/.local/state/madlaunch. Needs Python 3.11 to 3.13 and
OpenSSH; as root on Debian it installs what is missing.
TEXT
}

case ${1:-} in
  "") ;;
  --help | -h) usage && exit ;;
  *) usage >&2 && exit 2 ;;
esac

work=$(mktemp -d)
nodes=$work/nodes
LOG=$work/install.log
. scripts/environment.sh

clean_up() {
  [ ! -d "$nodes" ] || "$python" -m tests.cluster down --dir "$nodes" >/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

free_port() {
  "$python" -c 'import socket; s = socket.create_server(("", 0)); print(s.getsockname()[1])'
}

install_packages sshd:openssh-server ssh:openssh-client
make_environment .venv -r requirements.txt
python=$PWD/.venv/bin/python

say "Starting two SSH nodes on this machine"
"$python" -m tests.cluster up --loopback --nodes 2 --gpus 1 --dir "$nodes" >"$work/nodes.log" ||
  die "The test nodes did not start. $(cat "$work/nodes.log")"
options="--model demo_train --master-port $(free_port) $("$python" -m tests.cluster args --dir "$nodes")"

say "Launching the training across them:"
say "  python launcher.py $options"
code=0
eval "\"\$python\" launcher.py $options" || code=$? # the words are quoted for a shell
[ "$code" -eq 0 ] || die "The launch ended with exit code $code; docs/troubleshooting.md says what each code means."

cat <<'TEXT'

That was real: two SSH logins, a check of both nodes, one command per node, their output live, and the verdict above.
On your own hosts, with madengine and a MAD checkout in the home of the login:

  .venv/bin/python launcher.py --model TAG --nodes node[01-16] --ssh-user USER --ssh-key ~/.ssh/id_ed25519 \
      --nccl-interface auto --gloo-interface auto --shared-data-path /nfs/data --check-only

checks the hosts and changes nothing; without --check-only it starts the training. README.md has the rest.
TEXT
