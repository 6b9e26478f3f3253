#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several processes under mpirun: the same losses for any number of them, a rank that dies, going on with another number,
# signals. Skipped where there is no mpirun or the program was built without MPI, and under the sanitizers: what they find
# there is in MPI's own libraries.
. "$MILLRACE_SRC/tests/tap.sh"

program=$MILLRACE_BUILD/millrace
# A test machine may have fewer cores than there are ranks, and be run by root; a waiting rank must not spin.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
  OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none \
  OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_backing_directory=$work TMPDIR=$work

skip_all() { echo "1..0 # SKIP $1"; exit 0; }
command -v mpirun >/dev/null || skip_all "there is no mpirun"
grep -q '^MPI_LIBS = ..*' "$MILLRACE_BUILD/Makefile" || skip_all "built without MPI"
grep -q '^MR_SANITIZE = ..*' "$MILLRACE_BUILD/Makefile" && skip_all "built with a sanitizer"

millrace sample cells --count 120 --seed 3 --quiet || exit 99
network=(--data cells --image-size 32x32 --stages 1 --filters 8,16 --threads 1 --sync-batchnorm --learning-rate 0.0003
  --horizontal-flip --rotation-range 20 --seed 5)

# train RANKS NAME OPTIONS…
train() {
  local ranks=$1 name=$2; shift 2
  local run=(timeout 300 mpirun -n "$ranks" "$program")
  [ "$ranks" != 1 ] || run=("$program")
  "${run[@]}" train "${network[@]}" --model "$name.h5" --history "$name.csv" --step-log "$name.log" --quiet "$@"
}

# close TOLERANCE FILE FILE COLUMN…: the columns of two CSV files agree.
close() {
  local tolerance=$1 a=$2 b=$3; shift 3
  paste -d, "$a" "$b" | awk -F, -v tolerance="$tolerance" -v columns="$*" '
    NR == 1 { n = split(columns, column, " "); next }
    { for (i = 1; i <= n; i++) { x = $column[i]; y = $(NF / 2 + column[i]); d = x - y; if (d < 0) d = -d
        if (!(d <= tolerance * (x < 0 ? -x : x))) { print "row " NR - 1 ": " x " and " y; bad = 1 } } }
    END { exit bad || NR < 2 }'
}

# same_losses RANKS OPTIONS…: loss of each step, and of the epoch, to 1e-5; accuracies to the last image.
same_losses() {
  local all=$1 ranks; shift
  train 1 one "$@"
  for ranks in $all; do
    train "$ranks" "many$ranks" "$@"
    close 1e-5 one.log "many$ranks.log" 2
    close 1e-5 one.csv "many$ranks.csv" 2 4
    close 0 one.csv "many$ranks.csv" 3 5
    millrace verify "many$ranks.h5" >/dev/null
  done
}
even_shares() { same_losses "2 4" --epochs 1 --batch-size 28; }
# 84 images: 26 a batch is 9+9+8, and the last batch has 6
uneven_shares() { same_losses 3 --epochs 1 --batch-size 26; }
# the last batch has 2, so that two of four ranks have nothing
idle_ranks() { same_losses 4 --epochs 1 --batch-size 41; }
dropout() { same_losses 2 --epochs 1 --batch-size 28 --arch cnn --stages 1 --filters 8 --dropout 0.4; }

# Products are rounded to 8 bits alike on each rank; a sum in another order may tip one.
mixed_precision() {
  local ranks
  local network=("${network[@]}" --precision mixed_bfloat16 --epochs 1 --batch-size 28)
  train 1 mixed1
  for ranks in 2 4; do
    train $ranks mixed$ranks
    close 1e-4 mixed1.log mixed$ranks.log 2
    close 1e-4 mixed1.csv mixed$ranks.csv 2 4
  done
  millrace verify mixed4.h5 >/dev/null
}

own_statistics() {
  local network=(--data cells --image-size 32x32 --stages 1 --filters 4,8 --threads 1 --learning-rate 0.01)
  train 2 own --epochs 2 --batch-size 41
  millrace verify own.h5 >/dev/null
  [ "$(wc -l <own.csv)" = 3 ]
}

# A file that cannot be read: told once, by one rank, counted by all.
bad_file() {
  local status=0
  cp -r cells spoilt
  echo nonsense >"$(find spoilt/training -name '*.png' -o -path '*training*' -name '*.jpg' | sort | head -1)"
  timeout 300 mpirun -n 2 "$program" train "${network[@]}" --data spoilt --epochs 2 --batch-size 28 --model bad.h5 2>err || status=$?
  cat err
  [ $status = 3 ]
  [ "$(grep -c '(skipped)' err)" = 1 ]
  [ "$(grep -c '^Epoch 2/2' err)" = 1 ]
}

