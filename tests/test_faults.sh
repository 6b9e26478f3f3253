#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every seam to the system fails once, at every call in turn, over a run that trains with checkpoints, one that
# resumes, and one that predicts. Runs repeat to the bit, so what must be there afterwards is known:
# - the exit status is 0, 1 or 3, with 1 exactly one line that says why; no signal, and an end within 20 s;
# - the model from before is there as it was, or the whole new one; no file is left half written;
# - a failed training, resumed without the fault, ends with the same bytes as one that met none;
# - predictions are those of the undisturbed run, but for the row of an image or a folder that could not be read (3).
# By default a sample: MILLRACE_FAULTS=N calls of each seam (1); `all`: each one (make check-long).
# MILLRACE_FAULT_SEAMS="open rename" takes these alone, MILLRACE_FAULT_PHASES="training" (resuming, predicting) this
# phase, MILLRACE_FAULT_PART=2/3 the second of three parts of the faults, for several runs side by side.
. "$MILLRACE_SRC/tests/tap.sh"
shopt -s extglob
export OPENBLAS_NUM_THREADS=1 # thousands of runs: its idle threads would take part of the processors

shim=$MILLRACE_BUILD/tests/.libs/faults.so
each=${MILLRACE_FAULTS-$([ -n "$MILLRACE_LONG" ] && echo all || echo 1)}
seams=${MILLRACE_FAULT_SEAMS-malloc calloc realloc aligned_alloc open read pread write fopen fwrite fclose opendir fsync rename
  pthread_create uring_init uring_submit uring_completion uring_short}
[ -e "$shim" ] || { echo "1..0 # SKIP tests/faults.la is not built"; exit 0; }
# The sanitizers' runtimes want to be first, and the shim's place is before them.
if sanitized; then echo "1..0 # SKIP a sanitizer holds malloc"; exit 0; fi

common=(--data ../cells --model m.h5 --image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --threads 2
  --checkpoint-dir ck --checkpoint-every 2steps --history h.csv --plot p.png)
train=(train "${common[@]}" --epochs 2)
resume=(train "${common[@]}" --resume)
predict=(predict --model m.h5 --images ../cells/testing --output p.csv --montage g.png)

