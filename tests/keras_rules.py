#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""keras_rules.py FILE... | @LIST: holds model files that millrace wrote against the rules by which Keras 2.3 and 3.3 to 3.15
read them. FILE=ORIGINAL: FILE was made from ORIGINAL, a file of Keras. LIST: a file that holds such names. Prints what is broken, one line each, and exits with 1. Knows nothing of millrace's sources: the order of layers, the
names of groups and the shapes of weights are worked out here anew, from what Keras does."""
import io, json, re, sys, zipfile
import h5py, numpy as np
from h5py import h5t, h5s

errors = []


def rule(ok, *what):
    if not ok:
        errors.append(" ".join(str(w) for w in what))
    return ok


# --- configuration -----------------------------------------------------------------------------------------------
MODELS = ("Sequential", "Model", "Functional")
KERAS_2_INITIALIZERS = {"Zeros", "Ones", "Constant", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal", "Identity"}


def name_of(layer):
    return layer.get("name") or layer["config"]["name"]


def references(layer):
    """[[(name, call, tensor), ...] per call], from either kind of inbound_nodes."""
    calls = []
    for node in layer.get("inbound_nodes", []):
        if isinstance(node, dict):
            flat = []
            stack = list(node["args"])
            while stack:
                a = stack.pop(0)
                if isinstance(a, list):
                    stack = a + stack
                else:
                    rule(a["class_name"] == "__keras_tensor__" and a["config"]["shape"][0] is None, name_of(layer), "tensor", a)
                    flat.append(tuple(a["config"]["keras_history"]))
            calls.append(flat)
        else:
            calls.append([tuple(r[:3]) for r in node])
    return calls


def tensor_objects(v):
    """The "config" of each __keras_tensor__ in V."""
    if isinstance(v, list):
        return [t for x in v for t in tensor_objects(x)]
    if not isinstance(v, dict):
        return []
    return [v["config"]] if v.get("class_name") == "__keras_tensor__" else [t for x in v.values() for t in tensor_objects(x)]


def is_tensor(v):
    return isinstance(v, list) and len(v) == 3 and isinstance(v[0], str)


def tensors_in(ends):
    if is_tensor(ends):
        return [ends]
    return [t for v in (ends.values() if isinstance(ends, dict) else ends) for t in tensors_in(v)]


def form_of(ends, single=False):
    """ENDS with 0 for each tensor: 0 alone, [0, 0], {"a": 0} … SINGLE: a list of one is a tensor alone, as before Keras 3.12."""
    if is_tensor(ends):
        return 0
    if isinstance(ends, dict):
        return {k: form_of(v) for k, v in ends.items()}
    form = [form_of(v) for v in ends]
    return 0 if single and form == [0] else form


def counts_from_one(layer, old2, output):
    """Keras 2 counts all calls of nested models from 1; Keras 3 those of Functional ones, and in output_layers alone."""
    return layer["class_name"] in MODELS if old2 else output and layer["class_name"] in ("Model", "Functional")


def keras_order(config, old2=False):
    """Names of a Functional model's layers in Keras's order (map_graph of keras/src/ops/function.py, told in short)."""
    layers = {name_of(l): l for l in config["layers"]}
    calls = {n: [[(r[0], r[1] - counts_from_one(layers[r[0]], old2, False)) for r in call] for call in references(l)] or [[]] for n, l in layers.items()}
    met, finished, seen = {}, [], set()

    def walk(node):
        if node in seen:
            return
        seen.add(node)
        met.setdefault(node[0], len(met))
        for r in calls[node[0]][node[1]]:
            walk((r[0], r[1]))
        finished.append(node)
    sys.setrecursionlimit(100000)
    for n, call, _ in tensors_in(config["output_layers"]):
        walk((n, call - 1 if counts_from_one(layers[n], old2, True) else call))
    depth, of_layer = {}, {}
    for node in reversed(finished):
        d = max(depth.get(node, 0), of_layer.get(node[0], 0))
        depth[node] = of_layer[node[0]] = d
        for r in calls[node[0]][node[1]]:
            depth[(r[0], r[1])] = max(depth.get((r[0], r[1]), 0), d + 1)
    for l in config["layers"]:
        if l["class_name"] == "InputLayer" and name_of(l) not in of_layer:
            of_layer[name_of(l)], met[name_of(l)] = 0, -1
    return sorted(of_layer, key=lambda n: (-of_layer[n], met[n]))


def check_objects(v, where, old, key=None):
    if isinstance(v, dict):
        if old and key == "activation":  # a layer as activation: found by its module, even in the .h5
            rule(v.get("module") == "keras.layers" and "class_name" in v and "config" in v and v.get("registered_name", "") is None, where, str(v)[:80])
            return
        if old:
            rule("module" not in v and "registered_name" not in v, where, "Keras 3's serialisation in the .h5:", str(v)[:80])
        for k, x in v.items():
            if old and k.endswith("_initializer") and isinstance(x, dict):
                rule(x["class_name"] in KERAS_2_INITIALIZERS, where, k, x["class_name"], "is no class of Keras 2")
            if old and k.endswith("_regularizer") and isinstance(x, dict):
                rule(x["class_name"] in ("L1L2", "OrthogonalRegularizer"), where, k, x["class_name"])
            check_objects(x, where, old, k)
    elif isinstance(v, list):
        for x in v:
            check_objects(x, where, old)


# The arguments of each class's constructor in Keras 3.15, beside name, trainable and dtype; "-trainable": not that one.
KEYS = {
    "Activation": "activation",
    "ActivityRegularization": "l1 l2",
    "Add": "",
    "AlphaDropout": "noise_shape rate seed",
    "Average": "",
    "AveragePooling1D": "data_format padding pool_size strides",
    "AveragePooling2D": "data_format padding pool_size strides",
    "BatchNormalization": "axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint gamma_initializer gamma_regularizer momentum moving_mean_initializer moving_variance_initializer scale",
    "CenterCrop": "data_format height width",
    "Concatenate": "axis",
    "Conv1D": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer data_format dilation_rate filters groups kernel_constraint kernel_initializer kernel_regularizer kernel_size padding strides use_bias",
    "Conv2D": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer data_format dilation_rate filters groups kernel_constraint kernel_initializer kernel_regularizer kernel_size padding strides use_bias",
    "Conv2DTranspose": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer data_format dilation_rate filters kernel_constraint kernel_initializer kernel_regularizer kernel_size output_padding padding strides use_bias",
    "Cropping2D": "cropping data_format",
    "Dense": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer kernel_constraint kernel_initializer kernel_regularizer units use_bias",
    "DepthwiseConv2D": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer data_format depth_multiplier depthwise_constraint depthwise_initializer depthwise_regularizer dilation_rate kernel_size padding strides use_bias",
    "Dropout": "noise_shape rate seed",
    "ELU": "alpha",
    "Flatten": "data_format",
    "GaussianDropout": "rate seed",
    "GaussianNoise": "seed stddev",
    "GlobalAveragePooling1D": "data_format keepdims",
    "GlobalAveragePooling2D": "data_format keepdims",
    "GlobalAveragePooling3D": "data_format keepdims",
    "GlobalMaxPooling1D": "data_format keepdims",
    "GlobalMaxPooling2D": "data_format keepdims",
    "GlobalMaxPooling3D": "data_format keepdims",
    "GroupNormalization": "axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint gamma_initializer gamma_regularizer groups scale",
    "Identity": "",
    "LayerNormalization": "axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint gamma_initializer gamma_regularizer rms_scaling scale",
    "LeakyReLU": "negative_slope",
    "MaxPooling1D": "data_format padding pool_size strides",
    "MaxPooling2D": "data_format padding pool_size strides",
    "Maximum": "",
    "Minimum": "",
    "Multiply": "",
    "Normalization": "axis invert mean variance",
    "PReLU": "alpha_constraint alpha_initializer alpha_regularizer shared_axes",
    "Permute": "dims",
    "RandomBrightness": "data_format factor seed value_range",
    "RandomContrast": "data_format factor seed value_range",
    "RandomCrop": "data_format height seed width",
    "RandomFlip": "data_format mode seed",
    "RandomRotation": "data_format factor fill_mode fill_value interpolation seed",
    "RandomTranslation": "data_format fill_mode fill_value height_factor interpolation seed width_factor",
    "RandomZoom": "data_format fill_mode fill_value height_factor interpolation seed width_factor",
    "ReLU": "max_value negative_slope threshold",
    "Rescaling": "offset scale",
    "Reshape": "target_shape",
    "Resizing": "antialias crop_to_aspect_ratio data_format fill_mode fill_value height interpolation pad_to_aspect_ratio width",
    "SeparableConv2D": "activation activity_regularizer bias_constraint bias_initializer bias_regularizer data_format depth_multiplier depthwise_constraint depthwise_initializer depthwise_regularizer dilation_rate filters kernel_size padding pointwise_constraint pointwise_initializer pointwise_regularizer strides use_bias",
    "Softmax": "axis",
    "SpatialDropout1D": "rate seed -trainable",
    "SpatialDropout2D": "data_format rate seed -trainable",
    "Subtract": "",
    "UpSampling2D": "data_format interpolation size",
    "ZeroPadding2D": "data_format padding",
}
KEYS = {c: set(k.split()) for c, k in KEYS.items()}


def check_keys(kind, config, where, name, old):
    if not rule(kind in KEYS, where, name, "class without a row in KEYS:", kind):
        return
    keys = set(config) - {"name", "dtype", "activity_regularizer"}
    rule(("trainable" in keys) != ("-trainable" in KEYS[kind]), where, name, kind, "trainable")
    rule(keys - {"trainable"} <= KEYS[kind] | ({"alpha"} if old and kind == "LeakyReLU" else set()), where, name, "keys that", kind,
         "does not take:", keys - KEYS[kind])


LATE = {"renorm", "renorm_clipping", "renorm_momentum", "quantization_config", "synchronized", "ragged", "optional", "lora_rank"}


def check_model(model, old, where, old2=False):
    config = model["config"]
    rule(model["class_name"] in (("Sequential", "Model") if old else ("Sequential", "Functional")), where, model["class_name"])
    names = [name_of(l) for l in config["layers"]]
    rule(len(set(names)) == len(names), where, "names twice")
    for l in config["layers"]:
        c, n = l["config"], name_of(l)
        rule(c["name"] == n, where, n, "name differs from config")
        if l["class_name"] in MODELS:
            check_model(l, old, where + "/" + n, old2)
            continue
        rule(not LATE & set(c), where, n, "keys that not every Keras knows:", LATE & set(c))
        rule(c.get("dtype") in ("float32", "mixed_bfloat16"), where, n, "dtype")
        check_objects(c, where + "/" + n, old)
        if l["class_name"] == "InputLayer":
            shape = c.get("batch_input_shape" if old else "batch_shape")
            rule(isinstance(shape, list) and shape[0] is None, where, n, "input shape", shape)
        else:
            check_keys(l["class_name"], c, where, n, old)
        if old and l["class_name"] in ("Conv2D", "Conv1D"):
            rule(c.get("groups", 2) != 1, where, n, "groups=1: Keras 2.3 does not know it")
        if not old:
            rule(l["module"] == "keras.layers" and l["registered_name"] is None, where, n, "module")
    if model["class_name"] == "Sequential":
        rule(config["layers"][0]["class_name"] == "InputLayer", where, "no InputLayer first")
        return
    for key in ("input_layers", "output_layers"):
        rule(all(r[0] in names for r in tensors_in(config[key])), where, key, config[key])
        if old2:
            rule(isinstance(config[key], list) and all(is_tensor(r) for r in config[key]), where, key, "is no list of tensors:", config[key])
    by_name = {name_of(l): l for l in config["layers"]}
    for l in config["layers"] if not old else []:
        for t in tensor_objects(l["inbound_nodes"]):
            source = by_name[t["keras_history"][0]]
            wanted = source["config"].get("batch_shape") if source["class_name"] == "InputLayer" else None
            rule(wanted is None or len(t["shape"]) == len(wanted) and all(b in (None, a) for a, b in zip(t["shape"], wanted)),
                 where, name_of(l), "called on shape", t["shape"], "of input", wanted)
    for l in config["layers"]:
        rule((l["class_name"] == "InputLayer") == (not l["inbound_nodes"]), where, name_of(l), "inbound_nodes")
        for call in references(l):
            for r in call:
                base = r[0] in by_name and counts_from_one(by_name[r[0]], old2, False)
                rule(r[0] in by_name and 0 <= r[1] - base < max(1, len(by_name[r[0]]["inbound_nodes"])), where, name_of(l), "called on", r)
    if not errors:
        rule(keras_order(config, old2) == names, where, "layers are not in Keras's order:", names, "!=", keras_order(config, old2))


def version(text):
    return tuple(int(n) for n in re.findall(r"\d+", text or "0.0")[:2])


def check_forms(model, single, found, found_single, where):
    """Inputs and outputs have the form that the original's have."""
    a, b = model["config"], found["config"]
    for key in ("input_layers", "output_layers"):
        if key in a:
            rule(form_of(a[key], single) == form_of(b[key], found_single), where, key, a[key], "was", b[key])
            rule(not single or not isinstance(a[key], list) or len(a[key]) != 1, where, key, "a list of one:", a[key])
    inner = {name_of(l): l for l in (b["layers"] if isinstance(b, dict) else b) if l["class_name"] in MODELS}
    for l in a["layers"]:
        if l["class_name"] in MODELS and name_of(l) in inner:
            check_forms(l, single, inner[name_of(l)], found_single, where + "/" + name_of(l))