# What the ranks of the run with the checkpoints DIR are, once it has one and is in the midst of the next epoch.
ranks_with() {
  for _ in $(seq 500); do [ -z "$(ls "$1"/*.h5 2>/dev/null)" ] || break; sleep .02; done
  pgrep -f "^$program train .*--checkpoint-dir $1 "
}

# One of four dies in mid-epoch: all end, what is there is whole, and two go on to the same end.
dead_rank() {
  local attempt status=0 launcher run=(--epochs 6 --batch-size 12 --checkpoint-dir ck --checkpoint-every 2steps)
  train 1 whole --epochs 6 --batch-size 12
  for attempt in 1 2 3 4 5; do # it may have come to its end before
    rm -rf ck run.h5
    timeout 300 mpirun -n 4 "$program" train "${network[@]}" --model run.h5 "${run[@]}" --quiet >err 2>&1 &
    launcher=$!
    kill -KILL "$(ranks_with ck | tail -1)" || true
    wait $launcher || status=$?
    [ $status = 0 ] || break
  done
  [ $status != 0 ]
  grep -q 'signal 9' err || { cat err; return 1; }
  [ ! -e run.h5 ]
  for file in ck/*.h5; do millrace verify "$file" >/dev/null; done
  train 2 run "${run[@]}" --resume
  close 1e-5 whole.csv run.csv 2 4
  close 0 whole.csv run.csv 3 5
}

# mpirun sends SIGUSR1 on: a checkpoint, and the run goes on. MPICH's sends SIGTERM on too, Open MPI's does not: the ranks get SIGCONT (a checkpoint) at
# once, SIGTERM odls_base_sigkill_timeout later (the stop, with a checkpoint), SIGKILL as long after that. mpirun sleeps
# meanwhile and reads nothing that the ranks say. Other cases go on while it does; `stopped` looks at the end.
stopping() {
  local launcher before
  cat >rank.sh <<'END'
trap : TERM USR1
"$@"
echo $? >exit.${OMPI_COMM_WORLD_RANK-$PMI_RANK}
END
  local time=(); ! mpirun --version 2>&1 | grep -q 'Open MPI' || time=(--mca odls_base_sigkill_timeout 8)
  mpirun "${time[@]}" -n 2 bash rank.sh "$program" train "${network[@]}" "${stopped_run[@]}" --epochs 100000 2>stop.err &
  launcher=$!
  ( while kill -0 $launcher; do sleep .1; done; : >stop.end ) >/dev/null 2>&1 &
  for _ in $(seq 500); do grep -q '^Epoch 2/' stop.err && break; sleep .02; done
  kill -USR1 $launcher
  for _ in $(seq 500); do [ -z "$(ls stopped/*.h5 2>/dev/null)" ] || break; sleep .02; done
  before=$(ls stopped/*.h5 | tail -1)
  millrace verify "$before" >/dev/null
  kill -TERM $launcher
  echo "$before" >stop.before
}
stopped_run=(--model stop.h5 --batch-size 12 --checkpoint-dir stopped --checkpoint-every 900000epochs)

stopped() {
  for _ in $(seq 600); do [ ! -e stop.end ] || break; sleep .1; done
  [ "$(cat exit.0 exit.1)" = 143$'\n'143 ]
  [ ! -e stop.h5 ] # 143 says that the last checkpoint is written
  [ "$(ls stopped/*.h5 | tail -1)" != "$(cat stop.before)" ]
  for file in stopped/*.h5; do millrace verify "$file" >/dev/null; done
  local least # as many as there are, or more
  least=$("$program" train "${network[@]}" "${stopped_run[@]}" --resume --epochs 1 2>&1 | sed -n 's/.*give --epochs \([0-9]*\) or more.*/\1/p')
  "$program" train "${network[@]}" "${stopped_run[@]}" --resume --epochs "${least:-3}" 2>err
  grep -q 'going on from stopped/' err
  [ -e stop.h5 ]
}

