# SPDX-License-Identifier: Apache-2.0
"""Writes activations.tsv: Keras's activations at some places, from their definitions (keras.activations' documentation)."""
from math import erf, exp, log, pi, sqrt, tanh

X = [-7.5, -4, -2.875, -1.25, -0.375, 0, 0.3125, 0.6875, 1, 2.625, 3.5, 6.5]  # exact in float32


def clip(x, a, b):
    return min(max(x, a), b)


def softplus(x):
    return log(1 + exp(x))


A, S = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
F = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: clip(x, 0, 6),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "elu": lambda x: x if x > 0 else exp(x) - 1,
    "celu": lambda x: max(0, x) + min(0, exp(x) - 1),
    "selu": lambda x: S * x if x > 0 else S * A * (exp(x) - 1),
    "softplus": softplus,
    "log_sigmoid": lambda x: -softplus(-x),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanh": tanh,
    "tanh_shrink": lambda x: x - tanh(x),
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
    "hard_sigmoid": lambda x: clip(x + 3, 0, 6) / 6,
    "hard_sigmoid_keras2": lambda x: clip(0.2 * x + 0.5, 0, 1),
    "silu": lambda x: x / (1 + exp(-x)),
    "swish": lambda x: x / (1 + exp(-x)),
    "hard_silu": lambda x: x * clip(x + 3, 0, 6) / 6,
    "hard_swish": lambda x: x * clip(x + 3, 0, 6) / 6,
    "gelu": lambda x: 0.5 * x * (1 + erf(x / sqrt(2))),
    "gelu_approximate": lambda x: 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))),
    "mish": lambda x: x * tanh(softplus(x)),
    "exponential": exp,
    "hard_tanh": lambda x: clip(x, -1, 1),
    "hard_shrink": lambda x: x if abs(x) > 0.5 else 0,
    "soft_shrink": lambda x: x - 0.5 if x > 0.5 else x + 0.5 if x < -0.5 else 0,
    "squareplus": lambda x: (x + sqrt(x * x + 4)) / 2,
    "sparse_plus": lambda x: 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4,
    "sparse_sigmoid": lambda x: 0 if x <= -1 else 1 if x >= 1 else (x + 1) / 2,
}
total = sum(exp(x) for x in X)
with open("activations.tsv", "w") as f:
    f.write("name\t" + "\t".join(map(repr, map(float, X))) + "\n")
    for name, function in F.items():
        f.write(name + "\t" + "\t".join("%.17g" % function(x) for x in X) + "\n")
    f.write("softmax\t" + "\t".join("%.17g" % (exp(x) / total) for x in X) + "\n")
    f.write("log_softmax\t" + "\t".join("%.17g" % (x - log(total)) for x in X) + "\n")
