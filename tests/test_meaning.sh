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

# --- what outputs mean ---

from_logits() { echo '{"class_name": "'"$1"'", "config": {"from_logits": true}}'; }
images=(--images cells/testing/Uninfected --rescale 1/255 --quiet)
row() { tail -n +2 "$1" | head -1 | cut -d, -f2-; }
header() { head -1 "$1" | cut -d, -f2-; }

# Of models that were compiled with from_logits, as TensorFlow's tutorials do it.
logits_become_probabilities() {
  keras binary.h5 bias=0.3 "loss=$(from_logits BinaryCrossentropy)"
  keras three.h5 bias=1,1.2,-2 "loss=$(from_logits SparseCategoricalCrossentropy)"
  millrace predict --model binary.h5 "${images[@]}" --output b.csv
  [ "$(header b.csv)" = predicted,confidence,probability_0,probability_1,status ]
  [ "$(row b.csv)" = 1,0.5744425,0.4255575,0.5744425,ok ]
  millrace predict --model three.h5 "${images[@]}" --top 2 --threshold 0.9 --output t.csv
  [ "$(row t.csv)" = ,0.537781,0.44029784,0.537781,0.02192114,1,0.537781,0,0.44029784,unsure ]
  millrace predict --model three.h5 "${images[@]}" --threshold 0=0.4 --output t.csv # not 1.2 against 1
  [ "$(row t.csv | cut -d, -f1)" = 0 ]
  millrace predict --model three.h5 "${images[@]}" --output t.jsonl
  grep -q '"predicted":"1","confidence":0.537781,"probabilities":{"0":0.44029784,"1":0.537781,"2":0.02192114}' t.jsonl
  millrace predict --model three.h5 "${images[@]}" --output t.h5 --montage t.png
  "$python" -c '
import h5py
with h5py.File("t.h5") as f:
    assert abs(f["probabilities"][0, 2] - 0.02192114) < 1e-7 and abs(f["confidence"][0] - 0.537781) < 1e-6'
  millrace predict --model binary.h5 --images cells/testing --rescale 1/255 --quiet --link-to placed >/dev/null
  [ "$(find placed/1 -type l -o -type f | wc -l)" = "$(find cells/testing -name '*.jpg' | wc -l)" ]
}

# A logit above 0 is a probability above a half.
evaluate_decides_by_logits() {
  keras binary.h5 bias=0.3 "loss=$(from_logits BinaryCrossentropy)"
  millrace evaluate --model binary.h5 --data cells --rescale 1/255 --quiet --json >e.json
  "$python" -c '
import json
from math import exp, log
d = json.load(open("e.json"))
p = 1 / (1 + exp(-0.3))
n = [c["support"] for c in d["classes"]]
assert [c["recall"] for c in d["classes"]] == [0, 1], d
assert abs(d["accuracy"] - n[1] / sum(n)) < 1e-9
assert abs(d["loss"] + (n[0] * log(1 - p) + n[1] * log(p)) / sum(n)) < 1e-6'
}

