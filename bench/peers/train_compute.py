#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""compute-only training img/s. usage: train_compute.py THREADS {nchw|nhwc} {fp32|bf16} [variant] [batch] [secs]"""
import os, sys, time, statistics, torch, torch.nn.functional as F
from model import ResNet, groups
clock = time.process_time if os.environ.get('BENCH_CLOCK') == 'core' else time.perf_counter   # core time: on a machine that others use, too
T = int(sys.argv[1]); fmt = sys.argv[2]; prec = sys.argv[3]; var = sys.argv[4] if len(sys.argv) > 4 else 'malaria'
B = int(sys.argv[5]) if len(sys.argv) > 5 else 32; secs = float(sys.argv[6]) if len(sys.argv) > 6 else 6
torch.set_num_threads(T); torch.manual_seed(0)
m = ResNet(variant=var).train(); mf = torch.channels_last if fmt == 'nhwc' else torch.contiguous_format
m = m.to(memory_format=mf); opt = torch.optim.SGD(groups(m), lr=.1, momentum=.9)
x = torch.rand(B, 3, 64, 64).to(memory_format=mf); y = torch.randint(0, 2, (B,))
def step():
    opt.zero_grad(set_to_none=True)
    with torch.autocast('cpu', torch.bfloat16, enabled=prec == 'bf16'):
        l = F.cross_entropy(m(x), y)
    l.backward(); opt.step()
for _ in range(5): step()
r = []; t_end = time.time() + secs
while time.time() < t_end:
    t = clock()
    for _ in range(5): step()
    r.append(5 * B / (clock() - t))
print(f'train_compute threads={T} {fmt} {prec} {var} B={B}: median {statistics.median(r):.1f} img/s  (min {min(r):.1f} max {max(r):.1f}, n={len(r)})', flush=True)
