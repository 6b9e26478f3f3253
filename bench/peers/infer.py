#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""inference-only img/s. usage: infer.py {resnet64|resnet50|mobilenet_v2} THREADS {nchw|nhwc} {eager|jit|jit_opt|bf16|bf16_jit} [batch] [secs]"""
import os, sys, time, statistics, torch, torchvision, warnings; warnings.filterwarnings('ignore')
from model import ResNet
clock = time.process_time if os.environ.get('BENCH_CLOCK') == 'core' else time.perf_counter   # core time: on a machine that others use, too
net = sys.argv[1]; T = int(sys.argv[2]); fmt = sys.argv[3]; mode = sys.argv[4]
B = int(sys.argv[5]) if len(sys.argv) > 5 else 32; secs = float(sys.argv[6]) if len(sys.argv) > 6 else 6
torch.set_num_threads(T); torch.manual_seed(0); S = 64 if net == 'resnet64' else 224
m = (ResNet() if net == 'resnet64' else getattr(torchvision.models, net)(weights=None)).eval()
mf = torch.channels_last if fmt == 'nhwc' else torch.contiguous_format
m = m.to(memory_format=mf); x = torch.rand(B, 3, S, S).to(memory_format=mf)
with torch.no_grad():
    if mode == 'jit': f = torch.jit.freeze(torch.jit.trace(m, x))
    elif mode == 'jit_opt': f = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(m, x)))
    elif mode == 'bf16': f = m.to(torch.bfloat16); x = x.to(torch.bfloat16)
    elif mode == 'bf16_jit': m = m.to(torch.bfloat16); x = x.to(torch.bfloat16); f = torch.jit.freeze(torch.jit.trace(m, x))
    else: f = m
    for _ in range(4): f(x)
    k = 5 if S == 64 else 1; r = []; t_end = time.time() + secs
    while time.time() < t_end:
        t = clock()
        for _ in range(k): f(x)
        r.append(k * B / (clock() - t))
print(f'infer {net} threads={T} {fmt} {mode} B={B}: median {statistics.median(r):.1f} img/s  (min {min(r):.1f} max {max(r):.1f}, n={len(r)})', flush=True)
