# SPDX-License-Identifier: Apache-2.0
"""Reads TensorBoard's event files by the format's own description, with nothing of millrace or TensorFlow.

File: records of uint64 length, masked CRC-32C of those 8 bytes, the bytes, masked CRC-32C of them; little endian.
A record is an Event: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary, 7 session_log (1 status; 1: START).
Summary: 1 value, repeated: 1 tag, 2 simple_value float.
A session's start makes a reader forget what was there from its step on.

read_events.py DIR HISTORY.csv: exits with 0 where both say the same.
"""
import csv
import glob
import math
import struct
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of the catalogue of CRCs
assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        (check,) = struct.unpack_from("<I", data, at + 8)
        assert check == masked(data[at:at + 8]), f"{path}: length's checksum at {at}"
        body = data[at + 12:at + 12 + length]
        (check,) = struct.unpack_from("<I", data, at + 12 + length)
        assert len(body) == length and check == masked(body), f"{path}: checksum at {at}"
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size, form = {1: (8, "<d"), 5: (4, "<f")}[wire]
            (value,), at = struct.unpack_from(form, data, at), at + size
        yield key >> 3, value
    assert at == len(data)


def scalars(directory):
    """{tag: {step: value}} of all files of the folder together."""
    found = {}
    for path in sorted(glob.glob(glob.escape(directory) + "/events.out.tfevents.*")):
        first = True
        for record in records(path):
            event = dict(fields(record))
            assert 1e9 < event[1] < 1e11, "wall time"
            if first:
                assert event[3] == b"brain.Event:2", "file version"
                first = False
            if 7 in event and dict(fields(event[7])).get(1) == 1:
                for steps in found.values():
                    for step in [s for s in steps if s >= event.get(2, 0)]:
                        del steps[step]
            for number, value in fields(event.get(5, b"")):
                assert number == 1
                value = dict(fields(value))
                found.setdefault(value[1].decode(), {})[event.get(2, 0)] = value[2]
        assert not first, f"{path} is empty"
    return found


def main(directory, history):
    found = scalars(directory)
    rows = list(csv.DictReader(open(history, newline="")))
    compared = 0
    for row in rows:
        epoch = int(row.pop("epoch"))
        for name, text in row.items():
            if text == "":
                assert epoch not in found.get(name, {}), (name, epoch)
                continue
            expected = struct.unpack("<f", struct.pack("<f", float(text)))[0]
            got = found[name].pop(epoch)
            assert got == expected or (math.isnan(got) and math.isnan(expected)), (name, epoch, got, expected)
            compared += 1
    left = {tag: steps for tag, steps in found.items() if steps}
    assert rows and compared and not left, f"not in the history: {left}"
    print(f"{len(rows)} epochs, {compared} numbers, {len(found)} tags")


if __name__ == "__main__":
    main(*sys.argv[1:])
