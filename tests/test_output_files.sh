#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The files that millrace writes: whose rows they hold, who writes them, what is there when a run ends early, and names that
# are links, pipes or devices.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 40 --seed 5 --quiet || exit 99
for seed in 1 2; do
  millrace train --data cells --model m$seed.h5 --arch cnn --stages 1 --filters 4 --image-size 8x8 --threads 2 --quiet --epochs 1 --seed $seed || exit 99
done
find cells -name '*.jpg' | LC_ALL=C sort >paths
predict() { millrace predict --model m1.h5 --quiet --batch-size 4 "$@"; }

# started FILE ROWS OPTIONS…: a run that got paths for so many rows and waits for more, once FILE has them; its number is in $run.
started() {
  local file=$1 rows=$2 lines=$2; shift 2
  [ "${file##*.}" = jsonl ] || lines=$((rows + 1))
  rm -f names; mkfifo names
  "$MILLRACE_BUILD/millrace" predict --quiet --batch-size 4 --images - "$@" <names & run=$!
  exec 7>names
  head -"$rows" paths >&7
  for _ in $(seq 300); do [ "$(wc -l <"$file" 2>/dev/null)" = $lines ] && return 0; sleep .1; done
  echo "$file does not get its rows"; return 1
}
killed() { kill -KILL $run; wait $run 2>/dev/null || true; exec 7>&-; }
stopped() { local rc=0; kill -TERM $run; wait $run || rc=$?; exec 7>&-; [ $rc = 143 ]; }

another_model_is_refused() {
  local end
  for end in csv jsonl h5; do
    predict --images - --output "whole.$end" <paths
    if [ $end = h5 ]; then # the rows are in a journal until the end
      rm -f names; mkfifo names; "$MILLRACE_BUILD/millrace" predict --model m1.h5 --quiet --batch-size 4 --images - --output o.h5 <names & run=$!
      exec 7>names; head -8 paths >&7
      for _ in $(seq 300); do [ "$(stat -c %s o.h5.journal 2>/dev/null || echo 0)" -gt 300 ] && break; sleep .1; done
      rm names
    else
      started "o.$end" 8 --model m1.h5 --output "o.$end"
    fi
    killed
    [ -e "o.$end.resume" ]
    expect 1 'model weights' millrace predict --model m2.h5 --quiet --batch-size 4 --images - --output "o.$end" --resume <paths
    expect 1 'made without --threshold 0.9;' predict --images - --output "o.$end" --resume --threshold .9 <paths
    expect 1 'made without --top 2;' predict --images - --output "o.$end" --resume --top 2 <paths
    expect 1 '--interpolation' predict --images - --output "o.$end" --resume --interpolation bilinear --override-preprocessing <paths
    expect 1 '--precision' predict --images - --output "o.$end" --resume --precision mixed_bfloat16 <paths
    predict --images - --output "o.$end" --resume <paths
    cmp "o.$end" "whole.$end"
    [ "$(ls o.$end*)" = "o.$end" ]
  done
}

# Complete, or from a run that left no record: rows are computed again before others are put behind them.
rows_without_a_record_are_checked() {
  predict --images - --output r.csv <paths
  cp r.csv all.csv
  predict --images - --output r.csv --resume <paths
  cmp r.csv all.csv
  head -9 all.csv >r.csv
  predict --images - --output r.csv --resume <paths
  cmp r.csv all.csv
  head -9 all.csv >r.csv
  expect 1 'not what this model' millrace predict --model m2.h5 --quiet --images - --output r.csv --resume <paths
  [ "$(wc -l <r.csv)" = 9 ]
  sed '2,$s/^/gone/' all.csv | head -9 >r.csv
  expect 1 'none of them can be checked' predict --images - --output r.csv --resume <paths
  predict --images - --output r.h5 <paths
  expect 1 'finished' predict --images - --output r.h5 --resume <paths
}

one_writer() {
  started w.csv 8 --model m1.h5 --output w.csv
  expect 1 'another process is writing w.csv' predict cells --output w.csv
  expect 1 'another process is writing w.csv' predict cells --output w.csv --overwrite
  expect 1 'another process is writing ./w.csv' predict cells --output ./w.csv --resume
  ln -s w.csv link.csv
  expect 1 'another process is writing link.csv' predict cells --output link.csv
  [ "$(wc -l <w.csv)" = 9 ]
  stopped
  predict --images - --output w.csv --resume <paths
  predict --images - <paths | cmp - w.csv
  [ ! -e w.csv.resume ]
}

