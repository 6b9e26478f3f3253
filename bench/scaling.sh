#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures what doc/scaling.md's model of a step's time is fitted to, one point a line: sums of gradients among "hosts" on this
# machine (bench/hosts.sh), steps with overlap, compute, decoding, writing of checkpoints. As root; about 3 minutes.
#   bench/scaling.sh BUILD >points && bench/scaling_fit.py points
#   bench/scaling.sh BUILD sums|steps|compute|decode|checkpoints      some of it
set -euo pipefail
build=$(cd "$1" && pwd); shift
here=$(cd "$(dirname "$0")" && pwd)
. "$here/hosts.sh"
trap hosts_down EXIT
cd "$hosts_work"

sums() {
  local ranks rate
  for rate in 200mbit 1gbit; do
    hosts_rate $rate >&2
    for ranks in 2 3 4; do
      hosts_mpirun $ranks "$build/bench/reduce_bench" -z -n 3 | sed "s/$/ rate=$rate/"
    done
  done
}

steps() {
  local rate
  for rate in 100mbit 200mbit 350mbit 500mbit 1gbit 4gbit; do
    hosts_rate $rate >&2
    hosts_mpirun 2 "$build/bench/reduce_bench" -j 1 -n 16 | awk -v rate=$rate '
      $2 == "median" { line = line " " $1 "=" $3 / 1e3 }
      END { print "step rate=" rate line }'
  done
}

# One rank alone: nothing is added up.
compute() {
  local images
  for images in 2 4 8 16 32; do
    "$build/bench/reduce_bench" -j 1 -n 12 -b $images | awk -v b=$images '$1 == "compute" { print "compute network=resnet images=" b " seconds=" $3 / 1e3 }'
  done
  for images in 1 2 4; do
    "$build/bench/reduce_bench" -j 1 -n 4 -a resnet50 -s 224 -b $images |
      awk -v b=$images '$1 == "compute" { print "compute network=resnet50 images=" b " seconds=" $3 / 1e3 }'
  done
}

decode() {
  local side
  "$build/millrace" sample cells --count 12 --quiet
  for side in 64 128 256 512; do
    mkdir -p "side$side/a"
    /usr/bin/python3 - cells "side$side/a" $side <<'END'
import glob, sys
from PIL import Image
for n, name in enumerate(sorted(glob.glob(sys.argv[1] + "/**/*.jpg", recursive=True))):
    Image.open(name).resize((int(sys.argv[3]),) * 2, Image.BICUBIC).save(f"{sys.argv[2]}/{n}.jpg", quality=90)
END
    "$build/bench/loader_bench" "side$side" --size 64 --threads 1 --seconds 2 |
      awk -v pixels=$((side * side)) '$1 == "decode" && $2 == 1 { print "decode pixels=" pixels " seconds=" $5 / $3 }'
  done
}

checkpoints() {
  local options
  "$build/millrace" sample cells --count 12 --quiet
  for options in "--filters 8,16,32,64" "--filters 32,64,128,256" "--filters 96,192,384,768" "--arch resnet50"; do
    for _ in 1 2 3 4 5; do
      "$build/millrace" train --data cells --image-size 64x64 --batch-size 4 --epochs 1 --quiet $options --checkpoint-dir ck \
        --model m.h5 --stats s.json
      /usr/bin/python3 -c 'import json; c = json.load(open("s.json"))["checkpoints"][-1]
print("checkpoint bytes=%d seconds=%g" % (c["bytes"], c["write_seconds"]))'
      rm -rf ck m.h5
    done
  done
}

parts=("$@"); [ $# -gt 0 ] || parts=(sums steps compute decode checkpoints)
case " ${parts[*]} " in *" sums "* | *" steps "*) hosts_up 4 ;; esac
for part in "${parts[@]}"; do $part; done
