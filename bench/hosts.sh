# SPDX-License-Identifier: Apache-2.0
# Sourced: "hosts" on one machine, network namespaces of their own addresses on one bridge, each link's rate limited by tc.
# As root. tbf limits the rate alone (its `latency` is the longest time that a packet may wait in the queue, no delay of the line);
# where a delay is wanted, two hosts are joined by bench/delay_line in place of the bridge: it needs no netem in the kernel.
#   hosts_up COUNT | hosts_up_delayed MICROSECONDS BENCH_FOLDER; hosts_rate RATE; hosts_mpirun RANKS PROGRAM…; hosts_down
hosts_work=$(mktemp -d)
hosts_count=0
hosts_line= # the process of the delayed line

hosts_down() {
  local i
  [ -z "$hosts_line" ] || kill "$hosts_line" 2>/dev/null || true
  for i in $(seq 0 $hosts_count); do
    { ip netns pids "mr$i-$$" 2>/dev/null || true; } | xargs -r kill -9
    ip netns del "mr$i-$$" 2>/dev/null || true
  done
  rm -rf "$hosts_work"
}

# Host 1 … COUNT, and namespace 0 with the bridge between them.
hosts_up() {
  local i
  hosts_count=$1
  ip netns add "mr0-$$"
  ip -n "mr0-$$" link add bridge type bridge
  ip -n "mr0-$$" link set bridge up
  for i in $(seq "$hosts_count"); do
    ip netns add "mr$i-$$"
    ip -n "mr$i-$$" link set lo up
    ip link add mr0 netns "mr$i-$$" type veth peer name "port$i" netns "mr0-$$"
    # Whole packets of TCP's offloading fit tbf's burst: else it cuts them up, which takes the processor that computes.
    ip -n "mr$i-$$" link set mr0 gso_max_size 30000
    ip -n "mr0-$$" link set "port$i" gso_max_size 30000
    ip -n "mr0-$$" link set "port$i" master bridge up
    ip -n "mr$i-$$" addr add "10.77.0.$i/24" dev mr0
    ip -n "mr$i-$$" link set mr0 up
  done
  hosts_agent
}

hosts_up_delayed() {
  local i
  hosts_count=2
  for i in 1 2; do
    ip netns add "mr$i-$$"
    ip -n "mr$i-$$" link set lo up
  done
  "$2/delay_line" "mr1-$$" "mr2-$$" mr0 "$1" &
  hosts_line=$!
  for i in $(seq 50); do ! ip -n "mr2-$$" link show mr0 >/dev/null 2>&1 || break; sleep .1; done
  for i in 1 2; do
    ip -n "mr$i-$$" link set mr0 mtu 9000
    ip -n "mr$i-$$" addr add "10.77.0.$i/24" dev mr0
    ip -n "mr$i-$$" link set mr0 up
  done
  echo "line: a delay of $1 us"
  hosts_agent
}

# mpirun starts its daemons with this where a cluster has ssh: HOST COMMAND.
hosts_agent() {
  printf '#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nhost=mr${1##*.}-%s; shift\nexec ip netns exec $host bash -c "$*"\n' $$ >"$hosts_work/agent"
  chmod +x "$hosts_work/agent"
}

# Both ends of every link hold back what they send. "-": no limit.
hosts_rate() {
  local i end
  for i in $(seq "$hosts_count"); do
    for end in "mr$i-$$ mr0" "mr0-$$ port$i"; do
      set -- "$1" $end
      [ -z "$hosts_line" ] || [ "$3" = mr0 ] || continue
      tc -n "$2" qdisc del dev "$3" root 2>/dev/null || true
      [ "$1" = - ] || tc -n "$2" qdisc add dev "$3" root tbf rate "$1" burst 32kb latency 200ms
    done
  done
  echo "link: $1"
}

# One rank on each of the first RANKS hosts. tcp alone, as between machines: ranks of one machine would find each other's memory.
hosts_mpirun() {
  local i list=10.77.0.1:1 ranks=$1; shift
  for i in $(seq 2 "$ranks"); do list=$list,10.77.0.$i:1; done
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ip netns exec "mr1-$$" mpirun --host "$list" -n "$ranks" --oversubscribe \
    --bind-to none --mca plm_rsh_agent "$hosts_work/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 --mca mpi_yield_when_idle 1 "$@"
}