# A last layer without activation, and nothing that says what its numbers are.
unknown_outputs_are_numbers() {
  keras linear.h5 bias=1,1.2,-2
  millrace predict --model linear.h5 "${images[@]}" --output n.csv 2>err
  grep -q 'does not say that its outputs are probabilities or logits' err
  [ "$(header n.csv)" = predicted,confidence,last_0,last_1,last_2,status ]
  [ "$(row n.csv)" = ,,1,1.2,-2,ok ]
  for option in --threshold=0.5 --top=1 --montage=m.png --move-to=moved; do
    expect 2 'requires a model that tells one class of many; this one gives 3 numbers; if they are logits of classes, give --activation' \
      millrace predict --model linear.h5 "${images[@]}" "$option"
  done
  millrace predict --model linear.h5 "${images[@]}" --activation softmax --output n.csv
  [ "$(row n.csv)" = 1,0.537781,0.44029784,0.537781,0.02192114,ok ]
  millrace predict --model linear.h5 "${images[@]}" --activation sigmoid --output n.csv
  [ "$(header n.csv)" = predicted,confidence,probability_0,probability_1,probability_2,status ]
  [ "$(row n.csv)" = ,,0.7310586,0.76852477,0.11920292,ok ]
  millrace predict --model linear.h5 "${images[@]}" --activation linear --output n.csv
  [ "$(row n.csv)" = ,,1,1.2,-2,ok ]
  expect 2 "expected softmax, sigmoid or linear, got 'relu'" millrace predict --model linear.h5 "${images[@]}" --activation relu
  keras two.h5 bias=0,1 activation=softmax
  expect 2 'already applies softmax' millrace predict --model two.h5 "${images[@]}" --activation sigmoid
  "$python" -c 'import h5py, numpy as np; h5py.File("x.h5", "w")["input_0"] = np.zeros((2, 4, 4, 3), "f4")'
  expect 2 'goes with --images' millrace predict --model two.h5 --arrays x.h5 --output o.h5 --activation softmax
}

# evaluate and predict say the same of the same file: no loss is guessed where the file does not say what outputs are.
evaluate_agrees_with_predict() {
  local k
  keras none2.h5 bias=1,0
  keras relu2.h5 bias=1,0 activation=relu
  keras log2.h5 bias=1,0 activation=log_softmax
  keras mse2.h5 bias=1,0 'loss="mse"'
  keras sig2.h5 bias=1,0 activation=sigmoid 'loss="binary_crossentropy"'
  keras none1.h5 bias=1
  for k in none2 relu2 log2 mse2 sig2; do
    millrace predict --model $k.h5 "${images[@]}" --output p.csv
    [ "$(row p.csv | cut -d, -f1,2)" = , ]
  done
  for k in none2 relu2 log2; do
    expect 2 "$k.h5 gives 2 numbers and does not say that they are probabilities or logits; give --activation softmax" \
      millrace evaluate --model $k.h5 --data cells --rescale 1/255
    expect 2 'plain numbers have no loss of their own; give --loss' \
      millrace evaluate --model $k.h5 --data cells --rescale 1/255 --activation linear
  done
  expect 2 'none1.h5 gives 1 number and does not say' millrace evaluate --model none1.h5 --data cells --rescale 1/255
  expect 1 'has class folders, but the model gives 2 numbers; if they are logits of classes, give --activation softmax' \
    millrace evaluate --model mse2.h5 --data cells --rescale 1/255
  expect 1 'has class folders, but the model gives 2 labels of their own, probabilities; if they are one class of many, give --loss' \
    millrace evaluate --model sig2.h5 --data cells --rescale 1/255
  for k in 'none2 --activation=softmax' 'log2 --activation=softmax' 'mse2 --activation=softmax' 'none2 --loss=categorical_crossentropy' \
    'sig2 --loss=categorical_crossentropy'; do
    # shellcheck disable=SC2086
    millrace evaluate --data cells --rescale 1/255 --quiet --json --model ${k/ /.h5 } | grep -q '"accuracy": 0.5'
  done
  "$python" -c '
import h5py, numpy as np
x = np.random.default_rng(1).random((4, 4, 4, 3), dtype="f4")
for name, y in dict(rows=np.eye(2)[[0, 0, 0, 1]], index=[0, 0, 0, 1]).items():
    with h5py.File(name + ".h5", "w") as f: f["x"] = x; f["y"] = np.array(y, "f4")'
  for k in rows index; do
    expect 2 'does not say that they are probabilities' millrace evaluate --model none2.h5 --arrays $k.h5
    millrace evaluate --model sig2.h5 --arrays $k.h5 --quiet --json >e.json
    "$python" -c '
import json
d = json.load(open("e.json"))
assert "accuracy" not in d and d["binary_accuracy"] == 0.75, d # of the 8 answers; 0 is no yes
assert [l["support"] for l in d["labels"]] == [3, 1], d'
  done
  millrace evaluate --model mse2.h5 --arrays rows.h5 --quiet >out
  grep -q '^loss: 0.25 - 4 samples$' out
  expect 2 'neither probabilities nor logits; give --loss' \
    millrace train --from relu2.h5 --data cells --rescale 1/255 --model t.h5 --epochs 1
}