def read_config(path):
    """Version and configuration of FILE, of either kind."""
    if open(path, "rb").read(2) == b"PK":
        z = zipfile.ZipFile(path)
        return json.loads(z.read("metadata.json"))["keras_version"], json.loads(z.read("config.json"))
    f = h5py.File(path, "r")
    texts = [v.decode() if isinstance(v, bytes) else v for v in (f.attrs.get("keras_version", "0"), f.attrs["model_config"])]
    return texts[0], json.loads(texts[1])


def single_layers(model):
    return {name_of(l): l["config"] for l in model["config"]["layers"] if l["class_name"] not in MODELS}


def arrays_of(path):
    """The weights of each layer of the outermost model."""
    arrays = {}
    if open(path, "rb").read(2) == b"PK":
        f = h5py.File(io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5")), "r")
        for g in f["layers"].values():
            v = g["vars"]
            arrays[v.attrs["name"]] = [v[str(i)][()] for i in range(len(v))]
    else:
        g = h5py.File(path, "r")["model_weights"]
        for l in g:
            names = g[l].attrs["weight_names"]
            arrays[l] = [g[l][n.decode() if isinstance(n, bytes) else n][()] for n in names]
    return arrays


def check_channels_first(path, model, original, found):
    """A channels_first model is what it was: axes, shapes of inputs, weights."""
    a, b = single_layers(model), single_layers(found)
    rule(set(a) == set(b), path, "layers", set(a) ^ set(b))
    for n in set(a) & set(b):
        for key in ("data_format", "axis", "dims", "target_shape"):
            usual = "channels_last" if key == "data_format" else None
            was = b[n].get(key, usual)
            was = was[0] if key == "axis" and isinstance(was, list) and len(was) == 1 else was
            rule(a[n].get(key, usual) == was, path, n, key, a[n].get(key), "was", was)
        shapes = [c.get("batch_shape", c.get("batch_input_shape")) for c in (a[n], b[n])]
        rule(shapes[0] == shapes[1], path, n, "shape", shapes)
    ours, theirs = arrays_of(path), arrays_of(original)
    for n in set(a) & set(ours) & set(theirs):
        rule(len(ours[n]) == len(theirs[n]) and all(np.array_equal(x, y) for x, y in zip(ours[n], theirs[n])), path, n, "weights lie otherwise")


def check_original(path, original):
    (v, model), (found_version, found) = read_config(path), read_config(original)
    if v.startswith("3"):
        check_forms(model, version(v) < (3, 12), found, version(found_version) < (3, 12), path)
    if found_version.startswith("3") and '"channels_first"' in json.dumps(found):
        check_channels_first(path, model, original, found)


# --- weights -----------------------------------------------------------------------------------------------------
def pair(v):
    return tuple(v) if isinstance(v, list) else (v, v)


def weights_of(layer):
    """[(trainable, shape with None where the input decides)] of one layer, or None where this script does not know it."""
    c, kind = layer["config"], layer["class_name"]
    t, use_bias = c.get("trainable", True), c.get("use_bias", True)
    if kind == "Conv1D":
        w = [(t, (c["kernel_size"][0] if isinstance(c["kernel_size"], list) else c["kernel_size"], None, c["filters"]))] + [(t, (c["filters"],))] * use_bias
    elif kind == "Conv2D":
        w = [(t, pair(c["kernel_size"]) + (None, c["filters"]))] + [(t, (c["filters"],))] * use_bias
    elif kind == "Conv2DTranspose":
        w = [(t, pair(c["kernel_size"]) + (c["filters"], None))] + [(t, (c["filters"],))] * use_bias
    elif kind == "DepthwiseConv2D":
        w = [(t, pair(c["kernel_size"]) + (None, c["depth_multiplier"]))] + [(t, (None,))] * use_bias
    elif kind == "SeparableConv2D":
        w = [(t, pair(c["kernel_size"]) + (None, c["depth_multiplier"])), (t, (1, 1, None, c["filters"]))] + [(t, (c["filters"],))] * use_bias
    elif kind == "Dense":
        w = [(t, (None, c["units"]))] + [(t, (c["units"],))] * use_bias
    elif kind == "BatchNormalization":
        w = [(t, (None,))] * (c.get("scale", True) + c.get("center", True)) + [(False, (None,))] * 2
    elif kind == "LayerNormalization":
        axes = c["axis"] if isinstance(c["axis"], list) else [c["axis"]]
        w = [(t, (None,) * len(axes))] * ((c.get("scale", True) or c.get("rms_scaling", False)) + (c.get("center", True) and not c.get("rms_scaling", False)))
    elif kind == "GroupNormalization":
        w = [(t, (None,))] * (c.get("scale", True) + c.get("center", True))
    elif kind == "Normalization":
        axes = c["axis"] if isinstance(c["axis"], list) else [c["axis"]]
        w = [(False, (None,) * len(axes))] * 2 + [(False, ())] if c.get("mean") is None else []
    elif kind == "PReLU":
        w = [(t, None)]
    else:
        w = []
    return w


def flat_weights(layer):
    """Keras's positional order: trainable ones of all sub-layers, then the rest, layer by layer."""
    if layer["class_name"] not in MODELS:
        return weights_of(layer)
    inner = [w for l in layer["config"]["layers"] for w in all_weights(l)]
    return [w for w in inner if w[0]] + [w for w in inner if not w[0]]


def all_weights(layer):
    if layer["class_name"] in MODELS:
        return [w for l in layer["config"]["layers"] for w in all_weights(l)]
    return weights_of(layer)


def fits(shape, wanted):
    return wanted is None or (len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted)))


