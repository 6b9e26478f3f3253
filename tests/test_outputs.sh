#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Results that cannot be put where they are wanted: found before the work where that is possible, and one line of
# error, never a crash or a torn file, where it is not. Options that cannot be meant are wrong usage.
. "$MILLRACE_SRC/tests/tap.sh"

small=(--image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --threads 2 --epochs 1 --quiet)
millrace sample cells --count 40 --seed 3 --quiet || exit 99
millrace train --data cells --model base.h5 "${small[@]}" || exit 99

# A file-size limit fails writes as a full disk does.
full_disk() {
  limited() { (trap '' XFSZ; ulimit -f 16; "$MILLRACE_BUILD/millrace" "$@"); }
  expect 1 "cannot write" limited convert base.h5 big.h5
  expect 1 "cannot write" limited convert base.h5 big.keras
  expect 1 "checkpoint could not be written" limited train --data cells "${small[@]}" --checkpoint-dir ck --epochs 2
  [ ! -e big.h5 ] && [ ! -e big.keras ]
  [ -z "$(find . -name '*.tmp*')" ]
  millrace train --data cells "${small[@]}" --checkpoint-dir ck --resume --model after.h5
}

places_are_checked_first() {
  local train=(millrace train --data cells "${small[@]}" --epochs 100000)
  mkdir folder
  expect 2 "does not end in" "${train[@]}" --model folder.h5/
  mkdir folder.h5
  expect 1 "this is a folder's" "${train[@]}" --model folder.h5
  expect 1 "this is a folder's" "${train[@]}" --model x.h5 --plot folder
  expect 2 "does not end in" "${train[@]}" --model x.onnx
  expect 2 "does not end in" "${train[@]}" --model ''
  expect 2 "unsupported format '.bmp'" "${train[@]}" --model x.h5 --plot x.bmp
  touch file
  expect 1 "this is a file's" "${train[@]}" --model x.h5 --checkpoint-dir file
  expect 1 "this is a file's" "${train[@]}" --model x.h5 --tensorboard file
  expect 1 "cannot make the folder no/such" "${train[@]}" --model x.h5 --checkpoint-dir no/such
  expect 1 "cannot make the folder no/such" "${train[@]}" --model x.h5 --tensorboard no/such
  # what was there is not touched by a run that does not begin
  millrace train --data cells "${small[@]}" --model y.h5 --checkpoint-dir yck --step-log y.csv
  find yck y.csv -type f -exec sha256sum {} + >before
  expect 2 "no metric" "${train[@]}" --model y.h5 --checkpoint-dir yck --step-log y.csv --keep-best nothing
  expect 1 "this is a file's" "${train[@]}" --model y.h5 --checkpoint-dir yck --step-log y.csv --tensorboard file
  sha256sum -c --quiet before
  expect 2 "would be one file" "${train[@]}" --model x.h5 --history x.h5
  expect 2 "would be one file" "${train[@]}" --model x.h5 --plot p --stats ./p --history p
  expect 2 "--plot x.jpg: unsupported format '.jpg'" "${train[@]}" --model x.h5 --plot x.jpg
  expect 2 "--montage x.gif: unsupported" millrace predict --model base.h5 --images cells --montage x.gif
  expect 1 "no/such" millrace predict --model base.h5 --images cells --montage no/such/m.png
}

# What is read must not be overwritten.
inputs_are_kept() {
  cp base.h5 model.h5
  expect 2 "would be overwritten" millrace predict --model model.h5 --arrays base.h5 --output ./model.h5
  cmp base.h5 model.h5
}

idle_options() {
  expect 2 "no checkpoints" millrace train --data cells --model x.h5 --checkpoint-every 5min
  expect 2 "no checkpoints" millrace train --data cells --model x.h5 --keep 2
  expect 0 "--stages has no effect" millrace train --data cells --model x.h5 --from base.h5 --stages 2 --epochs 1 --quiet
}

impossible_options() {
  expect 2 "loss 'foo'" millrace train --data cells --model x.h5 --loss foo
  expect 2 "'nesterov' is not" millrace train --data cells --model x.h5 --optimizer adam --nesterov
  expect 2 "--filters takes" millrace train --data cells --model x.h5 --stages 1,1 --filters 8
}

# What is opened next must not become standard output or standard error.
closed_streams() {
  local status=0
  "$MILLRACE_BUILD/millrace" predict --model base.h5 --images cells --quiet >&- 2>err || status=$?
  [ "$status" = 1 ]
  "$MILLRACE_BUILD/millrace" train --data cells --model c1.h5 "${small[@]:0:10}" --epochs 1 2>&- >&- <&-
  "$MILLRACE_BUILD/millrace" train --data cells --model c2.h5 "${small[@]}"
  cmp c1.h5 c2.h5
  status=0
  "$MILLRACE_BUILD/millrace" train --help >/dev/full || status=$?
  [ "$status" = 1 ]
}

# Also in the sandbox, where no permissions can be changed.
permissions_are_kept() {
  local mode file
  umask 022
  for mode in 600 664 640; do
    for file in a.h5 a.keras; do
      touch $file; chmod $mode $file
      millrace convert base.h5 $file --quiet
      [ "$(stat -c %a $file)" = $mode ] || { echo "# $file: $(stat -c %a $file), not $mode"; return 1; }
    done
    touch rows.h5 h.csv b.h5; chmod $mode rows.h5 h.csv b.h5
    millrace predict --model base.h5 --images cells/testing --output rows.h5 --quiet
    [ "$(stat -c %a rows.h5)" = $mode ]
    millrace train --data cells --model b.h5 "${small[@]}" --history h.csv
    [ "$(stat -c %a b.h5 h.csv | uniq)" = $mode ]
  done
}

run_cases permissions_are_kept full_disk places_are_checked_first inputs_are_kept idle_options impossible_options closed_streams
