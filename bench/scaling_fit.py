#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits doc/scaling.md's model to the points of bench/scaling.sh, prints its parameters and how far it is off each kind of
point, and what it says for 8, 64 and 1024 nodes.   scaling_fit.py POINTS [CORES OF A NODE [BYTES/S OF ITS LINK [LATENCY S]]]"""
import math
import statistics
import sys

RATES = {"gbit": 1e9 / 8, "mbit": 1e6 / 8}


def read(path):
    points = []
    for line in open(path):
        if line.startswith("#"):
            continue
        kind, *pairs = line.split()
        values = dict(p.split("=") for p in pairs)
        points.append((kind, {k: v if k == "network" else rate(v) if k == "rate" else float(v) for k, v in values.items()}))
    return points


def rate(text):
    return float(text[:-4]) * RATES[text[-4:]]


def medians(points, key):
    """One point for each value of KEY."""
    values = sorted({p[key] for p in points})
    return [{key: v, "seconds": statistics.median(p["seconds"] for p in points if p[key] == v)} for v in values]


def of(points, kind, **want):
    return [v for k, v in points if k == kind and all(v[n] == w for n, w in want.items())]


def line(points, x):
    """t = a + b x with the least squares of relative errors; a >= 0."""
    w = [1 / p["seconds"] ** 2 for p in points]
    sw, sx, sy = sum(w), sum(a * x(p) for a, p in zip(w, points)), sum(a * p["seconds"] for a, p in zip(w, points))
    sxx = sum(a * x(p) ** 2 for a, p in zip(w, points))
    sxy = sum(a * x(p) * p["seconds"] for a, p in zip(w, points))
    b = (sw * sxy - sx * sy) / (sw * sxx - sx * sx)
    a = (sy - b * sx) / sw
    return (a, b) if a >= 0 else (0, sxy / sxx)


def report(name, points, model, measured=lambda p: p["seconds"]):
    off = sorted(abs(model(p) / measured(p) - 1) for p in points)
    print(f"  {name}: off by {100 * statistics.median(off):.0f}% (median), {100 * off[-1]:.0f}% at most, {len(off)} points")


# --- the model: doc/scaling.md ----------------------------------------------------------------------------------------


def is_power(ranks):
    return ranks & (ranks - 1) == 0


def volume(ranks):
    """Bytes over each link for a byte of the sum: ring, or halving and doubling."""
    return 2 * (ranks - 1) / ranks


def messages(ranks):
    return 2 * (ranks - 1) if not is_power(ranks) and ranks < 32 else 2 * math.ceil(math.log2(max(ranks, 1)))


class Model:
    def __init__(self, points):
        small = [p for p in of(points, "sum") if p["bytes"] <= 4096]
        large = [p for p in of(points, "sum") if p["bytes"] >= 1 << 18]
        self.alpha = statistics.median(p["seconds"] / messages(int(p["ranks"])) for p in small)
        self.kappa = math.exp(statistics.mean(
            math.log((p["seconds"] - messages(int(p["ranks"])) * self.alpha) * p["rate"] / (volume(int(p["ranks"])) * p["bytes"])) for p in large))
        self.compute = {n: line(of(points, "compute", network=n), lambda p: p["images"]) for n in ("resnet", "resnet50")}
        self.decode = line(of(points, "decode"), lambda p: p["pixels"])
        self.write = line(medians(of(points, "checkpoint"), "bytes"), lambda p: p["bytes"])
        self.steps = of(points, "step")
        self.h, self.touch = min(((h / 50, c / 20) for h in range(51) for c in range(41)), key=self.step_error)

    def sum(self, ranks, size, beta, alpha=None):
        return messages(ranks) * (self.alpha if alpha is None else alpha) + self.kappa * volume(ranks) * size / beta

    def overlapped(self, compute, sums, hc, floor):
        """Backward is 2/3 of compute; in h of it sums go on; what they take from the processor: c of a sum without limit."""
        h, c = hc
        return compute + max(0, sums - h * compute * 2 / 3) + c * floor

    def step_error(self, hc):
        floor = min(p["sums"] for p in self.steps)
        return sum(math.log(self.overlapped(p["compute"], p["sums"], hc, floor) / p["during"]) ** 2 for p in self.steps)

    def print(self, points):
        floor = min(p["sums"] for p in self.steps)
        print(f"sums: alpha {1e6 * self.alpha:.0f} us a message, {self.kappa:.3f} of 2 (R-1)/R S/beta")
        report("from 256 KB", [p for p in of(points, "sum") if p["bytes"] >= 1 << 18], lambda p: self.sum(int(p["ranks"]), p["bytes"], p["rate"]))
        for n, (a, b) in self.compute.items():
            print(f"compute, {n}: {1e3 * a:.1f} ms + {1e3 * b:.2f} ms an image, one core")
            report("steps", of(points, "compute", network=n), lambda p: a + b * p["images"])
        print(f"overlap: sums go on in h = {self.h:.2f} of backward; they take {self.touch:.2f} of an unhindered sum ({1e3 * floor:.1f} ms) from compute")
        report("steps of two hosts", self.steps, lambda p: self.overlapped(p["compute"], p["sums"], (self.h, self.touch), floor), lambda p: p["during"])
        print(f"decode: {1e6 * self.decode[0]:.0f} us + {1e9 * self.decode[1]:.2f} ns a pixel, one core")
        report("images", of(points, "decode"), lambda p: self.decode[0] + self.decode[1] * p["pixels"])
        print(f"checkpoint: {1e3 * self.write[0]:.0f} ms + {1e-6 / self.write[1]:.0f} MB/s")
        report("files (medians)", medians(of(points, "checkpoint"), "bytes"), lambda p: self.write[0] + self.write[1] * p["bytes"])


# --- what it says ------------------------------------------------------------------------------------------------------

IMAGES, PIXELS = 1e9, 500 * 375  # 100 TB of 100 KB
GRADIENTS, NORMALISATIONS, BUCKET = 102e6, 53, 4 * (1 << 18)
SCALES = 0.8  # assumed: how well one rank's threads use the cores of its node


def forecast(m, cores, beta, alpha, batch_of):
    alone = None
    print("  nodes   batch  compute+decode     sum  exposed  latency     step  efficiency  images/s  epoch of 100 TB")
    for nodes in (1, 8, 64, 128, 256, 1024):
        b = batch_of(nodes)
        share = math.ceil(b / nodes)
        first, each = m.compute["resnet50"]
        compute = (first + share * (each + m.decode[0] + m.decode[1] * PIXELS)) / cores / SCALES
        total = m.sum(nodes, GRADIENTS, beta, alpha) if nodes > 1 else 0
        last = m.sum(nodes, BUCKET, beta, alpha) if nodes > 1 else 0
        exposed = max(0, total - m.h * compute * 2 / 3) + last
        latency = (2 + 2 * NORMALISATIONS) * math.log2(nodes) * alpha
        step = compute + exposed + latency
        alone = alone or step * nodes / b
        print(f"{nodes:7} {b:7} {1e3 * compute:12.0f} ms {1e3 * total:4.0f} ms {1e3 * exposed:5.0f} ms {1e3 * latency:5.1f} ms {1e3 * step:5.0f} ms"
              f" {100 * alone * b / step / nodes:10.0f}% {b / step:9.0f} {IMAGES / (b / step) / 3600:14.1f} h")


def main():
    points = read(sys.argv[1])
    given = [float(a) for a in sys.argv[2:5]]
    cores, beta, alpha = given + [64, 3e9, 20e-6][len(given):]
    m = Model(points)
    m.print(points)
    print(f"ResNet-50 at 224x224, nodes of {cores:.0f} such cores, links of {beta / 1e9:.3g} GB/s and {1e6 * alpha:.0f} us, synchronised normalisation")
    print(" 32 images a node:")
    forecast(m, cores, beta, alpha, lambda n: 32 * n)
    print(" 1024 images in all:")
    forecast(m, cores, beta, alpha, lambda n: 1024)
    print(f"a checkpoint of it (weights and momentum, 0.2 GB): {m.write[0] + m.write[1] * 0.205e9:.1f} s beside training")


if __name__ == "__main__":
    main()