def check_text(f, key, utf8, where):
    if not rule(key in f.attrs, where, "no attribute", key):
        return None
    a = h5py.h5a.open(f.id, key.encode())
    t = a.get_type()
    rule(t.get_class() == h5t.STRING and t.is_variable_str() and a.get_space().get_simple_extent_type() == h5s.SCALAR
         and t.get_cset() == (h5t.CSET_UTF8 if utf8 else h5t.CSET_ASCII), where, key, "is no variable-length scalar of the right kind")
    v = f.attrs[key]
    return v.decode() if isinstance(v, bytes) else v


def read_names(g, key, where):
    """A list of names in the fixed-length form, whole or in parts."""
    parts = [key] if key in g.attrs else []
    while not key in g.attrs and f"{key}{len(parts)}" in g.attrs:
        parts.append(f"{key}{len(parts)}")
    if not rule(parts, where, "no attribute", key):
        return []
    names = []
    for p in parts:
        a = h5py.h5a.open(g.id, p.encode())
        t, s = a.get_type(), a.get_space()
        if s.get_simple_extent_npoints() == 0:
            rule(t.get_class() == h5t.FLOAT and t.get_size() == 8 and s.get_simple_extent_dims() == (0,), where, p, "empty, but not float64 (0,)")
            continue
        rule(t.get_class() == h5t.STRING and not t.is_variable_str() and t.get_cset() == h5t.CSET_ASCII and t.get_strpad() == h5t.STR_NULLPAD
             and s.get_simple_extent_ndims() == 1, where, p, "is no list of fixed-length ASCII padded with NUL")
        rule(t.get_size() * s.get_simple_extent_npoints() <= 64512, where, p, "over 64512 bytes")
        names += [n.decode() for n in g.attrs[p]]
    return names