# The other one ends and takes its record away while the second waits for the lock: it came too late all the same.
late_for_a_short_run() {
  predict cells/testing --output late.csv; cp late.csv was.csv
  python3 - "$MILLRACE_BUILD/millrace" <<'PY'
import fcntl, os, struct, subprocess, sys, time
record = os.path.realpath('late.csv.resume')
held = os.open(record, os.O_RDWR | os.O_CREAT)
fcntl.fcntl(held, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
run = subprocess.Popen([sys.argv[1], 'predict', '--model', 'm1.h5', '--quiet', 'cells', '--output', 'late.csv'], stderr=subprocess.PIPE)
def has_it_open():
    try: return any(os.readlink(f'/proc/{run.pid}/fd/{n}') == record for n in os.listdir(f'/proc/{run.pid}/fd'))
    except OSError: return False
while run.poll() is None and not has_it_open(): time.sleep(.001)
time.sleep(.1)  # until it has tried
os.unlink(record); os.close(held)
said = run.communicate()[1]
assert run.returncode == 1 and b'another process is writing late.csv' in said, (run.returncode, said)
PY
  cmp late.csv was.csv
  [ ! -e late.csv.resume ]
}

a_finished_output_stays() {
  local end
  predict --images cells/testing --output f.csv; cp f.csv old.csv
  started f.part.csv 8 --model m2.h5 --output f.csv
  cmp f.csv old.csv
  stopped
  cmp f.csv old.csv
  expect 1 'model weights' predict --images - --output f.csv --resume <paths
  millrace predict --model m2.h5 --quiet --batch-size 4 --images - --output f.csv --resume <paths
  millrace predict --model m2.h5 --quiet --batch-size 4 --images - <paths | cmp - f.csv
  [ "$(echo f.*)" = f.csv ]
  started f.csv 8 --model m1.h5 --output f.csv --overwrite
  stopped
  for end in h5 jsonl; do
    predict --images cells/testing --output "f.$end"; cp "f.$end" old
    expect 1 allowed predict --images - --output "f.$end" --max-errors 0 < <(cat paths; echo nowhere.jpg)
    cmp "f.$end" old
    predict --images - --output "f.$end" <paths
    ! cmp -s "f.$end" old
    [ "$(echo f.*$end*)" = "f.$end" ]
  done
  expect 2 'cannot be used together' predict cells --output f.csv --resume --overwrite
}

links_are_written_through() {
  mkdir -p links/deep/er; cd links; predict() { millrace predict --model ../m1.h5 --quiet "$@"; }
  ln -s deep/er/real.csv o.csv; ln -s "$PWD/deep/er/real.json" s.json; ln -s deep/er/real.png m.png; ln -s deep/er/real.keras c.keras
  ln -s deep/er/real.jsonl o.jsonl; ln -s deep/er/real.h5 o.h5
  for _ in 1 2; do # made, then replaced
    for f in o.csv o.jsonl o.h5; do predict ../cells/testing --output $f --stats s.json --montage m.png; done
    millrace convert ../m1.h5 c.keras --quiet
  done
  for f in o.csv o.jsonl o.h5 s.json m.png c.keras; do [ -L $f ] && [ -s $f ]; done
  [ "$(ls deep/er | tr '\n' ' ')" = "real.csv real.h5 real.json real.jsonl real.keras real.png " ]
  ln -s no/such/place.csv broken.csv
  expect 1 'folder does not exist' predict ../cells/testing --output broken.csv
  ln -s round.csv round.csv
  expect 1 'cannot follow the link' predict ../cells/testing --output round.csv
}

streams_are_written() {
  predict cells/testing >want
  predict cells/testing --output /dev/stdout | cmp - want
  predict cells/testing --output /dev/stdout >to.csv; predict cells/testing --output /dev/fd/5 5>>to.csv
  cat want want | cmp - to.csv
  predict cells/testing --output /dev/null
  [ -c /dev/null ]
  mkfifo pipe.csv pipe.json pipe.png pipe.keras
  cat pipe.csv >got.csv & cat pipe.json >got.json & cat pipe.png >got.png &
  predict cells/testing --output pipe.csv --stats pipe.json --montage pipe.png
  wait
  cmp got.csv want
  python3 -c 'import json; json.load(open("got.json"))'
  [ "$(head -c 4 got.png | tail -c 3)" = PNG ]
  cat pipe.keras >got.keras & millrace convert m1.h5 pipe.keras --quiet; wait
  millrace verify got.keras >/dev/null
  [ -p pipe.csv ] && [ -p pipe.json ] && [ -p pipe.png ] && [ -p pipe.keras ]
  mkfifo pipe.h5
  expect 2 'cannot be written to a pipe' predict cells/testing --output pipe.h5
  expect 1 'cannot be written' predict cells/testing --output /dev/fd/77
}

# Nobody reads the pipe: a signal still ends the run.
unread_pipes_end_by_a_signal() {
  local rc=0 option
  mkfifo unread.csv
  timeout -k 20 1 "$MILLRACE_BUILD/millrace" predict --model m1.h5 --quiet cells/testing --output unread.csv || rc=$?
  [ $rc = 124 ]
  local train=(timeout --preserve-status -k 20 1 "$MILLRACE_BUILD/millrace" train --data cells --arch cnn --stages 1 --filters 4 --image-size 8x8 --quiet --epochs 1)
  mkfifo unread.h5
  for option in history plot; do
    rc=0; "${train[@]}" --model kept.h5 --$option unread.csv 2>/dev/null || rc=$?
    [ $rc = 143 ]
  done
  expect 2 'a trained model cannot be written to a pipe' "${train[@]:5}" --model unread.h5
  rc=0; for _ in $(seq 40); do cat paths; done >many
  sleep 30 < <(timeout -k 20 2 "$MILLRACE_BUILD/millrace" predict --model m1.h5 --quiet --images - <many || echo $? >rc) & local reader=$!
  for _ in $(seq 200); do [ -s rc ] && break; sleep .1; done
  kill $reader
  [ "$(cat rc)" = 124 ]
}

# A limit on files' size stands for a full disk.
no_temporary_file_is_left() {
  local limited=(bash -c 'ulimit -f 4; exec "$@"' - "$MILLRACE_BUILD/millrace")
  mkdir tmp
  expect 1 "'tmp/m.h5'" "${limited[@]}" convert m1.h5 tmp/m.h5
  expect 1 "'tmp/m.keras'" "${limited[@]}" convert m1.h5 tmp/m.keras
  expect 1 "tmp/p.csv: File too large" "${limited[@]}" predict --model m1.h5 --quiet cells cells cells --output tmp/p.csv
  expect 1 "tmp/p.h5.journal: File too large" "${limited[@]}" predict --model m1.h5 --quiet cells cells cells --output tmp/p.h5
  rm -f tmp/p.*
  [ -z "$(ls -A tmp)" ]
  cp m1.h5 tmp/m.h5; chmod 640 tmp/m.h5; (umask 000; millrace convert m2.h5 tmp/m.h5 --quiet)
  [ "$(stat -c %a tmp/m.h5)" = 640 ]
}

# One pipe is no place for two results, and a reader that leaves is told as what it is.
one_pipe() {
  local train=("$MILLRACE_BUILD/millrace" train --data cells --arch cnn --stages 1 --filters 4 --image-size 8x8 --quiet --epochs 20 --model pipe-model.h5)
  { rc=0; "${train[@]}" --history /dev/stdout --step-log /dev/stdout 2>err || rc=$?; echo $rc >rc; } | cat >/dev/null
  [ "$(cat rc)" = 2 ] && grep -q 'would be one file, /dev/stdout' err && [ ! -e pipe-model.h5 ]
  { rc=0; "${train[@]}" --step-log /dev/stdout 2>err || rc=$?; echo $rc >rc; } | true
  [ "$(cat rc)" = 1 ] && grep -q 'cannot write /dev/stdout: Broken pipe' err && [ -s pipe-model.h5 ]
}

# A signal that ends the program takes its temporary files away.
killed_without_a_trace() {
  local rc=0
  mkdir traces; mkfifo unread.keras
  TMPDIR=$PWD/traces "$MILLRACE_BUILD/millrace" convert m1.h5 unread.keras --quiet & run=$!
  for _ in $(seq 200); do [ -n "$(ls -A traces)" ] && break; sleep .1; done
  sleep .5
  kill -TERM $run; wait $run || rc=$?
  [ $rc = 143 ]
  [ -z "$(ls -A traces)" ]
}

# Nobody reads the log: the rows are written all the same.
closed_log() {
  { cat paths; echo nowhere.jpg; } | millrace predict --model m1.h5 --max-errors 5 --images - --output log.csv 2> >(exec 0<&-) || [ $? = 3 ]
  [ "$(wc -l <log.csv)" = $(($(wc -l <paths) + 2)) ]
}

# One after the other may write a file, two at a time may not; whatever path leads to it, and whatever ended the first.
one_trainer() {
  local small=(--data cells --arch cnn --stages 1 --filters 4 --image-size 8x8 --threads 1 --quiet) status end names
  mkdir deep && ln -s ../t.h5 deep/link.h5 && ln -s . here
  for end in TERM KILL; do
    "$MILLRACE_BUILD/millrace" train "${small[@]}" --epochs 1000000 --model t.h5 --history t.csv --plot t.png --overwrite & run=$!
    for _ in $(seq 300); do [ -s t.csv ] && break; sleep .1; done
    cp t.csv rows.csv
    names=("$PWD/deep/../here/t.h5" deep/link.h5); [ $end = TERM ] || names=(t.h5)
    for file in "${names[@]}"; do
      expect 1 "another process is writing $file" millrace train "${small[@]}" --epochs 1 --model "$file"
    done
    for file in '--history t.csv' '--plot here/t.png'; do
      expect 1 "another process is writing ${file#* }" millrace train "${small[@]}" --epochs 1 --model u.h5 $file
      [ ! -e u.h5 ]
    done
    expect 1 'another process is writing t.csv' millrace predict --model m1.h5 --quiet cells --output t.csv
    head -"$(wc -l <rows.csv)" t.csv | cmp - rows.csv
    status=0; kill -$end $run; wait $run 2>/dev/null || status=$?
    [ $status = $((128 + $(kill -l $end))) ]
    millrace train "${small[@]}" --epochs 1 --model deep/link.h5 --history t.csv
    [ -L deep/link.h5 ] && millrace verify t.h5 >/dev/null && [ "$(wc -l <t.csv)" = 2 ]
    rm -rf t.csv t.h5.interrupted
  done
  [ -z "$(find . -name '*.resume' ! -name 't.png.resume')" ]
  millrace train "${small[@]}" --epochs 1 --model u.h5 --history /dev/null --stats /dev/null
  expect 2 'would be one file' millrace train "${small[@]}" --epochs 1 --model u.h5 --history new.csv --stats here/new.csv
  millrace train "${small[@]}" --epochs 1 --model v.h5 --stats v.h5.resume # is not taken for a lock
  [ -s v.h5.resume ]
}

arrays_have_one_writer() {
  /usr/bin/python3 -c "
import h5py, numpy as np
h5py.File('a.h5', 'w')['input_0'] = np.zeros((6, 8, 8, 3), np.float32)"
  millrace predict --model m1.h5 --quiet --arrays a.h5 --output arrays.h5
  exec 8>arrays.h5.resume
  /usr/bin/python3 -c "
import fcntl, struct, subprocess, sys
fcntl.fcntl(8, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0)) # F_OFD_SETLK
sys.exit(subprocess.call(sys.argv[1:], close_fds=False))" bash -c '"$@" 2>err; echo $? >rc' - "$MILLRACE_BUILD/millrace" predict --model m1.h5 --quiet --arrays a.h5 --output arrays.h5
  exec 8>&-
  [ "$(cat rc)" = 1 ]
  grep -q 'another process is writing arrays.h5' err
  millrace predict --model m1.h5 --quiet --arrays a.h5 --output arrays.h5
  [ "$(echo arrays.h5*)" = arrays.h5 ]
}

