#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How long a model file takes to open: a 100 MB model written by the program itself, against reading its bytes.
#   bench/load.sh BUILD_FOLDER        (needs python3-h5py to write the arrays)
set -euo pipefail
millrace=$(realpath "${1-build}")/millrace
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
/usr/bin/python3 - <<'END'
import json, h5py, numpy as np
layers = [dict(class_name="InputLayer", name="in", config=dict(batch_shape=[None, 2500], dtype="float32", name="in"), inbound_nodes=[])]
last = "in"
for i in range(4):                       # four times 2500 x 2500 weights, 25 million numbers
    layers.append(dict(class_name="Dense", name=f"d{i}", config=dict(name=f"d{i}", units=2500, activation="relu"),
                       inbound_nodes=[[[last, 0, 0, {}]]]))
    last = f"d{i}"
layers.append(dict(class_name="Dense", name="out", config=dict(name="out", units=2, activation="softmax"), inbound_nodes=[[[last, 0, 0, {}]]]))
json.dump(dict(class_name="Functional", config=dict(name="wide", layers=layers, input_layers=[["in", 0, 0]], output_layers=[["out", 0, 0]])),
          open("wide.json", "w"))
with h5py.File("a.h5", "w") as f:
    f["x"] = np.random.rand(4, 2500).astype("float32"); f["y"] = np.arange(4) % 2; f["input_0"] = f["x"][:1]
END
"$millrace" train --arch wide.json --arrays a.h5 --epochs 1 --optimizer sgd --momentum 0 --learning-rate 0.01 --model m.h5 --quiet
"$millrace" convert m.h5 m.keras --quiet
for file in m.h5 m.keras; do
  for what in "cat" "$millrace summary" "$millrace predict --arrays a.h5 --output o.h5 --quiet --model"; do
    for _ in 1 2 3 4 5; do
      start=$(date +%s%N); $what $file >/dev/null; end=$(date +%s%N); echo $(((end - start) / 1000))
    done | sort -n | awk -v what="${what##*/}" -v file=$file -v bytes="$(stat -c %s $file)" '
      { t[NR] = $1 } END { printf "%-8s %4.0f MB  %-50s median %7.1f ms\n", file, bytes / 1e6, what, t[3] / 1000 }'
  done
done