def check_dataset(d, where, number=np.float32):
    p = d.id.get_create_plist()
    rule(d.dtype == number and p.get_layout() == h5py.h5d.CONTIGUOUS and p.get_nfilters() == 0, where, d.name, d.dtype, "not plain", number)


def check_h5(path):
    rule(open(path, "rb").read(9)[8] == 0, path, "superblock")
    f = h5py.File(path, "r")
    old2 = check_text(f, "keras_version", False, path).startswith("2")
    rule(check_text(f, "backend", False, path) != "theano", path, "backend")
    model = json.loads(check_text(f, "model_config", False, path))
    check_model(model, True, path, old2)
    layers = model["config"]["layers"]
    if model["class_name"] == "Sequential":
        layers = layers[1:]
    g = f["model_weights"]
    check_text(g, "keras_version", False, path), check_text(g, "backend", False, path)
    rule(read_names(g, "layer_names", path) == [name_of(l) for l in layers], path, "layer_names", read_names(g, "layer_names", path))
    for l in layers:
        w, wanted = g[name_of(l)], flat_weights(l)
        names = read_names(w, "weight_names", path + ":" + name_of(l))
        rule(len(set(names)) == len(names), path, name_of(l), "names twice")
        if rule(len(names) == len(wanted), path, name_of(l), len(names), "weights, not", len(wanted)):
            for n, (_, shape) in zip(names, wanted):
                check_dataset(w[n], path)
                rule(fits(w[n].shape, shape), path, name_of(l), n, w[n].shape, "wanted", shape)
    listed = {f"{name_of(l)}/{n}" for l in layers for n in read_names(g[name_of(l)], "weight_names", path)}
    found = []
    g.visititems(lambda n, o: found.append(n) if isinstance(o, h5py.Dataset) else None)
    rule(set(found) == listed, path, "datasets that no list names:", set(found) ^ listed)
    if "training_config" in f.attrs:
        check_training(json.loads(check_text(f, "training_config", False, path)), True, path)
    if "optimizer_weights" in f:
        check_optimizer(f, layers, g, path)


