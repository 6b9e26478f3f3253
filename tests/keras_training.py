# SPDX-License-Identifier: Apache-2.0
"""The cases of golden/training through the program itself. A case: start.h5 (a compiled model), data.h5 (x, y, the loss that
Keras had in each step), end.h5 (the model after them).

keras_training.py steps MILLRACE GOLDEN      each step's loss, end's weights and slots, against Keras's
keras_training.py halves MILLRACE GOLDEN     half the steps, a file (.h5, .keras), the other half: the bytes of a run that did not stop
"""
import csv
import io
import json
import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np

ADAPTIVE = ("adam", "rmsprop", "adagrad", "adadelta")


def datasets(file, group):
    found = {}
    with h5py.File(file, "r") as f:
        f[group].visititems(lambda n, o: found.__setitem__(n, o[()]) if isinstance(o, h5py.Dataset) else None)
    return found


def train(program, start, data, end, *more):
    command = [program, "train", "--from", start, "--arrays", data, "--no-shuffle", "--epochs", "1", "--batch-size", "8",
               "--model", end, "--quiet", *more]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, (command, run.stderr)


def options(name):
    return ["--class-weight", "0=1,1=3,2=0.5"] if name == "class_weight" else []  # as oracle/training.py has it


def ordered(file):
    """[(layer, name, value)] of a model's weights, in the file's own order."""
    rows = []
    with h5py.File(file, "r") as f:
        g = f["model_weights"]
        for layer in map(text, g.attrs["layer_names"]):
            rows += [(layer, text(n), g[layer][text(n)][()]) for n in g[layer].attrs["weight_names"]]
    return rows


def text(v):
    return v.decode() if isinstance(v, bytes) else v


def slots(file):
    """[(name, value)] as Keras 3 orders them: an .h5 of Keras's, a .keras of ours (whose slots have numbers)."""
    if file.endswith(".keras"):
        with zipfile.ZipFile(file) as z, h5py.File(io.BytesIO(z.read("model.weights.h5")), "r") as f:
            g = f["optimizer/vars"]
            return [(str(i), g[str(i)][()]) for i in range(len(g))]
    with h5py.File(file, "r") as f:
        g = f["optimizer_weights"]
        return [(text(n), g[text(n)][()]) for n in g.attrs["weight_names"]]


def in_front_of_normalisation(file):
    """Names of convolutions that a BatchNormalization follows: their biases are rounding alone."""
    with h5py.File(file, "r") as f:
        layers = json.loads(f.attrs["model_config"])["config"]["layers"]
    names = []
    for a, b in zip(layers, layers[1:]):
        if b["class_name"] == "BatchNormalization":
            names.append(a["config"]["name"])
    return names


def difference(ours, keras):
    keras = np.asarray(keras, "f8")
    size = max(np.abs(keras).max(initial=0), 1e-2)
    return np.abs(np.asarray(ours, "f8") - keras).max(initial=0) / size


def steps(program, case, name):
    data, end = f"{case}/data.h5", f"{case}/end.h5"
    train(program, f"{case}/start.h5", data, "out.h5", "--step-log", "l.csv", *options(name))
    ours = np.array([float(r["loss"]) for r in csv.DictReader(open("l.csv"))])
    keras = h5py.File(data)["loss"][()].astype("f8")
    assert ours.shape == keras.shape, (ours.shape, keras.shape)
    loss, worst = (np.abs(ours - keras) / np.abs(keras)).max(), 0
    tolerance = 1e-3 if any(a in name for a in ADAPTIVE) else 1e-4
    spared = in_front_of_normalisation(end)
    subprocess.run([program, "convert", "out.h5", "out.keras", "--quiet"], check=True)
    pairs = [(f"{layer}/{n}", a, b, n.split("/")[-1][:4] == "bias" and layer in spared)
             for (_, _, a), (layer, n, b) in zip(ordered("out.h5"), ordered(end), strict=True)]
    pairs += [(n, a, b, any(s + "_bias" in n for s in spared)) for (_, a), (n, b) in zip(slots("out.keras"), slots(end), strict=True)]
    for key, a, b, is_spared in pairs:
        assert np.shape(a) == np.shape(b), (name, key, np.shape(a), np.shape(b))
        d = 0 if is_spared else difference(a, b)
        worst = max(worst, d)
        assert d <= tolerance, f"{name}: {key} differs by {d:.2g}"
    assert loss <= 1e-4, f"{name}: a step's loss differs by {loss:.2g}"
    return loss, worst


def cut(source, target, first, end):
    with h5py.File(source, "r") as f, h5py.File(target, "w") as g:
        for key in ("x", "y"):
            g[key] = f[key][first:end]


def halves(program, case, name):
    data, more = f"{case}/data.h5", options(name)
    count = h5py.File(data)["x"].shape[0] // 16 * 8
    cut(data, "first.h5", 0, count)
    cut(data, "second.h5", count, None)
    train(program, f"{case}/start.h5", data, "whole.h5", *more)
    whole = [datasets("whole.h5", g) for g in ("model_weights", "optimizer_weights")]
    for half in ("half.h5", "half.keras"):
        train(program, f"{case}/start.h5", "first.h5", half, *more)
        train(program, half, "second.h5", "both.h5", *more)
        both = [datasets("both.h5", g) for g in ("model_weights", "optimizer_weights")]
        for a, b in zip(whole, both):
            assert a.keys() == b.keys()
            for key in a:
                assert a[key].tobytes() == b[key].tobytes(), f"{name}, by {half}: {key} is not the same"
    return 0, 0


def main(what, program, golden):
    results = [globals()[what](program, os.path.join(golden, name), name) for name in sorted(os.listdir(golden))]
    print(f"{len(results)} cases: losses within {max(r[0] for r in results):.2g}, weights and slots within {max(r[1] for r in results):.2g}")
    assert len(results) >= 20


if __name__ == "__main__":
    main(*sys.argv[1:])