# The loss of a network without activation is one of logits, and its file says so.
training_agrees_with_its_file() {
  echo '{"class_name": "Sequential", "config": {"name": "s", "layers": [
    {"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": [null, 8, 8, 3]}},
    {"class_name": "Flatten", "config": {"name": "flat"}},
    {"class_name": "Dense", "config": {"name": "d", "units": UNITS, "activation": "linear"}}]}}' >any.json
  for units in 1 2; do
    for loss in '' --loss=binary_crossentropy; do
      sed s/UNITS/$units/ any.json >a.json
      millrace train --data cells --arch a.json --image-size 8x8 --epochs 2 --model l.h5 --quiet $loss --history h.csv --threads 1
      "$python" -c '
import h5py, json
loss = json.loads(h5py.File("l.h5").attrs["training_config"])["loss"]
assert loss["config"]["from_logits"] is True, loss'
      millrace predict --model l.h5 --images cells --quiet --output p.csv
      millrace evaluate --model l.h5 --data cells/training --quiet --json >e.json
      "$python" - "$units" <<'PY'
import csv, json, sys
rows = list(csv.DictReader(open("p.csv")))
for r in rows:
    p = float(r["probability_Parasitized"]), float(r["probability_Uninfected"])
    assert 0 <= min(p) and max(p) <= 1 and float(r["confidence"]) == max(p), r
own = [r for r in rows if r["path"].split("/")[1] == "training"]
right = sum(r["predicted"] == r["path"].split("/")[-2] for r in own) / len(own)
assert abs(right - json.load(open("e.json"))["accuracy"]) < 1e-9
PY
    done
  done
}

regression_has_no_class() {
  keras age.h5 bias=35.2 'loss="mse"'
  millrace predict --model age.h5 "${images[@]}" --output a.csv 2>err
  [ "$(header a.csv)" = predicted,confidence,last_0,status ]
  [ "$(row a.csv)" = ,,35.2,ok ]
  millrace predict --model age.h5 "${images[@]}" | cmp - a.csv
  millrace predict --model age.h5 "${images[@]}" --output a.jsonl
  not grep -q 'predicted\|confidence' a.jsonl
  grep -q '"outputs":{"last":\[35.2\]}' a.jsonl
  expect 1 'has class folders, but the model gives 1 number' millrace evaluate --model age.h5 --data cells --rescale 1/255
  "$python" -c '
import h5py, numpy as np
r = np.random.default_rng(1)
with h5py.File("ages.h5", "w") as f: # whole numbers are not classes because they are whole
    f["x"] = r.random((20, 4, 4, 3), dtype="f4"); f["y"] = np.arange(20) + 25.0
    f["x_val"] = f["x"][()]; f["y_val"] = f["y"][()]
with h5py.File("noughts.h5", "w") as f: # nor because they happen to be 0 and 1
    f["x"] = r.random((20, 4, 4, 3), dtype="f4"); f["y"] = np.arange(20) % 2'
  for file in ages noughts; do
    millrace evaluate --model age.h5 --arrays $file.h5 --quiet >out
    grep -q '^loss: [0-9.]* - 20 samples$' out
    grep -q '^the model gives 1 number: no report$' out
    [ "$(wc -l <out)" = 2 ]
    millrace evaluate --model age.h5 --arrays $file.h5 --quiet --json | "$python" -c '
import json, sys
assert sorted(json.load(sys.stdin)) == ["data", "images", "loss", "skipped"]'
  done
  millrace train --from age.h5 --arrays ages.h5 --epochs 2 --model m.h5 --history h.csv --plot p.png --learning-rate 1e-4 >out 2>err
  not grep -q accuracy err
  [ "$(cut -d, -f3,5 h.csv | tail -n +2 | sort -u)" = , ] # the columns of accuracy are empty
  expect 2 'the targets are not class labels' millrace train --from age.h5 --arrays ages.h5 --epochs 2 --model m.h5 --keep-best val_accuracy --quiet
  expect 2 '--top requires targets that are one class of many' millrace train --from age.h5 --arrays ages.h5 --epochs 2 --model m.h5 --top 2 --quiet
  expect 2 '--class-weight requires targets' millrace train --from age.h5 --arrays ages.h5 --epochs 2 --model m.h5 --class-weight balanced --quiet
}

