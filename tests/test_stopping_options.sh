#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Callbacks from outside: the history tells what happened, the model what is left; resumed runs decide alike.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 60 --seed 3 --quiet || exit 99
small=(--data cells --image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --threads 2 --quiet)
rows() { echo $(($(wc -l <"$1") - 1)); }

# A rate of 0 without momentum from before changes no trained weight; frozen statistics neither: nothing improves.
early_stopping() {
  millrace train "${small[@]}" --model base.h5 --epochs 1
  millrace train --data cells --from base.h5 --model m.h5 --freeze '*bn*' --optimizer sgd --momentum 0 --learning-rate 0 --epochs 20 --quiet --early-stopping 3 --history h.csv
  [ "$(rows h.csv)" = 4 ]
}

# The history has the rate that an epoch was trained with, so a reduction shows in the next one, as in Keras.
reduces_the_rate() {
  millrace train --data cells --from base.h5 --model m.h5 --freeze '*bn*' --optimizer sgd --momentum 0 --learning-rate 1e-12 --epochs 5 --quiet \
    --reduce-lr-on-plateau 2 --plateau-factor 0.5 --history h.csv
  [ "$(cut -d, -f6 h.csv | tail -n +2 | tr '\n' ' ')" = "1e-12 1e-12 1e-12 5e-13 5e-13 " ]
}

# The model is that of the best epoch: it evaluates to the best number of the history.
keeps_the_best() {
  millrace train "${small[@]}" --model m.h5 --epochs 6 --learning-rate 0.3 --keep-best val_loss --history h.csv
  millrace evaluate --model m.h5 --data cells/validation --json --quiet >again.json
  python3 - <<'END'
import csv, json
losses = [float(r["val_loss"]) for r in csv.DictReader(open("h.csv"))]
again = json.load(open("again.json"))["loss"]
assert abs(min(losses) - again) < 1e-6 * again, (losses, again)
assert min(losses) != losses[-1], "the last epoch is the best: this shows nothing"
END
}

# By any column of the history: here the recall of one class.
keeps_the_best_of_a_class() {
  millrace train "${small[@]}" --model m.h5 --epochs 6 --learning-rate 0.3 --top 2 --keep-best val_recall/Uninfected --history h.csv
  millrace evaluate --model m.h5 --data cells/validation --json --quiet >again.json
  python3 - <<'END'
import csv, json
recalls = [float(r["val_recall/Uninfected"]) for r in csv.DictReader(open("h.csv"))]
again = json.load(open("again.json"))["classes"][1]["recall"]
assert abs(max(recalls) - again) < 1e-8 and min(recalls) < max(recalls), (recalls, again)
END
}

# Stopped and resumed after every epoch: the same bytes in every weight, the same decisions.
resumed_runs_decide_alike() {
  local run=("${small[@]}" --learning-rate 0.3 --early-stopping 2 --keep 9)
  millrace train "${run[@]}" --epochs 8 --model whole.h5 --checkpoint-dir a --history whole.csv
  for n in 1 2 3 4 5 6 7 8; do
    millrace train "${run[@]}" --epochs "$n" --model part.h5 --checkpoint-dir b --resume --history part.csv
  done
  [ "$(rows whole.csv)" = "$(rows part.csv)" ]
  cut -d, -f1-6 whole.csv >w; cut -d, -f1-6 part.csv >p; cmp w p
  "$python" - <<'END'
import h5py
def weights(f):
    out = {}
    h5py.File(f, "r")["model_weights"].visititems(lambda n, o: out.update({n: o[()].tobytes()}) if isinstance(o, h5py.Dataset) else None)
    return out
assert weights("whole.h5") == weights("part.h5")
END
}

# Killed at any moment, again and again, with checkpoints in the middle of epochs: the same decisions, the same bytes.
killed_runs_decide_alike() {
  local run=("${small[@]}" --learning-rate 0.05 --epochs 150 --early-stopping 12 --reduce-lr-on-plateau 3 --plateau-factor 0.7 --min-delta 0 \
    --keep 2 --checkpoint-every 5steps)
  millrace train "${run[@]}" --model whole.h5 --checkpoint-dir ka --history whole.csv
  [ "$(cut -d, -f6 whole.csv | tail -n +2 | sort -u | wc -l)" -gt 2 ]   # the rate was reduced, more than once
  [ "$(rows whole.csv)" -gt 13 ] && [ "$(rows whole.csv)" -lt 150 ]
  local kills=0 pid status
  for i in $(seq 25); do
    rm -f part.h5
    "$MILLRACE_BUILD/millrace" train "${run[@]}" --model part.h5 --checkpoint-dir kb --resume --history part.csv --tensorboard ktb >>log 2>&1 &
    pid=$!
    [ "$i" = 25 ] || { sleep "0.$((20 + 17 * i % 50))"; kill -9 $pid 2>/dev/null || true; }
    status=0; wait $pid || status=$?
    [ $status = 0 ] && break
    kills=$((kills + 1))
  done
  echo "$kills kills"
  [ $status = 0 ]
  cut -d, -f1-6,9- whole.csv >w; cut -d, -f1-6,9- part.csv >p; cmp w p
  "$python" - <<'END'
import h5py
def weights(f):
    out = {}
    h5py.File(f, "r").visititems(lambda n, o: out.update({n: o[()].tobytes()}) if isinstance(o, h5py.Dataset) and "weights" in n else None)
    return out
assert weights("whole.h5") == weights("part.h5")
END
}

refused() {
  expect 2 "unknown metric 'f1'" millrace train "${small[@]}" --model x.h5 --keep-best f1
  expect 2 "unknown metric 'seconds'" millrace train "${small[@]}" --model x.h5 --keep-best seconds
  expect 2 "unknown metric 'val_recall/Nobody'" millrace train "${small[@]}" --model x.h5 --keep-best val_recall/Nobody
  expect 2 "constant learning rate" millrace train "${small[@]}" --model x.h5 --reduce-lr-on-plateau 2 --schedule cosine
  expect 2 "--monitor is for" millrace train "${small[@]}" --model x.h5 --monitor loss
  expect 2 "needs validation data" millrace train --train-dir cells/training --image-size 32x32 --stages 1 --filters 8,16 --quiet --model x.h5 --early-stopping 2 --monitor val_loss
}

run_cases early_stopping reduces_the_rate keeps_the_best keeps_the_best_of_a_class resumed_runs_decide_alike killed_runs_decide_alike refused
