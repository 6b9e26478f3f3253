#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Arrays of every kind and architectures from files, as train and evaluate take them.
. "$MILLRACE_SRC/tests/tap.sh"

/usr/bin/python3 - 2>/dev/null <<'PY' || { echo '1..0 # SKIP python3-h5py is missing'; exit 0; }
import h5py, json, numpy as np
r = np.random.default_rng(0)
def write(name, **arrays):
    with h5py.File(name, 'w') as f:
        for key, value in arrays.items():
            f[key] = value
n = 20
x = r.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
y = r.integers(0, 2, n)
rows = np.eye(2, dtype='f4')[y]
as_float = (x / 255).astype('f4')
write('bytes.h5', x=x, y=y)
write('column.h5', x=as_float, y=y[:, None].astype('f8'))
write('rows.h5', x=as_float, y=rows)
write('two_channels.h5', x=x[..., :2].copy(), y=rows)
write('vectors.h5', x=x[:, 0, :4, 0].copy(), y=y)
write('real.h5', x=as_float, y=r.normal(size=n))
write('negative.h5', x=as_float, y=y - 1)
write('bool.h5', x=as_float, y=y.astype(bool)) # an HDF5 enumeration
write('bool_rows.h5', x=as_float, y=rows.astype(bool))
shares = np.array([[.7, .3], [.2, .8]], 'f4')[y]
write('shares.h5', x=as_float, y=shares)
write('labels.h5', x=as_float, y=np.array([[1, 1], [0, 1]])[y])
write('no_labels.h5', x=as_float, y=np.zeros((n, 2)))
write('vague.h5', x=as_float, y=r.random((n, 2)))
write('late.h5', x=as_float, y=rows, x_val=as_float, y_val=np.ones((n, 2)))
write('mixed.h5', x=as_float, y=rows, x_val=as_float, y_val=shares)
def dense(units, activation):
    return {'class_name': 'Dense', 'config': {'name': 'd%d' % units, 'units': units, 'activation': activation}}
def arch(file, shape, *layers):
    first = {'class_name': 'InputLayer', 'config': {'name': 'in', 'batch_input_shape': [None, *shape]}}
    json.dump({'class_name': 'Sequential', 'config': {'name': 's', 'layers': [first, *layers]}}, open(file, 'w'))
pool = {'class_name': 'GlobalAveragePooling2D', 'config': {'name': 'pool'}}
arch('open.json', (None, None, 3), pool, dense(2, 'softmax'))
arch('gray24.json', (24, 20, 1), pool, dense(1, 'sigmoid'))
arch('vectors.json', (4,), dense(1, 'sigmoid'))
arch('tenth.json', (32, 32, 3), pool, dense(2, 'softmax'))
arch('two_linear.json', (32, 32, 3), pool, dense(2, 'linear'))
arch('two_sigmoid.json', (32, 32, 3), pool, dense(2, 'sigmoid'))
arch('number.json', (32, 32, 3), pool, dense(1, 'linear'))
PY
small=(--stages 1 --filters 8,16 --batch-size 7 --epochs 1 --quiet)
millrace sample cells --count 40 --seed 3 --quiet || exit 99

# The same samples, however they are written down: the same weights.
kinds_of_targets() {
  for kind in bytes column rows bool bool_rows; do
    millrace train --arrays $kind.h5 --model $kind.model.h5 "${small[@]}"
    millrace evaluate --arrays $kind.h5 --model $kind.model.h5 --quiet >$kind.txt
  done
  cmp column.txt rows.txt
  cmp bytes.txt rows.txt
  cmp bool.txt rows.txt
  cmp bool_rows.txt rows.txt
}

# Predictions, too: of bytes as of the numbers that they stand for, in any batches.
bytes_predict_as_numbers() {
  /usr/bin/python3 -c '
import h5py, numpy as np
for kind in "bytes", "column":
    with h5py.File(kind + ".in.h5", "w") as f: f["input_0"] = h5py.File(kind + ".h5")["x"][()]'
  millrace predict --arrays column.in.h5 --model bytes.model.h5 --output numbers.h5 --quiet
  for batch in 1 7 64; do
    millrace predict --arrays bytes.in.h5 --model bytes.model.h5 --batch-size $batch --output $batch.h5 --quiet
    /usr/bin/python3 -c "
import h5py, numpy as np
a, b = h5py.File('numbers.h5'), h5py.File('$batch.h5')
assert list(a) == list(b) and len(a) == 1
for k in a: assert a[k].shape == (20, 2) and (a[k][()] == b[k][()]).all()"
  done
  expect 2 "HDF5 file" millrace predict --arrays bytes.in.h5 --model bytes.model.h5 --output x.csv
  expect 2 "--top goes with --images" millrace predict --arrays bytes.in.h5 --model bytes.model.h5 --output x.h5 --top 1
}

