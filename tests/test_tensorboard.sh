#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TensorBoard's event files, read back by read_events.py, against the history; the history's own columns.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 60 --seed 3 --quiet || exit 99
small=(--data cells --image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --learning-rate 0.05 --threads 2 --quiet --model m.h5)
same() { python3 "$MILLRACE_SRC/tests/read_events.py" "$@"; }

the_history_in_events() {
  millrace train "${small[@]}" --epochs 3 --top 2 --history h.csv --tensorboard tb
  same tb h.csv
  [ "$(head -1 h.csv)" = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second,top_2_accuracy,val_top_2_accuracy,\
val_precision/Parasitized,val_recall/Parasitized,val_f1/Parasitized,val_precision/Uninfected,val_recall/Uninfected,val_f1/Uninfected" ]
  [ "$(ls tb | wc -l)" = 1 ]
}

without_validation() {
  millrace train --train-dir cells/training "${small[@]:2}" --epochs 2 --history h.csv --tensorboard alone
  same alone h.csv
  [ "$(head -1 h.csv)" = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second" ]
}

# What an interrupted run wrote after its last checkpoint is written again, and counts once.
resumed() {
  millrace train "${small[@]}" --epochs 5 --history w.csv --tensorboard whole
  millrace train "${small[@]}" --epochs 2 --checkpoint-dir c --tensorboard parts
  rm -rf saved; cp -r c saved
  millrace train "${small[@]}" --epochs 4 --checkpoint-dir c --resume --tensorboard parts
  rm -rf c; mv saved c; sleep 1
  millrace train "${small[@]}" --epochs 5 --checkpoint-dir c --resume --history p.csv --tensorboard parts
  same parts p.csv
  [ "$(ls parts | wc -l)" = 3 ]
  cut -d, -f1-6,9- w.csv >w; cut -d, -f1-6,9- p.csv >p; cmp w p
}

# Precision and recall of each class are those of evaluate's report; top-k is that of the probabilities.
numbers_are_right() {
  millrace train "${small[@]}" --epochs 2 --history h.csv
  millrace evaluate --model m.h5 --data cells/validation --json --quiet >e.json
  python3 - <<'END2'
import csv, json
last, report = list(csv.DictReader(open("h.csv")))[-1], json.load(open("e.json"))
print(last, report)
for c in report["classes"]:
    for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1")):
        assert abs(float(last[f"val_{ours}/{c['class']}"]) - c[theirs]) < 1e-8, (c, ours)
assert abs(float(last["val_accuracy"]) - report["accuracy"]) < 1e-8
END2
}

top_k_of_arrays() {
  "$python" - <<'END2'
import h5py, json, numpy as np
r = np.random.default_rng(1)
with h5py.File("a.h5", "w") as f:
    for n, count in (("", 40), ("_val", 30)):
        f["x" + n] = r.standard_normal((count, 4)).astype("f4")
        f["y" + n] = r.integers(0, 6, count).astype("i8")
    f["input_0"] = f["x_val"][()]
json.dump({"class_name": "Sequential", "config": {"name": "s", "layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "in"}},
    {"class_name": "Dense", "config": {"name": "d", "units": 6, "activation": "softmax"}}]}}, open("a.json", "w"))
END2
  millrace train --arrays a.h5 --arch a.json --loss sparse_categorical_crossentropy --top 3 --epochs 2 --quiet --model a_m.h5 --history h.csv
  millrace predict --arrays a.h5 --model a_m.h5 --output p.h5 --quiet
  "$python" - <<'END2'
import csv, h5py, numpy as np
p, y = h5py.File("p.h5")["output_0"][()], h5py.File("a.h5")["y_val"][()]
top = np.mean([np.sum(row > row[k]) < 3 for row, k in zip(p, y)])
last = list(csv.DictReader(open("h.csv")))[-1]
assert abs(float(last["val_top_3_accuracy"]) - top) < 1e-12, (last, top)
assert float(last["val_top_3_accuracy"]) >= float(last["val_accuracy"])
for k in range(6):
    assert abs(float(last[f"val_recall/{k}"]) - np.mean(p[y == k].argmax(1) == k)) < 1e-12
END2
}

refused() {
  touch file
  expect 1 "cannot make the folder no/where" millrace train "${small[@]}" --tensorboard no/where
  expect 1 "--tensorboard file: not a directory" millrace train "${small[@]}" --tensorboard file
}

run_cases the_history_in_events without_validation resumed numbers_are_right top_k_of_arrays refused
