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
  expect 1 "is a directory" "${train[@]}" --model folder.h5
  expect 1 "is a directory" "${train[@]}" --model x.h5 --plot folder
  expect 2 "does not end in" "${train[@]}" --model x.onnx
  expect 2 "does not end in" "${train[@]}" --model ''
  expect 2 "unsupported format '.bmp'" "${train[@]}" --model x.h5 --plot x.bmp
  touch file
  expect 1 "not a directory" "${train[@]}" --model x.h5 --checkpoint-dir file
  expect 1 "not a directory" "${train[@]}" --model x.h5 --tensorboard file
  expect 1 "cannot make the folder no/such" "${train[@]}" --model x.h5 --checkpoint-dir no/such
  expect 1 "cannot make the folder no/such" "${train[@]}" --model x.h5 --tensorboard no/such
  # what was there is not touched by a run that does not begin
  millrace train --data cells "${small[@]}" --model y.h5 --checkpoint-dir yck --step-log y.csv
  find yck y.csv -type f -exec sha256sum {} + >before
  expect 2 "unknown metric" "${train[@]}" --model y.h5 --checkpoint-dir yck --step-log y.csv --keep-best nothing
  expect 1 "not a directory" "${train[@]}" --model y.h5 --checkpoint-dir yck --step-log y.csv --tensorboard file
  sha256sum -c --quiet before
  expect 2 "would be one file" "${train[@]}" --model x.h5 --history x.h5
  expect 2 "would be one file" "${train[@]}" --model x.h5 --plot p --stats ./p --history p
  expect 2 "--plot x.jpg: unsupported format '.jpg'" "${train[@]}" --model x.h5 --plot x.jpg
  expect 2 "--montage x.gif: unsupported" millrace predict --model base.h5 --images cells --montage x.gif
  expect 1 "no/such" millrace predict --model base.h5 --images cells --montage no/such/m.png
}

# What is read must not be overwritten: every result against every input, whatever its name.
inputs_are_kept() {
  local picture=p.png option
  find cells/training -name '*.jpg' | head -1 | xargs -I{} cp {} a.jpg
  cp base.h5 model.h5; echo a.jpg >list; mkdir sub; ln model.h5 sub/hard.h5; ln -s ../model.h5 sub/soft.h5; cp a.jpg $picture; echo '{}' >net.json
  sha256sum model.h5 a.jpg list $picture net.json >before
  local predict=(millrace predict --model model.h5) train=(millrace train --data cells "${small[@]}" --model new.h5)
  expect 2 "--output ./model.h5 is what --model reads: it would be overwritten" "${predict[@]}" --arrays base.h5 --output ./model.h5
  expect 2 "--stats model.h5 is what --model reads" "${predict[@]}" a.jpg --output o.csv --stats model.h5
  expect 2 "--output sub/hard.h5 is what --model reads" "${predict[@]}" a.jpg --output sub/hard.h5
  expect 2 "--stats a.jpg is one of the inputs" "${predict[@]}" list a.jpg --stats a.jpg
  expect 2 "--output a.jpg is what --images reads" "${predict[@]}" --images a.jpg --output a.jpg
  expect 2 "--montage $picture is what --images reads" "${predict[@]}" --images a.jpg --images $picture --montage $picture
  expect 2 "--stats list is what --images reads" "${predict[@]}" --images - --stats list <list
  expect 2 "--stats model.h5 is what --weights reads" millrace predict --arch net.json --weights model.h5 a.jpg --stats model.h5
  expect 2 "--stats net.json is what --arch reads" millrace predict --arch net.json --weights model.h5 a.jpg --stats net.json
  expect 2 "--stats sub/soft.h5 is what --model reads" millrace evaluate --model model.h5 --data cells --stats sub/soft.h5
  expect 2 "--stats model.h5 is what --arrays reads" millrace evaluate --model base.h5 --arrays model.h5 --stats model.h5
  for option in stats step-log history; do
    expect 2 "--$option sub/hard.h5 is what --from reads" "${train[@]}" --from model.h5 --$option sub/hard.h5
  done
  expect 2 "--model model.h5 is what --arrays reads" millrace train --arrays model.h5 --model model.h5
  expect 2 "--model model.h5 is what --weights reads" millrace train --data cells --weights sub/soft.h5 --model model.h5
  expect 2 "--plot $picture is what --weights reads" "${train[@]}" --weights $picture --plot $picture
  sha256sum -c --quiet before
  [ -z "$(find . -name 'o.csv*' -o -name '*.resume' -o -name 'new.h5*')" ]
  # an architecture's name is no file, and a model may be replaced by what comes of it
  echo {} >resnet
  millrace train --data cells "${small[@]}" --from model.h5 --model model.h5 --stats resnet
  millrace train --data cells "${small[@]}" --arch resnet --model new.h5 --stats resnet
  millrace convert model.h5 model.h5 --quiet
}

# Of a command that reads, too, the results are its own until it ends.
results_have_one_writer() {
  cat >locked.py <<'END'
import fcntl, struct, subprocess, sys
with open(sys.argv[1] + ".resume", "w") as held:
    fcntl.fcntl(held, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
    sys.exit(subprocess.call(sys.argv[2:]))
END
  locked() { echo mine >"$1"; "$python" locked.py "$1" "$MILLRACE_BUILD/millrace" "${@:2}"; }
  expect 1 "another process is writing same.csv" locked same.csv evaluate --model base.h5 --data cells --stats same.csv
  expect 1 "another process is writing same.csv" locked same.csv predict --model base.h5 cells/testing --stats same.csv --output o.csv
  expect 1 "another process is writing m.png" locked m.png predict --model base.h5 cells/testing --montage m.png --output o.csv
  expect 1 "another process is writing c.h5" locked c.h5 convert base.h5 c.h5
  [ "$(cat same.csv m.png c.h5 | sort -u)" = mine ] && [ ! -e o.csv ]
  rm ./*.resume
  millrace evaluate --model base.h5 --data cells --stats same.csv --quiet >/dev/null
  millrace convert base.h5 c.h5 --quiet
  [ -z "$(find . -maxdepth 1 -name '*.resume')" ]
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

run_cases permissions_are_kept full_disk places_are_checked_first inputs_are_kept results_have_one_writer idle_options impossible_options closed_streams
