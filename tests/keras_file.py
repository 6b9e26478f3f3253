# SPDX-License-Identifier: Apache-2.0
"""keras_file.py FILE.h5 [KEY=VALUE ...]: a Keras file as HDF5, of a network whose last layer gives the same numbers for
every input: Flatten, then Dense with no kernel and this bias.

  bias=1,1.2,-2           the outputs (one unit each)
  activation=linear       of the Dense layer
  loss=JSON               of the compile information; left out: there is none
  name=, layer=, optimizer=, keras=, backend=   names to be printed; escapes as in Python
  kernel=identity         one unit per input instead of a constant
"""
import json
import sys

import h5py
import numpy as np


def write(file, bias, activation="linear", loss=None, name="net", layer="last", optimizer="SGD", keras="3.3.0",
          backend="tensorflow", kernel="zeros", side=4):
    bias = np.array([float(v) for v in bias.split(",")], "f4")
    inputs = side * side * 3
    weights = np.zeros((inputs, len(bias)), "f4")
    if kernel == "identity":
        weights[range(len(bias)), range(len(bias))] = 1
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, side, side, 3], "dtype": "float32", "name": "in"}},
        {"class_name": "Flatten", "config": {"name": "flat", "data_format": "channels_last"}},
        {"class_name": "Dense", "config": {"name": layer, "units": len(bias), "activation": activation}},
    ]
    with h5py.File(file, "w") as f:
        f.attrs["keras_version"] = keras
        f.attrs["backend"] = backend
        f.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": name, "layers": layers}})
        if loss is not None:
            f.attrs["training_config"] = json.dumps(
                {"loss": json.loads(loss), "metrics": None, "loss_weights": None,
                 "optimizer_config": {"class_name": optimizer, "config": {"learning_rate": 0.1}}})
        all_weights = f.create_group("model_weights")
        all_weights.attrs["layer_names"] = [b"flat", layer.encode()]
        all_weights.create_group("flat").attrs["weight_names"] = np.array([], "S1")
        group = all_weights.create_group(layer)
        group.attrs["weight_names"] = [(layer + "/kernel").encode(), (layer + "/bias").encode()]
        group[layer + "/kernel"] = weights
        group[layer + "/bias"] = bias


if __name__ == "__main__":
    options = dict(a.split("=", 1) for a in sys.argv[2:])
    for key in ("name", "layer", "optimizer", "keras", "backend"):
        if key in options:
            options[key] = options[key].encode().decode("unicode_escape")
    write(sys.argv[1], **options)