# --- training ----------------------------------------------------------------------------------------------------
SLOTS = {"SGD": 1, "Adam": 2, "RMSprop": 1, "Adagrad": 1, "Adadelta": 2, "Adamax": 2, "Nadam": 2}
KERAS_2_KEYS = {"SGD": "momentum nesterov", "Adam": "beta_1 beta_2 epsilon amsgrad", "RMSprop": "rho epsilon", "Adagrad": "epsilon",
                "Adadelta": "rho epsilon", "Adamax": "beta_1 beta_2 epsilon", "Nadam": "beta_1 beta_2 epsilon"}
KERAS_3_ONLY = {"weight_decay", "global_clipnorm", "centered", "initial_accumulator_value", "use_ema", "ema_momentum", "ema_overwrite_frequency",
                "gradient_accumulation_steps", "loss_scale_factor"}


def check_training(t, old, where):
    o = t["optimizer_config" if old else "optimizer"]
    c = o["config"]
    rule(all(v is not None for k, v in t.items()) or old, where, "null in compile_config", t)
    rule(set(t) <= {"optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"}
         | ({"optimizer_config", "sample_weight_mode"} if old else set()), where, "keys that compile() does not take", list(t))
    rule("steps_per_execution" not in t or t["steps_per_execution"] is not None, where, "steps_per_execution", t)
    rule("learning_rate" in c and "lr" not in c, where, "learning_rate", c)
    if not old:
        rule(o["module"] == "keras.optimizers" and "registered_name" in o, where, "optimizer's module")
        return
    rule({"loss", "metrics", "loss_weights", "sample_weight_mode"} <= set(t), where, "keys that Keras 2.3 looks for", list(t))
    rule(all(v is not None for v in c.values()), where, "null is no value to Keras 2.3:", c)
    if o["class_name"] in KERAS_2_KEYS:
        allowed = set(KERAS_2_KEYS[o["class_name"]].split()) | {"learning_rate", "decay", "clipnorm", "clipvalue"}
        if o["class_name"] == "RMSprop" and c.get("momentum"):
            allowed.add("momentum")
        rule(set(c) <= allowed | KERAS_3_ONLY, where, "optimizer keys", set(c) - allowed)


