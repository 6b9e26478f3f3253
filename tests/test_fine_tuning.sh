#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fine-tuning from outside: a model of two classes becomes one of three.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 60 --seed 3 --quiet || exit 99
mkdir -p three/training || exit 99
cp -r cells/training/Parasitized three/training/one
cp -r cells/training/Uninfected three/training/two
cp -r cells/validation/Uninfected three/training/three
common=(--batch-size 16 --threads 2 --quiet --epochs 1)
millrace train --data cells --model base.h5 --image-size 32x32 --rescale 1/127.5 --offset -1 --stages 1 --filters 8,16 "${common[@]}" || exit 99

# trainable NAME FILE: yes, no, or - where there is no such layer
weights() { "$python" - "$@" <<'END'
import h5py, sys
a, b = (h5py.File(f, "r")["model_weights"] for f in sys.argv[1:3])
def all_of(g):
    out = {}
    g.visititems(lambda n, o: out.update({n: o[()].tobytes()}) if isinstance(o, h5py.Dataset) else None)
    return out
a, b = all_of(a), all_of(b)
print("same:", *sorted({n.split("/")[0] for n in a if n in b and a[n] == b[n]} - {n.split("/")[0] for n in a if a[n] != b.get(n)}))
print("changed:", *sorted({n.split("/")[0] for n in a if a[n] != b.get(n)}))
END
}

a_new_head() {
  millrace train --data three --from base.h5 --model three.h5 --new-head --freeze '*' --history h.csv "${common[@]}"
  weights base.h5 three.h5 >w
  grep -q '^changed: classifier$' w
  millrace summary three.h5 >s
  grep -q '^Classes: one three two$' s
  grep -q 'classifier (Dense).*(None, 3)' s
  grep -q 'optimizer Adam' s
  grep -q 'loss "categorical_crossentropy"' s
  grep -q '^Preprocessing: 32x32 rgb, nearest, pixel \* 0.00784313725 + -1$' s   # the model's
  [ "$(sed -n 's/^Trainable params: //p' s)" = 195 ]
  millrace predict --model three.h5 --images three/training --quiet | head -1 | grep -q 'one.*three.*two'
}

# What was frozen stays frozen in the file, until it is unfrozen.
in_two_phases() {
  millrace train --data three --from base.h5 --model one.keras --new-head --freeze '*' "${common[@]}"
  millrace convert one.keras one.h5 --quiet
  millrace train --data three --from one.h5 --model two.h5 "${common[@]}" --learning-rate 0.001
  weights one.h5 two.h5 | grep -q '^changed: classifier$'
  millrace train --data three --from one.h5 --model two.h5 "${common[@]}" --unfreeze '*' --freeze-until final_bn
  weights one.h5 two.h5 | grep -q '^changed: classifier final_bn$'
  millrace train --data three --from one.h5 --model two.h5 "${common[@]}" --unfreeze '*' --freeze '*bn*'
  weights one.h5 two.h5 | grep '^changed' >w
  not grep -q bn w
  grep -q stem_conv w
  keras_rules one.keras=base.h5 one.h5=base.h5 two.h5=base.h5
}

# Nested models and channels_first ones are written as they came, whatever was trained.
files_keep_their_form() {
  local golden=$MILLRACE_SHARED/golden
  [ -d "$golden/matrix" ] || { echo "SKIP no ../shared/golden/matrix"; return 0; }
  for model in "$golden/layers/nested.keras" "$golden/matrix/graph_nested_1.keras"; do
    millrace train --data three --from "$model" --new-head --rescale 1/255 --model n.h5 "${common[@]}"
    millrace convert n.h5 n.keras --quiet
    keras_rules "n.h5=$model" "n.keras=$model"
  done
  millrace train --data three --from "$golden/matrix/graph_cf_cnn.keras" --new-head --rescale 1/255 --model cf.h5 "${common[@]}"
  keras_rules cf.h5
  "$python" - <<'END'
import h5py, json
layers = {l["name"]: l["config"] for l in json.loads(h5py.File("cf.h5").attrs["model_config"])["config"]["layers"]}
assert layers["input_layer"]["batch_input_shape"] == [None, 3, 12, 11], layers["input_layer"]
assert {c["data_format"] for c in layers.values() if "kernel_size" in c} == {"channels_first"}
END
}

