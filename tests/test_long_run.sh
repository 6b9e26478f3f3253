#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run of many epochs: memory and file descriptors stay where they are, being stopped and woken changes nothing, and
# a limit on memory ends in one line. 300 epochs; 10,000 under check-long.
. "$MILLRACE_SRC/tests/tap.sh"
epochs=300
[ -z "$MILLRACE_LONG" ] || epochs=10000
! sanitized || { echo "1..0 # SKIP a sanitizer's memory is its own"; exit 0; }
millrace sample cells --count 20 --seed 3 --quiet || exit 99
small=(train --data cells --image-size 16x16 --stages 1 --filters 4,8 --batch-size 8 --threads 1 --decode-threads 1 --quiet
  --learning-rate 0.001 --decay 0 --checkpoint-every 20epochs --keep 2)

rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
descriptors() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }

# Measured from the second checkpoint on, when pools and caches are filled. What a leak leaves is there at every later
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
    (ulimit -v $limit; OPENBLAS_NUM_THREADS=1 exec "$MILLRACE_BUILD/millrace" "${small[@]}" --model l.h5 --image-size 512x512 --filters 64,128 --batch-size 20 --epochs 1 --checkpoint-dir lck) >out 2>err || status=$?
    [ $status = 1 ] || { echo "limit $limit: exit status $status: $(tail -1 err)"; return 1; }
    [ "$(grep -c '^millrace: ' err)" = 1 ]
    grep -Eiq 'memory' err
  done
}

run_cases flat_and_woken stops_change_nothing memory_limit_is_one_line
cat notes
