#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a run says of itself at its beginning, keeps in the model file, and summary shows; which epoch the model is of.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 60 --seed 3 --quiet || exit 99
small=(--data cells --image-size 32x32 --stages 1 --filters 4,8 --batch-size 8 --learning-rate 0.3 --seed 7)
millrace train "${small[@]}" --epochs 4 --threads 1 --decode-threads 2 --model m.h5 --history h.csv 2>log || exit 99

header() {
  grep -qx "Data: cells/training (40 samples), validation cells/validation (10), 2 classes" log
  grep -qx "Network: resnet, input 32x32x3, [0-9]* parameters ([0-9]* trainable), float32" log
  grep -qx "Training: 4 epochs of 5 steps, batch size 8, SGD, learning rate 0.3 (constant), loss binary_crossentropy, seed 7" log
  grep -qx "Threads: 1 that compute, 2 that decode images" log
  millrace train "${small[@]}" --epochs 1 --model q.h5 --quiet 2>err
  [ ! -s err ]
  millrace train "${small[@]}" --epochs 1 --model j.h5 --threads 2 --log-json 2>err
  python3 - <<'END'
import json
run = [e["run"] for e in map(json.loads, open("err")) if e["event"] == "run"]
assert len(run) == 1, run
run = run[0]
assert run["data"] == {"training_samples": 40, "validation_samples": 10, "training": "cells/training", "validation": "cells/validation", "classes": 2}, run
assert run["input"] == [32, 32, 3] and run["batch_size"] == 8 and run["optimizer"] == "SGD" and run["threads"] == 2 and run["seed"] == 7, run
END
}

in_the_file() {
  local command="Command: millrace train --data cells --image-size 32x32 --stages 1 --filters 4,8 --epochs 4 --batch-size 8 --seed 7 --learning-rate 0.3"
  millrace convert m.h5 m.keras --quiet
  millrace convert m.keras again.h5 --quiet --no-optimizer
  local file
  for file in m.h5 m.keras again.h5; do
    millrace summary $file >summary
    grep -qxF "$command" summary
    grep -q "^Training: 4 epochs of 5 steps, batch size 8, SGD" summary
    grep -qx "Written by millrace [0-9.]*, in the format of Keras 3.3" summary
    millrace verify $file >/dev/null
  done
  millrace summary --json m.keras | python3 -c '
import json, sys
m = json.load(sys.stdin)
p = m["provenance"]
assert p["complete"] is True and p["finished_epochs"] == 4 and p["millrace"] == m["millrace_version"] and p["command"][:4] == ["millrace", "train", "--data", "cells"], m'
}

# A file of Keras says what it said.
of_keras() {
  local file=$MILLRACE_SHARED/golden/layers/conv_1x1.h5
  [ -e "$file" ] || { echo "SKIP no $file"; return 0; }
  millrace summary "$file" | grep -q "^Written by Keras version 3"
}

# Threads, outputs, checkpoints and interruptions leave no trace: the same run is the same file.
same_bytes() {
  millrace train "${small[@]}" --epochs 4 --threads 2 --decode-threads 1 --model other.h5 --stats s.json --step-log s.csv --plot p.png \
    --checkpoint-dir ck --checkpoint-every 1epoch,7steps --keep 9 --quiet
  cmp m.h5 other.h5
  find ck -name '*.h5' | sort | tail -n +2 | xargs rm # back to the first one
  cp -r cells elsewhere
  millrace train --data elsewhere --resume --checkpoint-dir ck --threads 1 --model third.h5 --quiet
  cmp m.h5 third.h5
  millrace train "${small[@]}" --epochs 2 --model part.h5 --checkpoint-dir parts --quiet
  millrace train --resume --checkpoint-dir parts --epochs 4 --model part.h5 --quiet
  cmp m.h5 part.h5
}

# The last epoch is the model's unless --keep best; which one was the best is said in any case.
best_epoch() {
  local best; best=$(python3 -c 'import csv; r = [float(x["val_loss"]) for x in csv.DictReader(open("h.csv"))]; print(r.index(min(r)) + 1)')
  [ "$best" -lt 4 ] # else this shows nothing
  grep -q "^epoch $best is the best by val_loss (0.*; the last epoch has .*), the model is that of the last: --keep best saves the best one" log
  millrace train "${small[@]}" --epochs 4 --model best.h5 --keep best 2>err
  grep -q "the weights are those of epoch $best, the best by val_loss" err
  not cmp -s best.h5 m.h5
  millrace evaluate --model best.h5 --data cells/validation --json --quiet >best.json
  python3 -c 'import csv, json; r = [float(x["val_loss"]) for x in csv.DictReader(open("h.csv"))]; assert abs(min(r) - json.load(open("best.json"))["loss"]) < 1e-6'
  # and its checkpoint is kept besides the newest ones; an epoch a run, as one this short can end before the last one's is written
  local epochs
  for epochs in 1 2 3 4; do
    millrace train "${small[@]}" --epochs $epochs --checkpoint-dir kept --keep 1 --model k.h5 --resume 2>err
  done
  [ "$(find kept -name '*.h5' | wc -l)" = 2 ]
  grep -q "^epoch $best is in kept/checkpoint-0*$((best * 5)).h5" err
  cmp k.h5 m.h5
}

keep_both() {
  millrace train "${small[@]}" --epochs 4 --checkpoint-dir both --keep 1,best --model b.h5 --quiet
  cmp b.h5 best.h5
  millrace train "${small[@]}" --epochs 2 --checkpoint-dir more --keep best --keep 1 --model c.h5 --quiet
  millrace train --resume --checkpoint-dir more --keep 2 --epochs 4 --quiet # best is the run's, 2 is this start's
  cmp c.h5 best.h5
  expect 2 "began with --keep best" millrace train --resume --checkpoint-dir more --keep last
  expect 2 "began without --keep best" millrace train --resume --checkpoint-dir parts --keep best
  expect 2 "--keep: expected a number of checkpoints, best or last, got 'some'" millrace train "${small[@]}" --model x.h5 --keep some
  expect 2 "--keep: expected a number of checkpoints, best or last, got '0'" millrace train "${small[@]}" --model x.h5 --keep 0
  expect 2 "cannot be used together" millrace train "${small[@]}" --model x.h5 --keep best,last
  expect 2 "cannot be used together" millrace train "${small[@]}" --model x.h5 --keep last --keep-best loss
  millrace train "${small[@]}" --epochs 4 --model e.h5 --early-stopping 9 --keep last --quiet
  "$python" - <<'END'
import h5py
def weights(f):
    out = {}
    h5py.File(f, "r")["model_weights"].visititems(lambda n, o: out.update({n: o[()].tobytes()}) if isinstance(o, h5py.Dataset) else None)
    return out
assert weights("e.h5") == weights("m.h5")
END
}

run_cases header in_the_file of_keras same_bytes best_epoch keep_both