# The same bytes as one process writes, an unusable file and a name with a line end included; no part is left.
prediction() {
  local kind
  [ -e one.h5 ] || train 1 one --epochs 1 --batch-size 28
  cp -r cells/testing new
  echo nonsense >new/nonsense.png
  cp "$(find new -type f | sort | head -1)" "new/two
lines \"quoted\".png"
  for kind in csv jsonl; do
    [ "$(status_of millrace predict --model one.h5 --images new --batch-size 4 --threads 1 --max-errors 5 --output "alone.$kind" --quiet)" = 3 ]
    [ "$(status_of timeout 300 mpirun -n 3 "$program" predict --model one.h5 --images new --batch-size 4 --threads 1 --max-errors 5 \
      --output "shared.$kind" --quiet)" = 3 ]
    cmp "alone.$kind" "shared.$kind"
  done
  [ -z "$(ls -- *part* 2>/dev/null)" ]
  [ "$(status_of timeout 300 mpirun -n 2 "$program" predict --model one.h5 --images new --quiet)" = 2 ]
  all=$(find new -type f -printf x | wc -c) # in batches that give one rank more than the other
  timeout 300 mpirun -n 2 "$program" predict --model one.h5 --images new --batch-size 20 --max-errors 5 --output n.csv 2>err || [ $? = 3 ]
  grep -q "^$all/$all images" err
}

# A run of predict that ended early, its parts of any length: gone on with, they are put together to the same bytes.
resumed_prediction() {
  local run=(predict --model one.h5 --images new --batch-size 4 --threads 1 --quiet)
  [ -e one.h5 ] || train 1 one --epochs 1 --batch-size 28
  rm -rf new; cp -r cells/training new
  echo nonsense >new/zz.png # the last one: too much for the first run
  [ "$(status_of millrace "${run[@]}" --max-errors 5 --output alone.csv)" = 3 ]
  [ "$(status_of timeout 300 mpirun -n 3 "$program" "${run[@]}" --max-errors 0 --output parts.csv)" = 1 ]
  [ ! -e parts.csv ]
  [ -s parts.part-0-of-3.csv ]
  head -c 700 parts.part-0-of-3.csv >cut && mv cut parts.part-0-of-3.csv
  [ "$(status_of timeout 300 mpirun -n 3 "$program" "${run[@]}" --max-errors 5 --output parts.csv --resume)" = 3 ]
  cmp alone.csv parts.csv
  [ -z "$(ls parts.part* 2>/dev/null)" ]
}

# The same figures as one process prints, once; an unusable file is told once, whoever met it.
evaluation() {
  local form
  [ -e one.h5 ] || train 1 one --epochs 1 --batch-size 28
  cp -r cells/testing judged
  echo nonsense >judged/Uninfected/nonsense.png
  for form in "" --json; do
    [ "$(status_of millrace evaluate --model one.h5 --data judged $form --max-errors 5 --quiet)" = 3 ]
    mv out alone
    [ "$(status_of timeout 300 mpirun -n 3 "$program" evaluate --model one.h5 --data judged $form --max-errors 5 --quiet --threads 1)" = 3 ]
    cmp alone out
    [ "$(grep -c '(skipped)' err)" = 1 ]
  done
  [ "$(status_of timeout 300 mpirun -n 2 "$program" evaluate --model one.h5 --data judged --max-errors 0)" = 1 ]
}

misuse() {
  local status=0
  timeout 300 mpirun -n 4 "$program" train "${network[@]}" --batch-size 3 --epochs 1 --model no.h5 2>err || status=$?
  cat err
  [ $status = 1 ]
  [ "$(grep -c '^millrace: a batch of 3 samples is too small for 4 ranks' err)" = 1 ]
  status=0
  timeout 300 mpirun -n 2 "$program" train --epochs 1 2>err || status=$?
  [ $status = 2 ]
  [ "$(grep -c '^millrace: ' err)" = 1 ]
}

# The outputs are rank 0's to lock, and all end where another run has one of them.
one_run() {
  local status=0
  exec 8>taken.csv.resume
  /usr/bin/python3 -c "
import fcntl, struct
fcntl.fcntl(8, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0)) # F_OFD_SETLK"
  train 2 one_run --epochs 1 --batch-size 28 --history taken.csv 2>err || status=$?
  exec 8>&-
  [ $status = 1 ]
  [ "$(grep -c '^millrace: another process is writing taken.csv' err)" = 1 ]
  train 2 one_run --epochs 1 --batch-size 28 --history taken.csv
  [ -z "$(ls one_run*.resume taken*.resume)" ]
}

run_cases ${CASES-stopping even_shares uneven_shares idle_ranks dropout mixed_precision own_statistics bad_file dead_rank prediction resumed_prediction evaluation misuse one_run stopped}
