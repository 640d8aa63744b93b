#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What all tools start on the hosts of the benchmarks: a madengine of as few processes as possible.
# The model tag says what to do:
#   bench_first           print one line with rank and time, end well
#   bench_wait            the same, then sleep (at most 15 minutes) until a signal comes
#   bench_lines_RATE_S    print RATE numbered lines a second, each with its time, for S seconds
#   bench_fast_COUNT      the same, then on rank 0 print COUNT numbered lines as fast as possible
# It is copied to the hosts' directory when it runs; AWX would offer an executable file of the repository as inventory.
set -eu

case ${1:-} in
  --version) echo "madengine 2.1.0" && exit ;;
  discover) exit ;;
  run) ;;
  *) echo "only --version, discover and run are known here" >&2 && exit 2 ;;
esac
tag=$3
# From the launcher, from mpirun, or from the host's own SSH server.
rank=${NODE_RANK:-${OMPI_COMM_WORLD_RANK:-$BENCH_RANK}}

# The result row, without which the launcher would call no run good. Only below the launcher is there a place for it.
[ -z "${MADLAUNCH_RANK_DIR:-}" ] || printf '%s\n' "model,performance,metric,status" "$tag,1,run,SUCCESS" >perf.csv

case $tag in
  bench_first) exec date "+bench-first $rank %s.%N" ;;
  bench_wait)
    date "+bench-first $rank %s.%N"
    exec sleep 900
    ;;
  bench_lines_*)
    rest=${tag#bench_lines_}
    exec python3 -IS -c '
import sys, time
rank, rate, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[2]) * int(sys.argv[3])
start_s = time.monotonic()
for number in range(count):
    time.sleep(max(0.0, start_s + number / rate - time.monotonic()))
    print(f"bench-line {rank} {number} {time.time():.6f}", flush=True)
' "$rank" "${rest%_*}" "${rest#*_}"
    ;;
  bench_fast_*)
    [ "$rank" = 0 ] || exit 0
    date "+bench-first $rank %s.%N"
    exec python3 -IS -c '
import sys
count, block = int(sys.argv[1]), 1000
padding = "a step of a training with its loss and its time, "
for first in range(0, count, block):
    numbers = range(first, min(first + block, count))
    sys.stdout.write("".join(f"bench-line 0 {number} {padding}\n" for number in numbers))
' "${tag#bench_fast_}"
    ;;
  *) echo "unknown tag $tag" >&2 && exit 2 ;;
esac
