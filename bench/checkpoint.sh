#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What checkpoints cost the training: runs without, with one every epoch, and with one every 10 steps, in alternation, for
# the tutorial's ResNet on a folder of images and for models of 1 MB, 100 MB and 1 GB of parameters. Printed: how long the training thread was held for each checkpoint (median
# and most), how long the writer took, and the median rate of the epochs against that of the runs without.
#   bench/checkpoint.sh BUILD_FOLDER [ROUNDS [resnet|MEGABYTES…]]       (needs python3-h5py; 1 GB of model: 8 GB of memory and disk)
set -euo pipefail
millrace=$(realpath "${1-build}")/millrace rounds=${2-3}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d -p "${TMPDIR-/var/tmp}"); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >make.py <<'END'
import json, sys, h5py, numpy as np
megabytes, steps = int(sys.argv[1]), int(sys.argv[2])
wide = {1: 80, 100: 6000, 1000: 14600}[megabytes]      # Dense layers: 3072 -> wide (-> wide) -> 2
layers = [("a", wide)] + ([("b", wide)] if megabytes == 1000 else []) + ([("b", 1100)] if megabytes == 100 else []) + [("out", 2)]
nodes = [dict(class_name="InputLayer", name="in", config=dict(batch_shape=[None, 3072], dtype="float32", name="in"), inbound_nodes=[])]
last = "in"
for name, units in layers:
    activation = "softmax" if name == "out" else "relu"
    nodes.append(dict(class_name="Dense", name=name, config=dict(name=name, units=units, activation=activation), inbound_nodes=[[[last, 0, 0, {}]]]))
    last = name
json.dump(dict(class_name="Functional", config=dict(name="dense", layers=nodes, input_layers=[["in", 0, 0]], output_layers=[["out", 0, 0]])),
          open("model.json", "w"))
with h5py.File("data.h5", "w") as f:
    f["x"] = np.random.rand(32 * steps, 3072).astype("float32")
    f["y"] = np.arange(32 * steps) % 2
END
cat >report.py <<'END'
import csv, json, statistics as st, sys
rate = {}
for way in ("none", "1epoch", "10steps"):
    rounds = int(sys.argv[2])
    rows = [r for k in range(rounds) for r in list(csv.DictReader(open(f"{way}.{k}.csv")))[1:]]  # the first epoch warms up
    rate[way] = st.median(float(r["images_per_second"]) for r in rows)
    held = [c for k in range(rounds) for c in json.load(open(f"{way}.{k}.json"))["checkpoints"]]
    line = f"{sys.argv[1]:>6}  {way:8} {rate[way]:9.1f} images/s  {100 * (rate[way] / rate['none'] - 1):+6.2f} %"
    if held:
        stalls = [c["stall_microseconds"] for c in held]
        line += (f"   {len(held):4} checkpoints of {held[0]['bytes'] / 1e6:.1f} MB: held {st.median(stalls):.0f} us (most {max(stalls):.0f}),"
                 f" written in {st.median(c['write_seconds'] for c in held):.3f} s")
    print(line, flush=True)
END
for model in ${@:-resnet 1 100 1000}; do
  case $model in 1) steps=2000 ;; 100) steps=400 ;; *) steps=40 ;; esac
  if [ "$model" = resnet ]; then
    "$millrace" sample cells --count 3000 --quiet
    data=(--data cells/training --horizontal-flip --rotation-range 20)
  else
    /usr/bin/python3 make.py "$model" "$steps"
    data=(--arch model.json --arrays data.h5)
  fi
  for ((round = 0; round < rounds; round++)); do
    for way in none 1epoch 10steps; do
      every=(); [ "$way" = none ] || every=(--checkpoint-dir ck --checkpoint-every "$way" --keep 1)
      rm -rf ck
      "$millrace" train "${data[@]}" --batch-size 32 --epochs 3 --optimizer sgd --momentum 0.9 --learning-rate 0.0001 \
        --model m.h5 --history "$way.$round.csv" --stats "$way.$round.json" --quiet "${every[@]}"
    done
  done
  /usr/bin/python3 report.py "$model" "$rounds"
done