def check_optimizer(f, layers, weights, path):
    o = json.loads(f.attrs["training_config"])["optimizer_config"]
    g = f["optimizer_weights"]
    names = read_names(g, "weight_names", path)
    arrays = [g[n] for n in names]
    rule(arrays[0].shape == () and arrays[0].dtype.kind == "i", path, "iterations first")
    trainable = []
    for l in layers:
        for n, (t, _) in zip(read_names(weights[name_of(l)], "weight_names", path), flat_weights(l)):
            if t:
                trainable.append(weights[name_of(l)][n].shape)
    kind, c = o["class_name"], o["config"]
    new = kind not in SLOTS or "weight_decay" in c or "centered" in c or (kind == "RMSprop" and c.get("momentum"))
    if new:
        rule("iteration" in names[0], path, "iteration", names[0])
        return
    slots = SLOTS[kind] + bool(c.get("amsgrad"))
    wanted = [()] + [()] * (kind == "Nadam") + trainable * slots + [(1,)] * (len(trainable) * (kind == "Adam" and not c.get("amsgrad")))
    rule([a.shape for a in arrays] == wanted, path, "optimizer_weights are not in Keras 2.3's order", len(arrays), len(wanted))
    rule(len(set(names)) == len(names) and all(n.endswith(":0") for n in names), path, "optimizer names")


