#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run of predict over a million small files (hard links to a few hundred images in nested folders) against one over ten
# thousand: time to the first row, peak memory at a tenth and at the end, rate; and PyTorch with torchvision's ImageFolder
# on the same files, for as many of them as 10,000 (its listing is of all). Needs a file system with room for the folders.
#   bench/stream_bench.sh [--build DIR] [--files N] [--dir EMPTY_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
build=build files=1000000 few=10000 dir=
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=$2; shift 2 ;;
    --files) files=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    *) echo "usage: bench/stream_bench.sh [--build DIR] [--files N] [--dir EMPTY_DIR]" >&2; exit 2 ;;
  esac
done
millrace=$(realpath "$build")/millrace peers=$(realpath bench/peers) python=/usr/bin/python3
work=$(mktemp -d ${dir:+-p "$dir"}); trap 'rm -rf "$work"' EXIT
cd "$work"
"$millrace" sample cells --count 400 --quiet
"$millrace" train --data cells --model m.h5 --image-size 32x32 --stages 1 --filters 8,16 --epochs 1 --quiet
"$python" - "$files" "$few" <<'END'
import glob, os, sys
images = sorted(os.path.abspath(p) for p in glob.glob('cells/*/*/*.jpg'))
for root, count in (('many', int(sys.argv[1])), ('few', int(sys.argv[2]))):
    for k in range(count):
        folder = f'{root}/{k // 10000:03d}/{k // 100 % 100:02d}'
        if k % 100 == 0:
            os.makedirs(folder)
        os.link(images[k * 7 % len(images)], f'{folder}/{k % 100:02d}.jpg')
END

# measure ROOT COUNT: seconds to the first row, rate behind it, peak memory in MB at a tenth and at the end.
measure() {
  "$python" - "$millrace" "$1" "$2" <<'END'
import os, re, subprocess, sys, time
millrace, root, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def peak(pid):
    return int(re.search(r'VmHWM:\s+(\d+)', open(f'/proc/{pid}/status').read()).group(1)) / 1024
start = time.monotonic()
run = subprocess.Popen([millrace, 'predict', '--model', 'm.h5', '--images', root, '--quiet'], stdout=subprocess.PIPE, bufsize=1 << 16)
rows, first, tenth = -1, 0, 0
for line in run.stdout:
    rows += 1
    if rows == 1:
        first = time.monotonic()
    if rows == count // 10:
        tenth = peak(run.pid)
last = time.monotonic()
_, status, usage = os.wait4(run.pid, 0)
assert rows == count and status == 0, (rows, status)
print(f'{first - start:.3f} {(count - 1) / (last - first):.0f} {tenth:.1f} {usage.ru_maxrss / 1024:.1f}')
END
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
before=(); for _ in 1 2 3; do before+=("$(measure few "$few")"); done
read -r first rate tenth end <<<"$(measure many "$files")"
after=(); for _ in 1 2 3; do after+=("$(measure few "$few")"); done
few_rate=$(printf '%s\n' "${before[@]}" "${after[@]}" | cut -d' ' -f2 | median)
awk -v n="$files" -v few="$few" -v first="$first" -v rate="$rate" -v tenth="$tenth" -v end="$end" -v fr="$few_rate" 'BEGIN {
  printf "%d files: first row after %.2f s, peak memory %.1f MB at a tenth, %.1f MB at the end (%+.1f %%), %.0f images/s\n", n, first, tenth, end, 100 * (end / tenth - 1), rate
  printf "%d files, median of 6 runs around it: %.0f images/s; ratio %.2f\n", few, fr, rate / fr }'
if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
  echo "PyTorch: absent (apt-get install python3-torch python3-torchvision)"
  exit 0
fi
torch() { "$python" "$peers/stream.py" "$1" "$few" "$(nproc)"; }
torch many
ours=() theirs=()
for _ in 1 2 3; do
  ours+=("$(measure few "$few")")
  theirs+=("$(torch few | sed 's/.* \([0-9]*\) images.s$/\1/')")
done
awk -v few="$few" -v a="$(printf '%s\n' "${ours[@]}" | cut -d' ' -f2 | median)" -v b="$(printf '%s\n' "${theirs[@]}" | median)" 'BEGIN {
  printf "%d files, medians of 3 runs in alternation: millrace %.0f, PyTorch %.0f images/s; ratio %.1f\n", few, a, b, a / b }'