# Multi-hot targets: what Keras's binary_accuracy and scikit-learn's per-label scores say.
labels_have_their_own_figures() {
  keras labels.h5 bias=0,0,0 activation=sigmoid 'loss="binary_crossentropy"' kernel=identity
  "$python" -c '
import h5py, numpy as np
r = np.random.default_rng(2)
logits = r.normal(size=(40, 3)).astype("f4")
x = np.zeros((40, 48), "f4"); x[:, :3] = logits
y = (logits + r.normal(size=logits.shape) > 0).astype("f4")
assert not (y.sum(1) == 1).all()
with h5py.File("labels_data.h5", "w") as f:
    f["x"] = x.reshape(40, 4, 4, 3); f["y"] = y; f["x_val"] = f["x"][()]; f["y_val"] = y'
  millrace evaluate --model labels.h5 --arrays labels_data.h5 --quiet >out
  grep -q '^loss: 0.[0-9]* - binary_accuracy: 0.[0-9]* - 40 images$' out
  grep -q 'micro avg' out
  not grep -q 'Confusion\|^ *accuracy' out
  millrace evaluate --model labels.h5 --arrays labels_data.h5 --quiet --json >e.json
  "$python" -c '
import h5py, json, numpy as np
with h5py.File("labels_data.h5") as f:
    y = f["y"][()] > 0.5; given = f["x"][()].reshape(40, 48)[:, :3] > 0
d = json.load(open("e.json"))
assert "accuracy" not in d and abs(d["binary_accuracy"] - (y == given).mean()) < 1e-9, d
for k, label in enumerate(d["labels"]):
    both = (y[:, k] & given[:, k]).sum()
    assert label["support"] == y[:, k].sum()
    assert abs(label["precision"] - both / given[:, k].sum()) < 1e-9
    assert abs(label["recall"] - both / y[:, k].sum()) < 1e-9'
  millrace train --from labels.h5 --arrays labels_data.h5 --epochs 2 --model m.h5 --history h.csv --plot p.png --keep-best val_binary_accuracy >out 2>err
  grep -q 'binary_accuracy: ' err
  not grep -q ' accuracy' err
  [ "$(head -1 h.csv)" = epoch,loss,binary_accuracy,val_loss,val_binary_accuracy,learning_rate,seconds,images_per_second ]
  "$python" -c '
import h5py, json
assert json.loads(h5py.File("m.h5").attrs["training_config"])["metrics"] == ["binary_accuracy"]'
  millrace predict --model labels.h5 "${images[@]}" --output l.csv
  [ "$(header l.csv)" = predicted,confidence,probability_0,probability_1,probability_2,status ]
  [ "$(row l.csv | cut -d, -f1,2,6)" = ,,ok ]
  millrace predict --model labels.h5 "${images[@]}" --output l.jsonl
  grep -q '"predicted":null,"confidence":null,"probabilities":{"0":0' l.jsonl
  millrace predict --model labels.h5 "${images[@]}" --output l.h5
  "$python" -c '
import h5py, numpy as np
with h5py.File("l.h5") as f:
    assert (f["class"][()] == -1).all() and np.isnan(f["confidence"][()]).all() and f["probabilities"].shape[1] == 3'
  keras soft.h5 bias=0,0,0 activation=softmax 'loss="categorical_crossentropy"'
  millrace evaluate --model soft.h5 --arrays labels_data.h5 --quiet >out
  grep -q '^the targets are several labels a sample, but the model gives one of 3 classes, probabilities: no accuracy, no report$' out
}

