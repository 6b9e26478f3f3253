#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make check-valgrind: the main job (train with checkpoints, resume, evaluate, predict, summary, convert) on a tiny set,
# each command under memcheck: no error, nothing definitely lost. Suppressions with their reasons: tests/valgrind.supp.
#   tests/valgrind.sh BUILD_FOLDER SOURCE_FOLDER
set -euo pipefail
build=$(realpath "$1") source=$(realpath "$2")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
program=$build/.libs/millrace; [ -x "$program" ] || program=$build/millrace # libtool's wrapper is a shell script
export LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
failed=0
# valgrind does not see what the kernel writes for io_uring: as where there is none, files are read with pread.
echo 'int io_uring_queue_init(unsigned entries, void *ring, unsigned flags) { (void)entries, (void)ring, (void)flags; return -38; }' |
  cc -shared -fPIC -x c - -o no_uring.so
# It knows no call of Landlock or seccomp, either (3.19).
watch=(env LD_PRELOAD=./no_uring.so valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --error-exitcode=99
  --suppressions="$source/tests/valgrind.supp" --log-file=log "$program")

watched() {
  local status=0
  "${watch[@]}" "$1" --no-sandbox "${@:2}" >out 2>err || status=$?
  if [ $status = 0 ] && ! [ -s log ]; then echo "clean: millrace $1"; return; fi
  echo "millrace $*: exit status $status"; tail -3 err; head -60 log; failed=$((failed + 1))
}

"$program" sample cells --count 40 --quiet >/dev/null
tiny=(--data cells --image-size 32x32 --stages 1 --filters 4,8 --batch-size 8 --threads 2)
watched train "${tiny[@]}" --epochs 1 --model m.h5 --checkpoint-dir ck --checkpoint-every 2steps --horizontal-flip --rotation-range 20 \
  --history h.csv --plot p.png
watched train "${tiny[@]}" --epochs 2 --model m.h5 --checkpoint-dir ck --checkpoint-every 2steps --horizontal-flip --rotation-range 20 --resume
watched evaluate --model m.h5 --data cells --threads 2
watched predict --model m.h5 --images cells/testing --output p.csv --montage m.png --threads 2
watched summary m.h5
watched convert m.h5 m.keras
watched predict --model m.keras --images cells/testing --output q.csv --threads 2
# The way of an error is walked to its end, too.
head -c 3000 m.h5 >cut.h5
status=0; "${watch[@]}" summary --no-sandbox cut.h5 >out 2>err || status=$?
[ $status = 1 ] && ! [ -s log ] && echo "clean: a refusal" || { echo "summary of a cut file: exit status $status"; head -60 log; failed=$((failed + 1)); }
echo "8 commands, $failed not clean"
[ $failed = 0 ]