# --- .keras ------------------------------------------------------------------------------------------------------
def snake(name):
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def check_store(g, model, where, expected):
    used = {}
    layers = model["config"]["layers"]
    if model["class_name"] == "Sequential":
        layers = layers[1:]
    names = []
    for l in layers:
        s = snake(l["class_name"])
        group = s if s not in used else f"{s}_{used[s]}"
        used[s] = used.get(s, 0) + 1
        names.append(group)
        if not rule(group in g and "vars" in g[group], where, "no group", group):
            continue
        rule(g[group]["vars"].attrs.get("name") == name_of(l), where, group, "vars@name")
        if l["class_name"] in MODELS:
            check_store(g[group]["layers"], l, where + "/" + group, expected)
            continue
        w = weights_of(l)
        if rule(sorted(g[group]["vars"]) == sorted(str(i) for i in range(len(w))), where, group, "vars", list(g[group]["vars"])):
            for i, (_, shape) in enumerate(w):
                d = g[group]["vars"][str(i)]
                check_dataset(d, where)
                rule(fits(d.shape, shape), where, d.name, d.shape, "wanted", shape)
    rule(sorted(names) == sorted(g), where, "groups", sorted(g), "wanted", sorted(names))


def check_zip(path):
    z = zipfile.ZipFile(path)
    rule([i.filename for i in z.infolist()] == ["metadata.json", "config.json", "model.weights.h5"], path, "members")
    rule(all(i.compress_type == zipfile.ZIP_STORED for i in z.infolist()) and z.testzip() is None, path, "members are not stored")
    rule(re.fullmatch(r"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d", json.loads(z.read("metadata.json"))["date_saved"]), path, "date_saved")
    model = json.loads(z.read("config.json"))
    rule({"module", "class_name", "config", "registered_name", "build_config", "compile_config"} <= set(model), path, "keys", list(model))
    check_model(model, False, path)
    f = h5py.File(io.BytesIO(z.read("model.weights.h5")), "r")
    rule("vars" in f, path, "no /vars")
    check_store(f["layers"], model, path, [])
    if model["compile_config"]:
        check_training(model["compile_config"], False, path)
    if "optimizer" in f:
        v = f["optimizer/vars"]
        rule(sorted(int(k) for k in v) == list(range(len(v))) and v["0"].shape == () and v["0"].dtype.kind == "i", path, "optimizer/vars")
        scheduled = isinstance(model["compile_config"]["optimizer"]["config"]["learning_rate"], dict)
        rule(scheduled or v["1"].shape == (), path, "learning_rate")


if __name__ == "__main__":
    files = [n for a in sys.argv[1:] for n in (open(a[1:]).read().split() if a.startswith("@") else [a])]
    for file in files:
        file, _, original = file.partition("=")
        before = len(errors)
        try:
            (check_zip if open(file, "rb").read(2) == b"PK" else check_h5)(file)
            if original:
                check_original(file, original)
        except Exception as problem:  # a file that cannot be read at all breaks a rule, too
            errors.append(f"{file}: {type(problem).__name__}: {problem}")
        for i in range(before, len(errors) if original else before):
            errors[i] += f"  (from {original})"
    print("\n".join(e[:600] for e in errors[:50]))
    sys.exit(bool(errors))