# A sparse loss takes rows of one 1 as it takes the class's number; what has another width is refused.
sparse_targets() {
  for kind in column rows; do
    millrace train --arrays $kind.h5 --arch tenth.json --loss sparse_categorical_crossentropy --model $kind.sparse.h5 --epochs 2 --quiet --step-log $kind.csv
  done
  cmp column.csv rows.csv
}

# A contract is for images; other arrays are trained and run without one.
arrays_that_are_no_images() {
  millrace train --arrays two_channels.h5 --model two.h5 "${small[@]}"
  millrace evaluate --arrays two_channels.h5 --model two.h5 --rescale 1/255 --quiet
  millrace train --arrays vectors.h5 --arch vectors.json --model vectors.model.h5 --epochs 1 --quiet
  millrace evaluate --arrays vectors.h5 --model vectors.model.h5 --rescale 1/255 --quiet
}

targets_that_are_no_classes() {
  expect 1 "y holds no classes (whole numbers from 0, or rows with a single 1) but other numbers (a regression)" millrace train --arrays real.h5 --model x.h5 "${small[@]}"
  expect 1 "y holds no classes (whole numbers from 0, or rows with a single 1) but other numbers (a regression)" millrace train --arrays negative.h5 --model x.h5 "${small[@]}"
  expect 2 "not class labels" millrace train --arrays real.h5 --arch number.json --model x.h5 --epochs 1
  millrace train --arrays real.h5 --arch number.json --loss mse --model real.model.h5 --epochs 1 --quiet
  expect 0 "not augmented" millrace train --arrays rows.h5 --model x.h5 "${small[@]}" --rotation-range 20
}

# What rows are is said; no network for one class of many is made for others.
what_targets_are() {
  local kind source
  for source in --arch=cnn '--from rows.model.h5 --new-head'; do
    for kind in labels no_labels; do
      # shellcheck disable=SC2086
      expect 1 "$kind.h5: the rows of y are several labels" millrace train --arrays $kind.h5 $source --model x.h5 --epochs 1
    done
    # shellcheck disable=SC2086
    expect 1 'other numbers (a regression), and '  millrace train --arrays vague.h5 $source --model x.h5 --epochs 1
  done
  expect 1 'the rows of y_val are several labels' millrace train --arrays late.h5 --model x.h5 "${small[@]}"
  expect 0 'y holds class probabilities (rows that sum to 1): a sample counts as of its most probable class' \
    millrace train --arrays shares.h5 --model x.h5 --stages 1 --filters 8,16 --epochs 1
  expect 0 'y holds class probabilities' millrace train --arrays mixed.h5 --model x.h5 --stages 1 --filters 8,16 --epochs 1
  expect 0 'y holds several labels a sample (rows of 0 and 1), and the model gives 2 labels of their own' \
    millrace train --arrays labels.h5 --arch two_sigmoid.json --model x.h5 --epochs 1
  expect 0 'y holds numbers (a regression), and the model gives 2 numbers' \
    millrace train --arrays vague.h5 --arch two_linear.json --loss mse --model x.h5 --epochs 1
  expect 2 'the targets are several labels, but the model ends in softmax' millrace train --arrays labels.h5 --arch tenth.json --model x.h5 --epochs 1
  expect 2 'the targets are not class labels' millrace train --arrays vague.h5 --arch tenth.json --model x.h5 --epochs 1
  expect 0 'warning: y holds several labels a sample (rows of 0 and 1), but the model gives one of 2 classes, probabilities: no accuracy' \
    millrace train --arrays labels.h5 --arch tenth.json --loss mse --model x.h5 --epochs 1
  millrace evaluate --arrays vague.h5 --model rows.model.h5 --quiet | grep -q 'the targets are plain numbers, but the model gives one of 2 classes'
}

# Without --image-size, images have the size that the architecture wants.
architectures_say_their_size() {
  millrace train --data cells --arch gray24.json --model gray.h5 --epochs 1 --quiet
  millrace summary gray.h5 | grep '24x20 grayscale'
  millrace evaluate --data cells --model gray.h5 --quiet
  expect 1 "give --image-size" millrace train --data cells --arch open.json --model x.h5 --epochs 1
  millrace train --data cells --arch open.json --image-size 24x40 --model open.h5 --epochs 1 --quiet
  millrace summary open.h5 | grep '24x40 rgb'
  millrace evaluate --data cells --model open.h5 --quiet >1.txt
  millrace convert open.h5 open.keras --quiet
  millrace evaluate --data cells --model open.keras --quiet >2.txt
  cmp 1.txt 2.txt
}

