#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Keras files as several writers lay them out, and files that are no models.
. "$MILLRACE_SRC/tests/tap.sh"

store() { "$python" "$MILLRACE_SRC/tests/keras_store.py" "$@"; }

# kernels FILE.h5: the numbers of d0, d1, d2.
kernels() {
  "$python" - "$1" <<'PY'
import sys, h5py
h = h5py.File(sys.argv[1])["model_weights"]
def number(group):
    found = []
    group.visititems(lambda name, v: found.append(float(v[()].ravel()[0])) if isinstance(v, h5py.Dataset) else None)
    return found[0]
print(*(number(h[f"d{i}"]) for i in range(3)))
PY
}

# rate FILE: learning rate and finished updates that a file says.
rate() {
  "$python" - "$1" <<'PY'
import sys, io, json, zipfile, h5py
if zipfile.is_zipfile(sys.argv[1]):
    z = zipfile.ZipFile(sys.argv[1])
    c = json.loads(z.read("config.json"))["compile_config"]["optimizer"]["config"]
    v = h5py.File(io.BytesIO(z.read("model.weights.h5")))["optimizer/vars"]
    print(c["learning_rate"], int(v["0"][()]), round(float(v["1"][()]), 9))
else:
    h = h5py.File(sys.argv[1])
    c = json.loads(h.attrs["training_config"])["optimizer_config"]["config"]
    names = [n.decode() if isinstance(n, bytes) else n for n in h["optimizer_weights"].attrs["weight_names"]]
    print(c["learning_rate"], int(h["optimizer_weights"][[n for n in names if "iter" in n][0]][()]))
PY
}

old='"_layer_checkpoint_dependencies"'
layers_count_once_or_twice() {
  store once.keras container="$old" version='"2.15.0"' && store twice.keras container="$old" version='"2.13.1"' step=2
  for f in once twice; do
    millrace convert $f.keras $f.h5 --quiet
    [ "$(kernels $f.h5)" = "1.0 2.0 3.0" ]
  done
}

adam='{"optimizer":"adam","loss":"mse"}'
rates_of_the_variables_count() {
  store named.keras compile="$adam" variables='[7, 0.0001]' slots=true
  for f in a.h5 a.keras; do millrace convert named.keras $f --quiet; done
  [ "$(rate a.h5)" = "0.0001 7" ] && [ "$(rate a.keras)" = "0.0001 7 0.0001" ]
  store new.keras compile="$adam" variables='[0, 0.01]' # compiled, never trained: no slots yet
  millrace convert new.keras new.h5 --quiet
  "$python" -c 'import h5py, json; assert json.loads(h5py.File("new.h5").attrs["training_config"])["optimizer_config"]["config"]["learning_rate"] == 0.01'
  store same.keras compile='{"optimizer":{"class_name":"Adam","config":{"learning_rate":0.001}},"loss":"mse"}' variables='[3, 0.001]' slots=true
  millrace convert same.keras same.h5 --quiet
  [ "$(rate same.h5)" = "0.001 3" ] # not 0.0010000000474974513
}

loss_scaling_counts_inside() {
  store scaled.keras slots=true variables='[0, 0.0, 3, 32768.0, 9, 0.0005]' \
    compile='{"optimizer":{"class_name":"LossScaleOptimizer","config":{"inner_optimizer":{"class_name":"Adam","config":{"learning_rate":0.001}}}},"loss":"mse"}'
  millrace convert scaled.keras scaled.h5 --quiet
  [ "$(rate scaled.h5)" = "0.0005 9" ]
}

json_as_python_takes_it() {
  for e in utf-8-sig utf-16 utf-16-le utf-16-be utf-32; do
    store e.keras encoding="\"$e\"" && millrace summary e.keras >/dev/null || { echo "# $e"; return 1; }
  done
  store s.keras name='"\"a \\ud800 b\""' && millrace summary s.keras >/dev/null
  store i.keras name='"\"net\", \"n\": 1000000000000000000000000000000, \"x\": 1e999, \"y\": [NaN, -Infinity]"'
  millrace summary i.keras >/dev/null
}

weights_say_how_they_are_used() {
  store x.weights.h5 weights=true
  for c in summary verify; do expect 1 'contains only weights, no architecture' millrace $c x.weights.h5; done
  expect 1 'give --arch FILE.json and --weights x.weights.h5' millrace summary x.weights.h5
}

members_are_bounded_by_the_file() {
  store big.keras deflate=true zeros=100
  expect 1 "member 'model.weights.h5' is compressed too much" millrace summary big.keras
  store small.keras deflate=true && millrace summary small.keras >/dev/null
  store double.keras twice='"config.json"'
  expect 1 "two members are named 'config.json'" millrace summary double.keras
}

pipes_are_no_models() {
  mkfifo pipe
  expect 1 "'pipe' is not a regular file" timeout 20 "$MILLRACE_BUILD/millrace" summary pipe
  expect 1 "'pipe' is not a regular file" timeout 20 "$MILLRACE_BUILD/millrace" verify pipe
}

# Links into another file are not followed: said so, not taken for a file without weights.
external_links() {
  "$python" "$MILLRACE_SRC/tests/keras_file.py" inner.h5 bias=1,2
  "$python" -c '
import h5py, shutil
for name in "outer", "soft":
    shutil.copy("inner.h5", name + ".h5")
    with h5py.File(name + ".h5", "r+") as f:
        f.move("model_weights", "moved")
        f["model_weights"] = h5py.ExternalLink("inner.h5", "/model_weights") if name == "outer" else h5py.SoftLink("/moved")'
  expect 1 "'outer.h5': 'model_weights' is a link into another file, which is not followed" millrace summary outer.h5
  millrace summary soft.h5 >/dev/null
}

run_cases external_links layers_count_once_or_twice rates_of_the_variables_count loss_scaling_counts_inside json_as_python_takes_it \
  weights_say_how_they_are_used members_are_bounded_by_the_file pipes_are_no_models
