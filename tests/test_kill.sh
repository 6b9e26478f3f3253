#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real runs are killed (SIGKILL) at random moments and at every step of writing a checkpoint, resumed each time, and must
# end as undisturbed ones, to the last byte of model, history and step log. After each kill all files are whole.
# MILLRACE_KILLS: how many kills at random moments (12; with a sanitizer 4; `make check-long`: 200). MILLRACE_SEED: of these
# moments. What a kill leaves on the disk is the plain build's matter: sanitized ones take a share of the steps of writing, too.
. "$MILLRACE_SRC/tests/tap.sh"

few=12; ! sanitized || few=4
kills=${MILLRACE_KILLS-$few} seed=${MILLRACE_SEED-$$}
RANDOM=$seed
program=$MILLRACE_BUILD/millrace
shim=$MILLRACE_BUILD/tests/.libs/fault_shim.so
network=(--data cells --image-size 32x32 --stages 1 --filters 4,8 --batch-size 8 --threads 2 --epochs 4 --quiet
  --rotation-range 20 --horizontal-flip --seed 5)
optimizers=("--optimizer sgd --momentum 0.9" "--optimizer adam --amsgrad" "--optimizer nadam" "--optimizer rmsprop --centered")
millrace sample cells --count 60 --seed 3 --quiet || exit 99

# train NAME OPTIONS…: a run with all its outputs called NAME.
train() {
  local name=$1; shift
  "$program" train "${network[@]}" --model "$name.h5" --history "$name.csv" --step-log "$name.log" "$@"
}

# What an undisturbed run gives, for optimizer number $1.
undisturbed() {
  [ -e "whole$1.h5" ] || train "whole$1" ${optimizers[$1]}
}

same_end() { # NUMBER: `run` ended as the undisturbed one; its history but for the seconds
  cmp "whole$1.h5" run.h5
  cmp "whole$1.log" run.log
  diff <(cut -d, -f1-6 "whole$1.csv") <(cut -d, -f1-6 run.csv)
}

all_whole() {
  local file
  for file in ck/*.h5; do
    [ ! -e "$file" ] || millrace verify "$file" >/dev/null
  done
}

start_anew() { rm -rf ck run.*; }

# Ends in at most SECONDS by SIGKILL. 0: it came to its end before, 137: it was killed.
killed_after() {
  local seconds=$1 status=0; shift
  # a simple command, so that $! is the program itself
  "$program" train "${network[@]}" --model run.h5 --history run.csv --step-log run.log "$@" &
  local pid=$!
  sleep "$seconds"
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || status=$?
  return $status
}

random_moments() {
  local done_kills=0 number=0 begin length status rounds=0
  undisturbed 0
  begin=$(date +%s%N); start_anew; train run ${optimizers[0]} --checkpoint-dir ck --checkpoint-every 2steps
  length=$((($(date +%s%N) - begin) / 1000000)) # milliseconds
  echo "seed $seed, an undisturbed run takes $length ms"
  start_anew
  while [ $done_kills -lt "$kills" ]; do
    number=$((rounds % ${#optimizers[@]}))
    undisturbed $number
    local after; after=$(printf '%d.%03d' $((RANDOM % length / 1000)) $((RANDOM % length % 1000)))
    status=0
    killed_after "$after" ${optimizers[$number]} --checkpoint-dir ck --checkpoint-every 2steps --resume || status=$?
    if [ $status = 0 ]; then
      same_end $number
      rounds=$((rounds + 1)); start_anew
      continue
    fi
    [ $status = 137 ]
    done_kills=$((done_kills + 1))
    [ $((done_kills % 4)) != 0 ] || all_whole
  done
  undisturbed $number
  train run ${optimizers[$number]} --checkpoint-dir ck --checkpoint-every 2steps --resume
  same_end $number
  echo "$done_kills kills at random moments in $((rounds + 1)) runs of $length ms, seed $seed" >tally
}

# The process dies before or after one system call of writing: the Nth of its kind.
at_every_step_of_writing() {
  [ -e "$shim" ] || { echo "SKIP no shim"; return 0; }
  local fault status
  undisturbed 1
  start_anew
  local faults=(open:1:kill open:2:after write:3:kill write:40:after fsync:1:kill fsync:2:after rename:1:kill rename:1:after
    rename:3:after syncdir:1:kill syncdir:2:after)
  ! sanitized || [ -n "${MILLRACE_LONG-}" ] || faults=(write:3:kill fsync:2:after rename:1:after syncdir:2:after)
  for fault in "${faults[@]}"; do
    status=0
    ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 MILLRACE_FAULT=$fault LD_PRELOAD=$shim \
      train run ${optimizers[1]} --checkpoint-dir ck --checkpoint-every 3steps --resume || status=$?
    [ $status = 137 ] || [ $status = 0 ] || { echo "$fault: exit status $status"; return 1; }
    [ -z "$(find ck -name '*.tmp' -newer whole1.h5)" ] || [ $status = 137 ]
    all_whole
    [ $status != 0 ] || { same_end 1; start_anew; }
  done
  train run ${optimizers[1]} --checkpoint-dir ck --checkpoint-every 3steps --resume
  same_end 1
  [ -z "$(find ck -name '*tmp*')" ]
}

run_cases random_moments at_every_step_of_writing
[ ! -e tally ] || sed 's/^/# /' tally
