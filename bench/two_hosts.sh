#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two "hosts" on one machine: network namespaces with a link between them, its rate limited by tc, and mpirun over their
# addresses. Trains there, and measures how much of the gradients' sums backward hides (reduce_bench). As root.
#   bench/two_hosts.sh BUILD [RATE [DELAY]]      RATE as tc has it (1gbit), DELAY of netem (1ms; needs the kernel's sch_netem)
set -euo pipefail
build=$(cd "$1" && pwd) rate=${2-1gbit} delay=${3-}
work=$(mktemp -d)
hosts=("mr0-$$" "mr1-$$") address=(10.77.0.1 10.77.0.2)

tear_down() {
  for host in "${hosts[@]}"; do ip netns pids "$host" 2>/dev/null | xargs -r kill -9; ip netns del $host 2>/dev/null || true; done
  rm -rf "$work"
}
trap tear_down EXIT

# Each end of the link holds back what it sends. Without netem there is a limit of the rate and no delay.
limit() { # HOST
  local device=(tc -n "$1" qdisc add dev mr0)
  if [ -n "$delay" ] && "${device[@]}" root handle 1: netem delay "$delay" rate "$rate" 2>/dev/null; then
    echo "$1: netem, $rate, $delay"
  elif "${device[@]}" root handle 1: tbf rate "$rate" burst 256kb latency 200ms 2>/dev/null; then
    echo "$1: tbf, $rate${delay:+ (this kernel has no netem: no delay)}"
  else
    echo "$1: this kernel has neither netem nor tbf: the link is as fast as memory"
  fi
}

for i in 0 1; do
  ip netns add ${hosts[i]}
  ip -n ${hosts[i]} link set lo up
done
ip link add mr0 netns ${hosts[0]} type veth peer name mr0 netns ${hosts[1]}
for i in 0 1; do
  ip -n ${hosts[i]} addr add ${address[i]}/24 dev mr0
  ip -n ${hosts[i]} link set mr0 up
  limit ${hosts[i]}
done

# mpirun starts its daemons with this where a cluster has ssh: HOST COMMAND.
cat >"$work/agent" <<END
#!/bin/bash
while [[ \$1 == -* ]]; do shift; done
case \$1 in ${address[0]}) host=${hosts[0]} ;; ${address[1]}) host=${hosts[1]} ;; *) host=\$1 ;; esac
shift
exec ip netns exec \$host bash -c "\$*"
END
chmod +x "$work/agent"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Ranks of one machine would find each other's memory: tcp alone, as between machines.
both() {
  ip netns exec ${hosts[0]} mpirun --host ${address[0]}:1,${address[1]}:1 -n 2 --oversubscribe --bind-to none \
    --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 --mca mpi_yield_when_idle 1 "$@"
}

cd "$work"
"$build/millrace" sample cells --count 200 --quiet
both "$build/millrace" train --data cells --image-size 32x32 --stages 1,1 --filters 8,16,32 --epochs 2 --batch-size 16 \
  --threads 1 --sync-batchnorm --model trained.h5
"$build/millrace" verify trained.h5
[ ! -x "$build/bench/reduce_bench" ] || both "$build/bench/reduce_bench" -j 1 ${BENCH_OPTIONS-}
