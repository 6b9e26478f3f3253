#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run of many epochs: memory and file descriptors stay where they are, being stopped and woken changes nothing, and
# a limit on memory ends in one line, the clock may be set. 300 epochs; 10,000 under check-long.
. "$MILLRACE_SRC/tests/tap.sh"
epochs=300
[ -z "$MILLRACE_LONG" ] || epochs=10000
! sanitized || { echo "1..0 # SKIP a sanitizer's memory is its own"; exit 0; }
millrace sample cells --count 20 --seed 3 --quiet || exit 99
small=(train --data cells --image-size 16x16 --stages 1 --filters 4,8 --batch-size 8 --threads 1 --decode-threads 1 --quiet
  --learning-rate 0.001 --decay 0 --checkpoint-every 20epochs --keep 2)

rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
descriptors() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }

# Measured from the second checkpoint on, when pools and caches are filled; the history grows by a hundred bytes an
# epoch, and is all that may. What a leak leaves is there at every later
# moment, while a checkpoint being written holds a dozen files for a moment: so the fewest of the run's second half count.
flat_and_woken() {
  local pid first=0 most=0 now files_first=0 files_last samples status=0
  "$MILLRACE_BUILD/millrace" "${small[@]}" --model m.h5 --checkpoint-dir ck --epochs $epochs & pid=$!
  while [ "$(find ck -name '*.h5' 2>/dev/null | wc -l)" -lt 2 ] && kill -0 $pid; do sleep 0.05; done
  kill -STOP $pid; sleep 0.3
  first=$(rss $pid) files_first=$(descriptors $pid); : >open
  kill -CONT $pid
  while now=$(rss $pid) && [ -n "$now" ]; do
    [ "$now" -le "$most" ] || most=$now
    descriptors $pid >>open; sleep 0.03
  done
  wait $pid || status=$?
  samples=$(wc -l <open)
  files_last=$(grep -vx 0 open | tail -n $((samples / 2 + 1)) | sort -n | head -1)
  echo "# $epochs epochs, $samples samples: $first KiB at first, $most at most; descriptors $files_first, $files_last" >>notes
  [ $status = 0 ]
  [ $samples -ge 2 ]
  [ "$most" -le $((first + 16384)) ] # what the allocator keeps for each thread; 10,000 epochs are held to the same
  [ "$files_last" -le $((files_first + 1)) ]
}

# Stopped in between or not: the same bytes.
stops_change_nothing() {
  millrace "${small[@]}" --model n.h5 --checkpoint-dir ck2 --epochs $epochs
  cmp m.h5 n.h5
}

memory_limit_is_one_line() {
  local limit status=0
  for limit in 400000 300000 200000; do
    status=0
    (ulimit -v $limit; exec timeout -s KILL 60 "$MILLRACE_BUILD/millrace" "${small[@]}" --model l.h5 --image-size 512x512 --filters 64,128 --batch-size 20 --epochs 1 --checkpoint-dir lck) >out 2>err || status=$?
    [ $status = 1 ] || { echo "limit $limit: exit status $status: $(tail -1 err)"; return 1; }
    [ "$(grep -c '^millrace: ' err)" = 1 ]
    grep -Eiq 'memory' err
  done
}

# A cgroup of its own below the one that this shell is in, with a limit in MiB: sets group. Not where only root may.
make_group() {
  local path
  if path=$(sed -n 's/^[0-9]*:\([^:]*,\)\?memory\(,[^:]*\)\?:\//\//p' /proc/self/cgroup) && [ -n "$path" ]; then
    group=/sys/fs/cgroup/memory$path/millrace-$$ limit_file=memory.limit_in_bytes
  else
    group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/millrace-$$ limit_file=memory.max
  fi
  mkdir "$group" 2>/dev/null && [ -w "$group/$limit_file" ] && [ -w "$group/cgroup.procs" ]
}

# Nobody is killed, at any limit: what does not fit says so, in one line that names the limit; what fits is trained.
cgroup_limit_is_one_line() {
  local limit status fitted=0 refused=0 kills
  make_group || { echo "SKIP no cgroup for memory can be made here"; rmdir "$group" 2>/dev/null; return 0; }
  for limit in 8 24 64 96 128 192 400; do
    echo $((limit << 20)) >"$group/$limit_file"
    status=0
    (echo "$BASHPID" >"$group/cgroup.procs" && exec timeout -s KILL 60 "$MILLRACE_BUILD/millrace" "${small[@]}" --model g.h5 --image-size 256x256 --filters 16,16 --batch-size 10 --epochs 1 --checkpoint-dir gck) >out 2>err || status=$?
    case $status in
      0) fitted=$((fitted + 1)) ;;
      1) refused=$((refused + 1)); [ "$(grep -c '^millrace: ' err)" = 1 ] && grep -qE "memory.*$limit_file allows $limit MiB" err ;;
      *) false ;;
    esac || { echo "limit $limit MiB: exit status $status: $(tail -1 err)"; rmdir "$group"; return 1; }
  done
  kills=$(sed -n 's/^oom_kill //p' "$group"/memory.{oom_control,events} 2>/dev/null) || true # one of them is there
  rmdir "$group"
  [ "${kills:-0}" = 0 ] && [ $fitted -ge 1 ] && [ $refused -ge 2 ]
}

# The clock is set back, or ahead, between two parts of a run and while it runs: the newest checkpoint is still the one
# of the most steps, and the bytes are those of a run that met nothing.
newest_of() { find "$1" -name '*.h5' | sort | tail -1; }
clock_changes_nothing() {
  local pid shift newest lib=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1
  [ -e "$lib" ] || lib=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -1)
  [ -n "$lib" ] || { echo "SKIP faketime is not installed"; return 0; }
  for shift in -400d +400d; do
    rm -rf ck3 c.h5
    millrace "${small[@]}" --model c.h5 --checkpoint-dir ck3 --epochs 50
    find ck3 -name '*.h5' -exec touch -d '@1700000000' {} +
    env LD_PRELOAD="$lib" DONT_FAKE_MONOTONIC=1 FAKETIME=$shift \
      "$MILLRACE_BUILD/millrace" "${small[@]}" --model c.h5 --checkpoint-dir ck3 --resume --epochs 100
    # What is written next is older, or newer, than what is there. Then it jumps while the program runs.
    echo $shift >clock
    newest=$(newest_of ck3)
    env LD_PRELOAD="$lib" DONT_FAKE_MONOTONIC=1 FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 \
      "$MILLRACE_BUILD/millrace" "${small[@]}" --model c.h5 --checkpoint-dir ck3 --resume --epochs $epochs & pid=$!
    while [ "$(newest_of ck3)" = "$newest" ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
    echo +0 >clock
    wait $pid
    cmp m.h5 c.h5
  done
}

run_cases flat_and_woken stops_change_nothing memory_limit_is_one_line cgroup_limit_is_one_line clock_changes_nothing
cat notes
