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
export MASTER_ADDR=192.168.0.1
export MASTER_PORT=4000
export NNODES=2
export NODE_RANK=1
export NPROC_PER_NODE=8
export NCCL_SOCKET_IFNAME=ens14np0
export GLOO_SOCKET_IFNAME=ens14np0
export MAD_MULTI_NODE_RUNNER='torchrun --nnodes=2 --nproc_per_node=8 --node_rank=1 --master_addr=192.168.0.1 --master_port=4000'
export TORCH_ELASTIC_RDZV_TIMEOUT=3600
export MAD_COLLECT_METRICS=false

exec /opt/madengine/bin/madengine run \
  --tags pyt_megatron_lm_train_llama2_7b \
  --additional-context-file "$MADLAUNCH_RANK_DIR"/context.json \
  --summary-output "$MADLAUNCH_RANK_DIR"/summary.json \
  --force-mirror-local /nfs/data \
  --live-output \
  --timeout 7201 \
  --some-extra-flag