# Where each phase begins. The model that is there beforehand is another one: as of one epoch and another seed.
prepare() {
  millrace sample cells --count 40 --seed 3 --quiet
  mkdir train resume predict whole
  (cd train && millrace train "${common[@]}" --epochs 1 --seed 9 --quiet && rm -r ck)
  (cd whole && millrace "${train[@]}" --keep 9 --quiet)
  mkdir resume/ck
  cp whole/ck/*02.h5 resume/ck/ && cp train/m.h5 resume/
  cp whole/m.h5 predict/
  (cd predict && millrace "${predict[@]}" --quiet && mv p.csv ../predicted.csv && rm -r -- !(m.h5))
  cp whole/m.h5 model.train && cp whole/m.h5 model.resume && cp whole/m.h5 model.predict
}
prepare || exit 99

# run PHASE FAULT: the phase in a fresh copy of its folder, there=$PWD/now.
run() {
  local -n arguments=$1
  rm -rf now && cp -r "$1" now
  (cd now && exec timeout -s KILL 20 env MILLRACE_FAULT="$2" LD_PRELOAD="$shim" "$MILLRACE_BUILD/millrace" "${arguments[@]}" --quiet) >out 2>err
}

wrong() { echo "# $1: $2: $(grep -v '^millrace: .*warn' err | tail -1)"; return 1; }

# check PHASE FAULT STATUS: what the fault may have led to.
check() {
  local phase=$1 fault=$1/$2 status=$3
  case $status in
    0 | 3) ;;
    1) [ "$(grep -c '^millrace: ' err)" = 1 ] || { wrong "$fault" "not one line of error"; return; } ;;
    137) wrong "$fault" "it hangs"; return ;;
    *) wrong "$fault" "exit status $status"; return ;;
  esac
  [ -z "$(find now -name '*tmp*')" ] || { wrong "$fault" "left $(find now -name '*tmp*')"; return; }
  cmp -s now/m.h5 "$phase/m.h5" || cmp -s now/m.h5 "model.$phase" || { [ "$status" != 1 ] && millrace summary now/m.h5 >/dev/null; } ||
    { wrong "$fault" "the model is damaged"; return; }
  [ "$status" != 0 ] || cmp -s now/m.h5 "model.$phase" || wrong "$fault" "it succeeded with another model"|| return
  [ "$status" != 0 ] || [ "$phase" = predict ] || [ "$(head -1 now/h.csv)" = "$(head -1 whole/h.csv)" ] || { wrong "$fault" "the history has other columns"; return; }
  if [ "$phase" = predict ]; then check_predictions "$fault" "$status"; else check_checkpoints "$fault" "$status"; fi
}

check_predictions() {
  [ "$2" != 1 ] || return 0
  local others of missing
  others=$(grep -vxFf predicted.csv now/p.csv) of=${others%%,*}
  if [ "$2" = 0 ]; then
    cmp -s predicted.csv now/p.csv || wrong "$1" "the predictions are others"
  elif [ -z "$of" ] || [ "$(wc -l <<<"$others")" != 1 ]; then
    wrong "$1" "$(wc -l <<<"$others") rows are others"
  else
    missing=$(grep -vxFf now/p.csv predicted.csv | grep -cvE "^$of(/|,)")
    [ "$missing" = 0 ] || wrong "$1" "$missing rows are missing"
  fi
}

check_checkpoints() {
  local file
  for file in now/ck/*.h5; do
    [ ! -e "$file" ] || cmp -s "$file" "whole/ck/${file##*/}" || millrace summary "$file" >/dev/null || { wrong "$1" "$file is damaged"; return; }
  done
  [ "$2" = 1 ] || return 0
  # With no checkpoint it begins anew, whatever the fault was: once is enough.
  local any; any=$(find now -path 'now/ck*' -name '*.h5')
  [ -n "$any" ] || [ ! -e begun_anew ] || return 0
  (cd now && millrace "${train[@]}" --resume --quiet) >out 2>err || { wrong "$1" "it cannot be resumed"; return; }
  cmp -s now/m.h5 whole/m.h5 || { wrong "$1" "resumed, it ends with another model"; return; }
  [ -n "$any" ] || : >begun_anew
}

# calls_of COUNT: which calls of so many fail: all, or a sample that is the same each time.
calls_of() {
  local part=${MILLRACE_FAULT_PART-1/1}
  if [ "$each" = all ] || [ "$1" -le "$each" ]; then seq "${part%/*}" "${part#*/}" "$1"
  else shuf -i "1-$1" -n "$each" --random-source=<(yes "$1 ${MILLRACE_FAULT_SEED-1}"); fi
}

# sweep PHASE: each seam in turn; a note tells how many faults there were and what they came to.
sweep() {
  local phase=$1 seam count n status failed=0 runs refused
  MILLRACE_FAULT_COUNT=$PWD/calls run "$phase" '' || { cat err; return 1; }
  for seam in $seams; do
    count=$(sed -n "s/^$seam //p" calls) runs=0 refused=0
    for n in $(calls_of "${count:-0}"); do
      status=0; run "$phase" "$seam:$n" || status=$?
      check "$phase" "$seam:$n" "$status" || failed=$((failed + 1))
      runs=$((runs + 1)); [ "$status" != 1 ] || refused=$((refused + 1))
    done
    [ $runs = 0 ] || echo "# $phase: $seam: $runs of $count calls made to fail, $refused of them ended the run with an error" >>notes
  done
  [ "$failed" = 0 ]
}

training() { sweep train; }
resuming() { sweep resume; }
predicting() { sweep predict; }
run_cases ${MILLRACE_FAULT_PHASES-training resuming predicting}
cat notes
