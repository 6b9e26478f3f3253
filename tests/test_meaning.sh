#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the numbers of a model mean, and what is printed for a person.
. "$MILLRACE_SRC/tests/tap.sh"

keras() { "$python" "$MILLRACE_SRC/tests/keras_file.py" "$@"; }
millrace sample cells --count 12 --seed 3 --quiet || exit 99

# Names of a file's classes are those of its outputs: no index of the one goes into the other.
folders_must_be_the_outputs() {
  keras ten.h5 bias=0,0,0,0,0,0,0,0,0,1 activation=softmax
  expect 1 'cells/testing has 2 class folders, the model has 10 outputs' millrace evaluate --model ten.h5 --data cells --rescale 1/255
  expect 1 'cells/testing has 2 class folders, the model has 10 outputs' millrace evaluate --model ten.h5 --data cells --rescale 1/255 --json
  keras two.h5 bias=0,1 activation=softmax
  mkdir -p three/{a,b,c}
  for c in a b c; do cp "$(find cells -name '*.jpg' | head -1)" three/$c/; done
  expect 1 'three has 3 class folders, the model has 2 outputs' millrace evaluate --model two.h5 --data three --rescale 1/255
  millrace evaluate --model two.h5 --data cells --rescale 1/255 --quiet >report
  grep -q 'Uninfected' report
}

# said COMMAND...: what it prints, into out and err.
said() { "$@" >out 2>err || true; }

# clean FILE...: nothing in it that a terminal obeys (C0 but the line feed, DEL, C1, the turning of directions).
clean() {
  "$python" - "$@" <<'PY'
import sys
for file in sys.argv[1:]:
    for c in open(file, encoding="utf-8").read():
        assert c == "\n" or not (ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or 0x2028 <= ord(c) <= 0x202e
                                 or 0x2066 <= ord(c) <= 0x2069), (file, hex(ord(c)))
PY
}

names_do_not_reach_the_terminal() {
  local bad='\x1b[31mEVIL\x07\r\n\x9b31m\u202eevil'
  keras e.h5 bias=1,2,3 activation=softmax 'loss="mse\u001b[33m"' "name=$bad" "optimizer=$bad" "keras=$bad" "backend=$bad"
  millrace summary e.h5 >out
  clean out
  grep -q '^Model: "?\[31mEVIL????31m?evil"$' out
  grep -q '^Written by Keras version ?\[31mEVIL.*, backend ?\[31mEVIL' out
  local odd=$'\e[31mred\a\r\xc2\x9b31m'
  said millrace convert e.h5 "$odd.h5"
  clean out err
  said millrace summary "$odd.none.h5"
  clean out err
  said millrace "$odd"
  clean out err
  said millrace verify "$odd.h5"
  clean out err
  said millrace sample "$odd-s" --count 12
  clean out err
}

# Class folders of any name through training, the report, the confusion matrix and the summary.
class_names_do_not_reach_the_terminal() {
  local a=$'\e[31mred\e[0m\a' b=$'b\xc2\x9b31m\xe2\x80\xaeevil'
  mkdir -p "odd/training/$a" "odd/training/$b"
  cp cells/training/Parasitized/*.jpg "odd/training/$a/"
  cp cells/training/Uninfected/*.jpg "odd/training/$b/"
  millrace train --data odd --image-size 32x32 --stages 1 --filters 4,8 --epochs 1 --model odd.h5 --threads 1 >out 2>err
  clean out err
  millrace summary odd.h5 >out
  clean out
  grep -q '^Classes: ?\[31mred?\[0m? b?31m?evil$' out
  millrace evaluate --model odd.h5 --data odd/training >out 2>err
  clean out err
  grep -q '^ *?\[31mred?\[0m?  *[01]' out
  millrace predict --model odd.h5 --images odd --output o.csv 2>err
  clean err
  expect 2 'the model has no such class' millrace predict --model odd.h5 --images odd --threshold $'\e[31m=0.5'
  clean err
}

run_cases folders_must_be_the_outputs names_do_not_reach_the_terminal class_names_do_not_reach_the_terminal
