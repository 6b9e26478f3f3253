#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Training with --precision mixed_bfloat16, from the outside.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 300 --seed 3 --quiet || exit 99
network=(--data cells --image-size 32x32 --stages 1,1 --filters 16,16,32 --batch-size 16 --seed 5 --quiet --learning-rate 0.05)
train() { millrace train "${network[@]}" "$@"; }
mixed() { train --precision mixed_bfloat16 "$@"; }

threads_do_not_matter() {
  mixed --epochs 1 --horizontal-flip --model a.h5 --threads 1 --decode-threads 1
  mixed --epochs 1 --horizontal-flip --model b.h5 --threads 2 --decode-threads 5
  cmp a.h5 b.h5
}

# Every instruction set that this processor has can train; their sums are not the same bytes.
other_processors() {
  ! thread_sanitized || { echo "SKIP the threads are the same"; return 0; }
  local isa
  for isa in avx512 avx2 portable; do
    MILLRACE_ISA=$isa mixed --epochs 1 --model "$isa.h5" --history h.csv
    python3 -c 'import csv; r = list(csv.DictReader(open("h.csv")))[-1]; assert 0 < float(r["loss"]) < 3, r'
  done
}

resumed_to_the_byte() {
  rm -rf ck
  mixed --epochs 3 --model whole.h5
  mixed --epochs 1 --model part.h5 --checkpoint-dir ck
  mixed --epochs 3 --model part.h5 --checkpoint-dir ck --resume
  cmp whole.h5 part.h5
  expect 2 precision train --epochs 4 --model part.h5 --checkpoint-dir ck --resume --precision float32
}

learns_as_float32_does() {
  ! sanitized || { echo "SKIP accuracy is not a sanitizer's matter"; return 0; }
  train --epochs 8 --model f.h5 --history f.csv
  mixed --epochs 8 --model m.h5 --history m.csv
  python3 - <<'PY'
import csv
best = {n: max(float(r['val_accuracy']) for r in csv.DictReader(open(n + '.csv'))) for n in 'fm'}
print(best)
assert best['m'] > best['f'] - .06, best
PY
}

policy_is_recorded() {
  ! thread_sanitized || { echo "SKIP nothing here has threads of its own"; return 0; }
  mixed --epochs 1 --model p.h5
  millrace convert p.h5 p.keras --quiet
  /usr/bin/python3 - <<'PY'
import h5py, json, zipfile
for text in (h5py.File('p.h5').attrs['model_config'], zipfile.ZipFile('p.keras').read('config.json')):
    layers = json.loads(text)['config']['layers']
    assert layers[0]['config']['dtype'] == layers[-1]['config']['dtype'] == 'float32'
    assert {l["config"]["dtype"] for l in layers[1:-1]} == {"mixed_bfloat16"}
PY
  local m
  for m in p.h5 p.keras; do # who says nothing gets what the file says
    millrace predict --model $m --images cells/testing --quiet --output said.csv
    millrace predict --model $m --images cells/testing --quiet --precision mixed_bfloat16 --output asked.csv
    millrace predict --model $m --images cells/testing --quiet --precision float32 --output other.csv
    cmp said.csv asked.csv
    ! cmp -s said.csv other.csv
    millrace verify $m >/dev/null
  done
  train --from p.h5 --epochs 1 --model q.h5 --precision float32
  ! grep -q mixed_bfloat16 q.h5
}

run_cases threads_do_not_matter other_processors resumed_to_the_byte learns_as_float32_does policy_is_recorded
