#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checkpoints that cannot be written, damaged ones, signals, and what --resume takes and refuses.
. "$MILLRACE_SRC/tests/tap.sh"

program=$MILLRACE_BUILD/millrace
shim=$MILLRACE_BUILD/tests/.libs/fault_shim.so
network=(--data cells --image-size 32x32 --stages 1 --filters 4,8 --batch-size 8 --threads 2 --horizontal-flip --seed 5)
millrace sample cells --count 60 --seed 3 --quiet || exit 99
millrace train "${network[@]}" --epochs 4 --model whole.h5 --history whole.csv --quiet || exit 99

train() { "$program" train "${network[@]}" --model run.h5 --history run.csv --checkpoint-dir ck "$@"; }
# The same in the background; PID is the program itself.
start() {
  "$program" train "${network[@]}" --model run.h5 --history run.csv --checkpoint-dir ck --quiet "$@" &
  pid=$!
}
with_fault() { # FAULT ARGUMENTS…
  ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 MILLRACE_FAULT=$1 LD_PRELOAD=$shim \
    "$program" train "${network[@]}" --model run.h5 --history run.csv --checkpoint-dir ck "${@:2}"
}
need_shim() { [ -e "$shim" ] || { echo "SKIP no shim"; return 1; }; }
# The run in the background has its folder, and acts on signals.
until_begun() { for _ in $(seq 150); do [ ! -e ck/.millrace.lock ] || return 0; sleep 0.2; done; return 1; }
newest() { find ck -maxdepth 1 -name '*.h5' | sort | tail -1; }
number_of_files() { find ck -maxdepth 1 -name '*.h5' | wc -l; }
start_anew() { rm -rf ck run.*; }
no_leftovers() { [ -z "$(find ck -name '*tmp*')" ]; }
same_end() { cmp whole.h5 run.h5; diff <(cut -d, -f1-6 whole.csv) <(cut -d, -f1-6 run.csv); }

# One write fails, of each kind: it is named, tried again, and the run ends well and as ever.
failures_pass() {
  need_shim || return 0
  local fault
  for fault in "open:1:13 cannot" "write:20:28 No space left" "fsync:1:5 cannot sync file" "rename:1:5 cannot rename" \
    "syncdir:2:5 cannot sync folder"; do # the first folder is the history's
    start_anew
    with_fault "${fault%% *}" --epochs 4 2>err
    grep -q "not written: .*${fault#* }" err || { cat err; return 1; }
    same_end
    millrace verify "$(newest)" >/dev/null
    no_leftovers
  done
}