# Found before the first step, and named.
bad_labels_are_found_first() {
  /usr/bin/python3 - <<'END'
import h5py, shutil
for bad in "y", "y_val":
    shutil.copy("bytes.h5", f"bad_{bad}.h5")
    with h5py.File(f"bad_{bad}.h5", "r+") as f:
        f["x_val"], f["y_val"] = f["x"][()], f["y"][()]
        f[bad][3] = 7
END
  expect 1 "y_val: class index 7 does not fit the model's 2 classes" millrace train --arrays bad_y_val.h5 --model x.h5 "${small[@]}" --step-log s.csv
  [ "$(wc -l <s.csv)" = 1 ]
  millrace train --arrays bytes.h5 --model two_classes.h5 "${small[@]}"
  expect 1 "y: class index 7 does not fit the model's 2 classes" millrace train --arrays bad_y.h5 --from two_classes.h5 --model x.h5 --quiet --epochs 1
}

names_what_is_expected() {
  millrace train --arrays rows.h5 --arch open.json --model open_rows.h5 --epochs 1 --quiet
  expect 1 "no dataset 'input_0'" millrace predict --arrays rows.h5 --model open_rows.h5 --output o.h5
  /usr/bin/python3 -c 'import h5py; h5py.File("empty.h5", "w").create_dataset("input_0", data=[[1.0]])'
  expect 1 "no dataset 'x'" millrace train --arrays empty.h5 --model x.h5 "${small[@]}"
}

unbalanced_classes_are_told() {
  /usr/bin/python3 - <<'END'
import h5py
with h5py.File("few.h5", "w") as f:
    f["x"], f["y"] = h5py.File("rows.h5")["x"][()], [1] * 18 + [0, 0]
END
  expect 0 "unbalanced: 1 has 18 samples, 0 2" millrace train --arrays few.h5 --model x.h5 "${small[@]}"
  millrace train --arrays few.h5 --model x.h5 "${small[@]}" --class-weight balanced 2>told
  not grep unbalanced told
  millrace train --arrays rows.h5 --model x.h5 "${small[@]}" 2>told
  not grep unbalanced told
}

# Keras 3 adds l1 * sum |y| + l2 * sum y² of each call, over the whole batch, to the loss.
regularized_activities() {
  /usr/bin/python3 - <<'END'
import h5py, json, numpy as np
r = np.random.default_rng(2)
with h5py.File("act.h5", "w") as f:
    f["x"], f["y"] = r.standard_normal((12, 4)).astype("f4"), r.standard_normal((12, 2)).astype("f4")
    f["x_val"], f["y_val"] = f["x"][()], f["y"][()]
act = {"class_name": "L1L2", "config": {"l1": 0.02, "l2": 0.03}}
json.dump({"class_name": "Sequential", "config": {"name": "s", "layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "in"}},
    {"class_name": "Dense", "config": {"name": "a", "units": 3, "activation": "tanh", "activity_regularizer": act}},
    {"class_name": "ActivityRegularization", "config": {"name": "r", "l1": 0.01, "l2": 0.0}},
    {"class_name": "Dense", "config": {"name": "b", "units": 2, "activation": "linear"}}]}}, open("act.json", "w"))
END
  local run=(--loss mse --optimizer sgd --momentum 0 --batch-size 6 --no-shuffle --epochs 1 --quiet --arrays act.h5)
  millrace train --arch act.json "${run[@]}" --learning-rate 0 --model 0.h5 --history 0.csv
  millrace train --from 0.h5 "${run[@]}" --learning-rate 0.1 --model 1.h5 --step-log 1.csv
  /usr/bin/python3 - <<'END'
import csv, h5py, numpy as np
def load(file):
    found = {}
    h5py.File(file)["model_weights"].visititems(lambda n, o: found.__setitem__(n, o[()].astype("f8")) if isinstance(o, h5py.Dataset) else None)
    get = lambda layer, what: next(v for n, v in found.items() if n.startswith(layer + "/") and what in n)
    return [get("a", "kernel"), get("a", "bias"), get("b", "kernel"), get("b", "bias")]
def loss(w, x, y):
    a = np.tanh(x @ w[0] + w[1])
    penalty = 0.02 * np.abs(a).sum() + 0.03 * (a * a).sum() + 0.01 * np.abs(a).sum()
    return ((a @ w[2] + w[3] - y) ** 2).mean() + penalty
