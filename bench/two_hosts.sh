#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two "hosts" on one machine (bench/hosts.sh), at several rates of the link between them: trains there, and measures how much
# of the gradients' sums backward hides (reduce_bench, its ways in alternation). As root.
#   [DELAY=MICROSECONDS] [BENCH_OPTIONS="-a resnet50 -s 64 -b 4"] bench/two_hosts.sh BUILD [RATE…]      RATE as tc has it (1gbit); -: no limit
set -euo pipefail
build=$(cd "$1" && pwd); shift
here=$(cd "$(dirname "$0")" && pwd)
. "$here/hosts.sh"
trap hosts_down EXIT
if [ -n "${DELAY-}" ]; then hosts_up_delayed "$DELAY" "$build/bench"; else hosts_up 2; fi
cd "$hosts_work"
"$build/millrace" sample cells --count 200 --quiet
hosts_rate "${1-1gbit}"
hosts_mpirun 2 "$build/millrace" train --data cells --image-size 32x32 --stages 1,1 --filters 8,16,32 --epochs 2 --batch-size 16 \
  --threads 1 --sync-batchnorm --model trained.h5
"$build/millrace" verify trained.h5
[ -x "$build/bench/reduce_bench" ] || exit 0
for rate in "${@-1gbit}"; do
  hosts_rate "$rate"
  hosts_mpirun 2 "$build/bench/reduce_bench" -j 1 ${BENCH_OPTIONS-}
done
