#!/bin/sh
# Written by Ansible (collection madlaunch.multinode); changes here are lost with the next run.
# Run mad-20260301-120000-9f3c: rank 1 of 2, host 192.168.1.2.
# It starts one rank; alone it waits for the others. To run it again by hand, start it on every host of the run.
set -eu

# The run directory of this rank: context.json lies there and summary.json goes there.
if [ -z "${MADLAUNCH_RANK_DIR:-}" ]; then
  MADLAUNCH_RANK_DIR=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  export MADLAUNCH_RANK_DIR
fi
cd -- "$MADLAUNCH_RANK_DIR/work"

# Left over from the login, these would send madengine another way.
unset MODEL_DIR MAD_DEPLOYMENT_TYPE MAD_IN_SLURM_JOB MAD_LAUNCHER MAD_LAUNCHER_TYPE RANK WORLD_SIZE SLURM_PROCID

# A login without a terminal often lacks the GPU tools, without which madengine stops.
export PATH="/opt/rocm/bin:${PATH:-/usr/local/bin:/usr/bin:/bin}"
export PYTHONUNBUFFERED=1
export PYTHONUTF8=1
export COLUMNS=200

exec /opt/madengine/bin/madengine run \
  --tags pyt_megatron_lm_train_llama2_7b \
  --additional-context "{'multi_node_args': {'RUNNER': 'torchrun', 'MASTER_ADDR': '192.168.0.1', 'MASTER_PORT': '4000', 'NNODES': '2', 'NODE_RANK': '1', 'NCCL_SOCKET_IFNAME': 'ens14np0', 'GLOO_SOCKET_IFNAME': 'ens14np0', 'MAD_RUNTIME_NGPUS': '8'}, 'docker_env_vars': {'MASTER_ADDR': '192.168.0.1', 'MASTER_PORT': '4000', 'NNODES': '2', 'NODE_RANK': '1', 'NPROC_PER_NODE': '8', 'NCCL_SOCKET_IFNAME': 'ens14np0', 'GLOO_SOCKET_IFNAME': 'ens14np0'}}" \
  --force-mirror-local /nfs/data \
  --live-output \
  --timeout 7200 \
  --additional-context-file "$MADLAUNCH_RANK_DIR"/context.json \
  --some-extra-flag