w, end = load("0.h5"), load("1.h5")
f = h5py.File("act.h5")
x, y = f["x"][()].astype("f8"), f["y"][()].astype("f8")
validation = np.mean([loss(w, x[i:i + 6], y[i:i + 6]) for i in (0, 6)])
told = float(next(csv.DictReader(open("0.csv")))["val_loss"])
assert abs(told - validation) < 1e-5 * validation, (told, validation)
steps = [float(r["loss"]) for r in csv.DictReader(open("1.csv"))]
for i, told in zip((0, 6), steps):
    now = loss(w, x[i:i + 6], y[i:i + 6])
    assert abs(told - now) < 1e-5 * now, (told, now)
    gradient = []
    for v in w:
        g = np.zeros_like(v)
        for k in np.ndindex(v.shape):
            kept = v[k]
            v[k] = kept + 1e-6; up = loss(w, x[i:i + 6], y[i:i + 6])
            v[k] = kept - 1e-6; down = loss(w, x[i:i + 6], y[i:i + 6])
            v[k] = kept
            g[k] = (up - down) / 2e-6
        gradient.append(g)
    w = [v - 0.1 * g for v, g in zip(w, gradient)]
for v, e in zip(w, end):
    assert np.abs(v - e).max() < 1e-5, (v, e)
END
}

# A model called with training=False, as Keras's guide to fine-tuning has it: its statistics stay, its weights move;
# in both formats.
calls_in_inference() {
  /usr/bin/python3 - <<'END'
import json
def tensor(name):
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 32, 32, 3], "dtype": "float32", "keras_history": [name, 0, 0]}}
def layer(class_name, name, source, **config):
    nodes = [{"args": [tensor(source)], "kwargs": {}}] if source else []
    return {"module": "keras.layers", "class_name": class_name, "name": name, "registered_name": None,
            "config": {"name": name, **config}, "inbound_nodes": nodes}
def model(name, layers, **more):
    first, last = [layers[0]["name"], 0, 0], [layers[-1]["name"], 0, 0]
    return {"class_name": "Functional", "name": name, "registered_name": "Functional", "module": "keras",
            "config": {"name": name, "trainable": True, "layers": layers, "input_layers": [first], "output_layers": [last]}, **more}
shape = dict(batch_shape=[None, 32, 32, 3], dtype="float32")
base = model("base", [layer("InputLayer", "base_in", None, **shape),
                      layer("Conv2D", "conv", "base_in", filters=4, kernel_size=[3, 3]),
                      layer("BatchNormalization", "bn", "conv"), layer("ReLU", "relu", "bn"),
                      layer("Dropout", "drop", "relu", rate=0.5)],
             inbound_nodes=[{"args": [tensor("in")], "kwargs": {"training": False}}])
json.dump(model("whole", [layer("InputLayer", "in", None, **shape), base,
                          layer("BatchNormalization", "own", "base"),
                          layer("GlobalAveragePooling2D", "pool", "own"),
                          layer("Dense", "head", "pool", units=2, activation="softmax")]), open("called.json", "w"))
END
  local run=(--arrays rows.h5 --epochs 1 --batch-size 5 --learning-rate 0.01 --quiet)
  millrace train --arch called.json "${run[@]}" --model 1.keras
  millrace train --from 1.keras "${run[@]}" --model 2.h5
  millrace train --from 2.h5 "${run[@]}" --model 3.keras
  millrace convert 1.keras 1.h5 --quiet
  millrace convert 3.keras 3.h5 --quiet
  /usr/bin/python3 - <<'END'
import h5py
def load(file):
    found = {}
    h5py.File(file)["model_weights"].visititems(lambda n, o: found.__setitem__(n, o[()]) if isinstance(o, h5py.Dataset) else None)
    return found
models = [load(f) for f in ("1.h5", "2.h5", "3.h5")]
assert len(models[0]) == 12, list(models[0])
for name, v in models[0].items():
    moved = [(m[name] != v).any() for m in models[1:]]
    inside = "/own/" not in name
    assert moved == [not (inside and "moving" in name)] * 2, (name, moved)
    if inside and "moving" in name:
        assert (v == ("variance" in name)).all(), name
END
}

run_cases kinds_of_targets bytes_predict_as_numbers sparse_targets arrays_that_are_no_images targets_that_are_no_classes what_targets_are \
  architectures_say_their_size bad_labels_are_found_first \
  names_what_is_expected unbalanced_classes_are_told regularized_activities calls_in_inference
