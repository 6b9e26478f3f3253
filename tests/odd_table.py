#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what Pillow makes of every file below a folder: the expected results of tests/test_odd.c.

usage: odd_table.py FOLDER > tests/data/odd.tsv      (with Pillow 9.4, the version of the goldens)

One line a file: its path in the folder, then WIDTHxHEIGHT, CRC-32 of the pixels of convert("RGB"), of convert("L");
or "refused" and Pillow's words. 16-bit grayscale is taken as value >> 8, for Pillow clips it at 255. Files that are neither JPEG nor PNG are refused by millrace whatever Pillow says.
"""
import os
import sys
import warnings
import zlib

import numpy
from PIL import Image

MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


def result(path):
    with open(path, "rb") as f:
        if not f.read(8).startswith(MAGIC):
            return ["refused", "neither JPEG nor PNG"]
    sums = []
    try:
        for mode in ("RGB", "L"):
            with Image.open(path) as im:
                if im.mode.startswith("I"):
                    im = Image.fromarray((numpy.array(im) >> 8).astype(numpy.uint8))
                pixels = im.convert(mode)
                sums.append("%08x" % zlib.crc32(pixels.tobytes()))
    except Exception as e:
        return ["refused", str(e).replace(path, "FILE").replace("\n", " ")]
    return ["%dx%d" % pixels.size] + sums


def main():
    warnings.simplefilter("ignore")
    root = sys.argv[1]
    names = []
    for folder, _, files in os.walk(root):
        names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    for name in sorted(names):
        if name.lower().endswith((".jpg", ".jpeg", ".png", ".bmp", ".ppm")):
            print("\t".join([name] + result(os.path.join(root, name))))


main()
