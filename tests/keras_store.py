# SPDX-License-Identifier: Apache-2.0
"""Writes small .keras files by hand, as several writers lay them out.

keras_store.py FILE [KEY=JSON]...: three Dense layers of one number (1, 2, 3) behind an input of one. Keys:
  version      keras_version in metadata.json ("3.3.0")
  container    group of the layers ("layers")
  step         what a layer counts in names of groups (1; tf.keras up to 2.13.1: 2)
  compile      compile_config
  variables    optimizer/vars: numbers in front; slots of Adam (zeros) follow where "slots" is true
  encoding     of config.json ("utf-8")
  name         the model's name, put into config.json as it is (JSON text)
  deflate      zip members compressed
  zeros        that many MB of zeros behind the weights
  twice        a member that is there twice
  weights      only model.weights.h5, as FILE itself
"""
import io
import json
import sys
import warnings
import zipfile

import h5py
import numpy as np

ONE = np.ones((1, 1), "f4")


def layer(number):
    source = f"d{number - 1}" if number else "in"
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 1], "dtype": "float32",
                                                           "keras_history": [source, 0, 0]}}
    return {"module": "keras.layers", "class_name": "Dense", "name": f"d{number}", "registered_name": None,
            "config": {"name": f"d{number}", "units": 1, "use_bias": False, "activation": "linear"},
            "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}


def config(o):
    first = {"module": "keras.layers", "class_name": "InputLayer", "name": "in", "registered_name": None,
             "config": {"name": "in", "batch_shape": [None, 1], "dtype": "float32"}, "inbound_nodes": []}
    model = {"module": "keras", "class_name": "Functional", "registered_name": "Functional",
             "config": {"name": "NAME", "trainable": True, "layers": [first] + [layer(i) for i in range(3)],
                        "input_layers": ["in", 0, 0], "output_layers": ["d2", 0, 0]}}
    if "compile" in o:
        model["compile_config"] = o["compile"]
    return json.dumps(model).replace('"NAME"', o.get("name", '"net"')).encode(o.get("encoding", "utf-8"))


def weights(o):
    out = io.BytesIO()
    with h5py.File(out, "w") as h:
        for i in range(3):
            number = i * o.get("step", 1)
            group = o.get("container", "layers") + "/dense" + (f"_{number}" if number else "") + "/vars"
            h[group + "/0"] = ONE * (i + 1)
        variables = list(o.get("variables", []))
        numbers = [np.int64(v) if isinstance(v, int) else np.float32(v) for v in variables]
        for i, v in enumerate(numbers + [ONE * 0] * (6 if o.get("slots") else 0)):
            h[f"optimizer/vars/{i}"] = v
    return out.getvalue() + bytes(int(o.get("zeros", 0) * (1 << 20)))


def main():
    o = {k: json.loads(v) for k, v in (a.split("=", 1) for a in sys.argv[2:])}
    if "weights" in o:
        open(sys.argv[1], "wb").write(weights(o))
        return
    warnings.simplefilter("ignore")
    kind = zipfile.ZIP_DEFLATED if o.get("deflate") else zipfile.ZIP_STORED
    with zipfile.ZipFile(sys.argv[1], "w", kind) as z:
        z.writestr("metadata.json", json.dumps({"keras_version": o.get("version", "3.3.0")}))
        z.writestr("config.json", config(o))
        z.writestr("model.weights.h5", weights(o))
        if "twice" in o:
            z.writestr(o["twice"], b"{}")


main()