# Whatever y holds: an error or the right figures, no index out of range.
labels_of_any_value() {
  keras ten.h5 bias=0,0,0,0,0,0,0,0,0,1 activation=softmax 'loss="sparse_categorical_crossentropy"'
  "$python" -c '
import h5py, numpy as np
x = np.zeros((6, 4, 4, 3), "f4")
for name, y in dict(few=[0, 1, 0, 1, 9, 0], beyond=[0, 1, 10, 3, 4, 5], negative=[0, -1, 2, 3, 4, 5], halves=[0.5] * 6,
                    nans=[float("nan")] * 6, wide=np.eye(6, 12), narrow=np.eye(6, 3)).items():
    with h5py.File(name + ".h5", "w") as f:
        f["x"] = x; f["y"] = np.array(y, "f4")'
  millrace evaluate --model ten.h5 --arrays few.h5 --quiet >out
  grep -q 'accuracy: 0.1667' out
  expect 1 "class index 10 does not fit the model's 10 classes" millrace evaluate --model ten.h5 --arrays beyond.h5
  expect 1 'does not fit' millrace evaluate --model ten.h5 --arrays negative.h5
  expect 1 'the targets have 12 numbers a sample' millrace evaluate --model ten.h5 --arrays wide.h5
  expect 1 'the targets have 3 numbers a sample' millrace evaluate --model ten.h5 --arrays narrow.h5
  expect 1 'class index nan does not fit' millrace evaluate --model ten.h5 --arrays nans.h5
  expect 1 'class index 0.5 does not fit' millrace evaluate --model ten.h5 --arrays halves.h5
}

summary_says_what_outputs_are() {
  keras three.h5 bias=1,1.2,-2 "loss=$(from_logits SparseCategoricalCrossentropy)"
  keras age.h5 bias=35.2 'loss="mse"'
  millrace summary three.h5 | grep -q '^Outputs: one of 3 classes, logits (softmax makes them probabilities)$'
  millrace summary age.h5 | grep -q '^Outputs: 1 number$'
}

# Rows of probabilities are not continued with rows of labels.
resuming_keeps_the_meaning() {
  keras linear.h5 bias=1,1.2,-2
  find cells -name '*.jpg' | LC_ALL=C sort >list
  head -3 list | millrace predict --model linear.h5 --images - --rescale 1/255 --activation softmax --output r.csv --quiet
  cp r.csv before.csv
  expect 1 'its rows are not what this model and these options give' millrace predict --model linear.h5 --images - --rescale 1/255 --activation sigmoid --output r.csv --resume --quiet <list
  cmp r.csv before.csv
}

# The same run, the same picture, at whatever time.
pictures_are_the_same_bytes() {
  millrace train --data cells --image-size 32x32 --stages 1 --filters 4,8 --epochs 2 --model p.h5 --quiet --threads 1 --plot 1.svg
  millrace train --data cells --image-size 32x32 --stages 1 --filters 4,8 --epochs 2 --model p.h5 --quiet --threads 1 --plot 2.svg
  cmp 1.svg 2.svg
  grep -q '</svg>' 1.svg
  for format in svg pdf png; do
    millrace predict --model p.h5 --images cells --quiet --montage 1.$format >/dev/null
    millrace predict --model p.h5 --images cells --quiet --montage 2.$format >/dev/null
    cmp 1.$format 2.$format
  done
}

if [ $# -gt 0 ]; then run_cases "$@"; exit; fi
run_cases folders_must_be_the_outputs names_do_not_reach_the_terminal class_names_do_not_reach_the_terminal \
  logits_become_probabilities evaluate_decides_by_logits unknown_outputs_are_numbers evaluate_agrees_with_predict training_agrees_with_its_file \
  regression_has_no_class labels_have_their_own_figures labels_of_any_value summary_says_what_outputs_are resuming_keeps_the_meaning pictures_are_the_same_bytes