spreadsheets_see_no_formula() {
  mkdir sheet; for n in =1+1.jpg +a.jpg -b.jpg @c.jpg "'d.jpg" e.jpg; do cp "$(head -1 paths)" "sheet/$n"; done
  (cd sheet; millrace predict --model ../m1.h5 --quiet --csv-safe --batch-size 1 -- *.jpg | cut -d, -f1 | tail -n +2 | sort | tr '\n' ' ') >got
  [ "$(cat got)" = "''d.jpg '+a.jpg '-b.jpg '=1+1.jpg '@c.jpg e.jpg " ]
  cd sheet
  predict() { millrace predict --model ../m1.h5 --quiet --csv-safe --batch-size 1 "$@"; }
  predict --output ../safe.csv -- *.jpg
  head -4 ../safe.csv >../cut.csv
  predict --output ../cut.csv --resume -- *.jpg
  cmp ../cut.csv ../safe.csv
  expect 2 'CSV' predict e.jpg --output ../x.jsonl
}

results_go_elsewhere() {
  mkdir -p in/sub; cp "$(head -1 paths)" in/a.jpg; cp "$(head -1 paths)" in/sub/b.jpg; ln -s in also
  expect 2 'same folder' predict --images in --move-to in
  expect 2 'same folder' predict --images in/sub --move-to also
  expect 2 'same folder' predict --images also --link-to ./in/
  expect 2 'same folder' predict --watch in --move-to also
  [ -e in/a.jpg ] && [ "$(find in -type d | wc -l)" = 2 ]
  predict --images in --move-to in/sorted --output moved.csv
  [ "$(find in/sorted -type f | wc -l)" = 2 ]
  predict in/sorted/*/*.jpg --move-to in
  [ "$(find in -type f | wc -l)" = 2 ]
}

run_cases another_model_is_refused rows_without_a_record_are_checked one_writer one_trainer late_for_a_short_run a_finished_output_stays links_are_written_through \
  streams_are_written unread_pipes_end_by_a_signal one_pipe no_temporary_file_is_left \
  killed_without_a_trace closed_log arrays_have_one_writer spreadsheets_see_no_formula results_go_elsewhere