# From some moment on none can be synced: the run goes on to its end, says so with its exit status, and those from before
# are untouched.
failures_that_last() {
  need_shim || return 0
  local status=0
  start_anew
  train --epochs 4 --quiet
  sha256sum ck/*.h5 >before
  with_fault fsync:1+:5 --epochs 5 --resume 2>err || status=$?
  [ $status = 1 ]
  grep -q 'the last checkpoint could not be written' err
  sha256sum ck/*.h5 | cmp - before
  millrace verify "$(newest)" >/dev/null
  no_leftovers
  mv run.h5 faulty.h5
  train --epochs 5 --resume --quiet # the disk is mended
  cmp faulty.h5 run.h5
}

full_disk() {
  mkdir -p small && mount -t tmpfs -o size=2m none small 2>/dev/null || { echo "SKIP no tmpfs may be mounted"; return 0; }
  local status=0 seen=0
  start_anew
  "$program" train "${network[@]}" --epochs 4 --model run.h5 --checkpoint-dir small/ck --quiet || seen=1
  dd if=/dev/zero of=small/ballast bs=1k 2>/dev/null || true # until nothing more goes in
  truncate -s -16k small/ballast                     # the folder can be written to, but no checkpoint fits
  "$program" train "${network[@]}" --epochs 5 --resume --model run.h5 --checkpoint-dir small/ck 2>err || status=$?
  local good=0 file
  for file in small/ck/*.h5; do
    millrace verify "$file" >/dev/null && good=$((good + 1)) || seen=1
  done
  local left; left=$(find small/ck -name '*tmp*')
  umount small
  echo "exit status $status, $good whole checkpoints"
  [ "$seen" = 0 ] && [ "$status" = 1 ] && [ "$good" -ge 1 ]
  grep -q 'No space left' err
  [ -z "$left" ]
}

file_size_limit() {
  local status=0
  start_anew
  ( ulimit -f 30; trap '' XFSZ; train --epochs 2 2>err ) || status=$?
  [ $status = 1 ]
  grep -q 'not written' err
  [ "$(number_of_files)" = 0 ]
  no_leftovers
}

# 128 + signal; what is there goes on to the same end. A second signal ends at once.
signals() {
  local signal number pid status
  for signal in TERM INT; do
    start_anew
    start --epochs 100000
    until_begun; kill -$signal $pid
    status=0; wait $pid || status=$?
    number=$(kill -l $signal)
    [ $status = $((128 + number)) ] || { echo "$signal: exit status $status"; return 1; }
    millrace verify "$(newest)" >/dev/null
    [ ! -e run.h5 ]
  done
}

stop_and_go_on() {
  local pid status round=0
  start_anew
  while :; do
    start --epochs 4 --resume --checkpoint-every 100epochs
    round=$((round + 1)) # longer each time: on a slow machine a start alone takes what was a step elsewhere
    sleep "$(awk -v r=$round -v x=$RANDOM 'BEGIN { print r * (0.1 + x / 32768 * 0.2) }')"; kill -TERM $pid 2>/dev/null || true
    status=0; wait $pid || status=$?
    [ $status = 143 ] || break
  done
  [ $status = 0 ]
  same_end
}

asked_for() {
  local pid before
  start_anew
  start --epochs 100000 --checkpoint-every 100000epochs
  until_begun
  [ "$(number_of_files)" = 0 ]
  kill -USR1 $pid
  for _ in $(seq 100); do [ "$(number_of_files)" = 0 ] || break; sleep 0.2; done
  before=$(number_of_files)
  kill -TERM $pid; wait $pid || true
  [ "$before" = 1 ]
}

# Nobody reads what the run says, and the pipe is full: the run is held up, and a signal still gives it its checkpoint.
held_up() {
  start_anew
  "$python" - "$program" train "${network[@]}" --epochs 100000 --log-json --checkpoint-dir ck <<'END'
import fcntl, os, select, signal, subprocess, sys, time
unread, pipe = os.pipe()
fcntl.fcntl(pipe, 1031, 16384)  # F_SETPIPE_SZ
run = subprocess.Popen(sys.argv[1:], stderr=pipe)
while select.select([], [pipe], [], 0)[1] and run.poll() is None:
    time.sleep(0.05)
time.sleep(0.5)  # now it waits in the midst of a message
run.send_signal(signal.SIGTERM)
sys.exit(run.wait(60) != 143)
END
  millrace verify "$(newest)" >/dev/null
}

falls_back() {
  start_anew
  train --epochs 3 --quiet
  head -c 40000 "$(newest)" >cut && mv cut "$(newest)"
  train --epochs 4 --resume 2>err
  grep -q 'cannot be used.*trying the one before' err
  [ "$(number_of_files)" -ge 3 ]
  local file
  for file in ck/*.h5; do head -c 40000 "$file" >cut && mv cut "$file"; done
  expect 1 "none of the" train --epochs 4 --resume --quiet
}

verify_sees_damage() {
  local at size; size=$(stat -c %s whole.h5)
  millrace verify whole.h5 | grep -q 'passed'
  millrace verify --json whole.h5 | "$python" -c 'import json,sys; d=json.load(sys.stdin); assert d["good"] and d["self_test_difference"] == 0'
  "$python" - <<'END'
import h5py
f = h5py.File("whole.h5", "r")
found = []
f.visititems(lambda n, o: found.append((n, o.id.get_offset())) if isinstance(o, h5py.Dataset) and o.size > 16 and "self_test" not in n else None)
data = open("whole.h5", "rb").read()
for i, (name, at) in enumerate(found[:6]):
    bad = bytearray(data)
    bad[at + 7] ^= 1
    open("bad%d.h5" % i, "wb").write(bad)
bad = data.replace(b'"strides"', b'"stride_"', 1)
assert bad != data
open("bad6.h5", "wb").write(bad)
END
  local i
  for i in 0 1 2 3 4 5; do expect 1 "damaged" millrace verify bad$i.h5; expect 1 "checksum" millrace summary bad$i.h5; done
  expect 1 "seal" millrace verify bad6.h5
  expect 1 "seal" millrace summary bad6.h5
  millrace convert whole.h5 whole.keras --quiet && millrace verify whole.keras | grep -q passed
}

options_of_the_run() {
  start_anew
  train --epochs 2 --quiet --learning-rate 0.05
  expect 2 "--batch-size 16" millrace train --checkpoint-dir ck --resume --batch-size 16
  expect 2 "--learning-rate" millrace train --checkpoint-dir ck --resume --learning-rate 0.06
  expect 2 "--vertical-flip" millrace train --checkpoint-dir ck --resume --vertical-flip
  expect 2 "--seed 6" millrace train --checkpoint-dir ck --resume --seed 6
  expect 2 "--checkpoint-dir" millrace train --resume
  cp -r cells other && find other/training -name '*.jpg' | head -1 | xargs rm
  expect 1 "training data are not those" millrace train --checkpoint-dir ck --resume --data other
  mv other/training/*/* . 2>/dev/null || true
  millrace train --checkpoint-dir ck --resume --epochs 3 --quiet # all else as it was
  [ "$(wc -l <run.csv)" = 4 ]
  train --epochs 1 --quiet 2>err # a new run beside the old one's files
  grep -q 'moved to ck/earlier-1' err
  [ "$(number_of_files)" = 1 ] && [ -n "$(ls ck/earlier-1)" ]
}

one_at_a_time() {
  local pid
  start_anew
  start --epochs 100000
  until_begun
  ( timeout 60 "$program" train "${network[@]}" --epochs 1 --checkpoint-dir ck --quiet 2>err ) && { kill $pid; return 1; }
  kill -TERM $pid; wait $pid || true
  grep -q 'another process' err
}

run_cases failures_pass failures_that_last full_disk file_size_limit signals stop_and_go_on asked_for held_up falls_back verify_sees_damage \
  options_of_the_run one_at_a_time
