#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""decode + resize (and the tutorial's augmentation) with DataLoader, no model. usage: loaders.py {dl|dl_aug} DIR SIZE WORKERS [secs]"""
import os, statistics, sys, time, warnings; warnings.filterwarnings('ignore')
import torch
from aug import loader
clock = time.process_time if os.environ.get('BENCH_CLOCK') == 'core' else time.perf_counter   # core time: on a machine that others use, too
mode, d, S, W = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]); secs = float(sys.argv[5]) if len(sys.argv) > 5 else 6
torch.set_num_threads(1)
L = loader(d, W, mode == 'dl_aug', S); r = []; end = time.time() + secs
while time.time() < end or len(r) < 2:
    n = 0; t = None
    for k, (x, y) in enumerate(L):                 # the first batches come from workers that are starting
        if k == 2: t = clock()
        elif k > 2: n += len(x)
    r.append(n / (clock() - t))
print(f'load {mode} {os.path.basename(d)} size={S} workers={W}: median {statistics.median(r):.1f} img/s (min {min(r):.1f} max {max(r):.1f}, n={len(r)})', flush=True)