# Without a new head the data's classes must be the model's, and come in its order.
classes_of_the_model() {
  expect 1 "--new-head fits" millrace train --data three --from base.h5 --model x.h5 "${common[@]}"
  mkdir -p odd/training && cp -r cells/training/* odd/training && mv odd/training/Parasitized odd/training/Zebra
  expect 1 "--new-head fits" millrace train --data odd --from base.h5 --model x.h5 "${common[@]}"
  "$python" - <<'END'
import h5py, json, shutil
shutil.copy("base.h5", "turned.h5")
with h5py.File("turned.h5", "r+") as f:
    f.attrs["millrace_class_names"] = json.dumps(json.loads(f.attrs["millrace_class_names"])[::-1])
    f.attrs.pop("millrace_seal")
END
  local still=(--freeze '*bn*' --learning-rate 0 "${common[@]}")
  millrace train --data cells --from base.h5 --model x.h5 --history base.csv "${still[@]}"
  millrace train --data cells --from turned.h5 --model x.h5 --history turned.csv "${still[@]}"
  millrace summary x.h5 | grep -q '^Classes: Uninfected Parasitized$'
  [ "$(tail -1 base.csv | cut -d, -f4)" != "$(tail -1 turned.csv | cut -d, -f4)" ]
}

# Somebody's model on other images, as README.md has it: a long one.
a_stranger_learns_malaria() {
  local model=$MILLRACE_SHARED/models/AIAnytime__Waste-Classifier-Sustainability-App__keras_model.h5 data=$MILLRACE_SHARED/real/malaria
  [ -n "$MILLRACE_LONG" ] || { echo "SKIP part of check-long"; return 0; }
  [ -f "$model" ] && [ -d "$data" ] || { echo "SKIP no ../shared/models, ../shared/real"; return 0; }
  millrace train --from "$model" --new-head --freeze sequential_1 --rescale 1/127.5 --offset -1 --interpolation bilinear \
    --data "$data" --epochs 10 --quiet --model tuned.h5
  millrace evaluate --model tuned.h5 --data "$data" --json --quiet >e.json
  "$python" - "$model" <<'END'
import h5py, json, sys
def named(file):  # order and names of a frozen layer's variables are others in the file, as with Keras
    rows = {}
    with h5py.File(file, "r") as f:
        g = f["model_weights"]
        g.visititems(lambda n, o: rows.__setitem__((n.split("/")[0], *n.replace("depthwise_kernel", "kernel").split("/")[-2:]), o[()].tobytes())
                     if isinstance(o, h5py.Dataset) else None)
    return rows
a, b = named(sys.argv[1]), named("tuned.h5")
assert a.keys() == b.keys(), a.keys() ^ b.keys()
changed = {k[0] for k in a if a[k] != b[k]}
assert len(a) > 250 and changed == {"sequential_3"}, (len(a), changed)
accuracy = json.load(open("e.json"))["accuracy"]
assert accuracy >= 0.9, accuracy
END
}

# What the file's optimizer remembers goes on, or it is said that another one starts anew.
whose_optimizer() {
  local train=(millrace train --data three --model o.h5 --batch-size 16 --threads 2 --epochs 1) lost="the optimizer's state in"
  for change in 's/"class_name": *"SGD"/"class_name": "Lion"/' 's/"momentum"/"use_ema": true, "momentum"/'; do
    "$python" - "$change" <<'END'
import h5py, re, shutil, sys
shutil.copy("base.h5", "other.h5")
with h5py.File("other.h5", "r+") as f:
    _, old, new, _ = sys.argv[1].split("/")
    text = f.attrs["training_config"]
    changed = re.sub(old, new, text if isinstance(text, str) else text.decode())
    assert changed != text
    f.attrs["training_config"] = changed
    del f.attrs["millrace_seal"]
END
    [[ $change = *Lion* ]] && expect 1 "'Lion'; give --optimizer NAME: its state starts anew" "${train[@]}" --from other.h5 --data cells
    [[ $change = *Lion* ]] || expect 1 "use_ema is not supported; give --optimizer NAME: its state starts anew" "${train[@]}" --from other.h5 --data cells
    expect 0 "warning: $lost other.h5 is not used: Adam starts anew" "${train[@]}" --from other.h5 --new-head --quiet
    expect 0 "$lost other.h5 is not used: RMSprop starts anew" "${train[@]}" --from other.h5 --data cells --optimizer rmsprop
    not grep -q warning err
  done
  expect 0 "$lost base.h5 is not used: Adam starts anew" "${train[@]}" --from base.h5 --new-head
  expect 0 "SGD" "${train[@]}" --from base.h5 --data cells
  not grep -q "$lost" err
}

refused() {
  expect 1 "no layer is called 'dense*'" millrace train --data three --from base.h5 --model x.h5 --new-head --freeze 'dense*' "${common[@]}"
  expect 1 "no layer is called 'nowhere'" millrace train --data three --from base.h5 --model x.h5 --new-head --freeze-until nowhere "${common[@]}"
  expect 1 "every layer is frozen" millrace train --data cells --from base.h5 --model x.h5 --freeze '*' "${common[@]}"
  expect 2 "contradicts" millrace train --data three --from base.h5 --model x.h5 --new-head --rescale 1/255 "${common[@]}"
}

run_cases a_new_head in_two_phases files_keep_their_form classes_of_the_model a_stranger_learns_malaria whose_optimizer refused
