#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""streaming directory inference end to end (walk, read, decode, resize, forward, argmax, CSV). usage: stream_infer.py DIR {resnet64|resnet50|mobilenet_v2} WORKERS THREADS {eager|jit_opt|bf16} [max_images]"""
import os, sys, time, csv, torch, torchvision, warnings; warnings.filterwarnings('ignore')
from model import ResNet
from aug import loader
clock = time.process_time if os.environ.get('BENCH_CLOCK') == 'core' else time.perf_counter   # core time: on a machine that others use, too
d, net, W, T, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]; mx = int(sys.argv[6]) if len(sys.argv) > 6 else 10**9
torch.set_num_threads(T); torch.manual_seed(0); S = 64 if net == 'resnet64' else 224
m = (ResNet() if net == 'resnet64' else getattr(torchvision.models, net)(weights=None)).eval(); dt = torch.float32
with torch.no_grad():
    ex = torch.rand(32, 3, S, S)
    if mode == 'jit_opt': m = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(m, ex)))
    elif mode == 'bf16': m = m.to(torch.bfloat16).to(memory_format=torch.channels_last); dt = torch.bfloat16
    for _ in range(3): m(ex.to(dt).contiguous(memory_format=torch.channels_last if mode == 'bf16' else torch.contiguous_format))
    t = clock(); n = 0; L = loader(d, W, False, S, shuffle=False); first = None
    with open('./pred.csv', 'w') as h:
        w = csv.writer(h); fs = [p for p, _ in L.dataset.samples]
        for x, _ in L:
            if mode == 'bf16': x = x.to(dt).contiguous(memory_format=torch.channels_last)
            p = torch.softmax(m(x).float(), 1); c, i = p.max(1)
            w.writerows(zip(fs[n:n + len(x)], i.tolist(), c.tolist())); n += len(x); first = first or clock() - t
            if n >= mx: break
    dtm = clock() - t
print(f'stream_infer {net} workers={W} threads={T} {mode}: median {n / dtm:.1f} img/s  ({n} images, first batch after {first*1e3:.0f} ms)', flush=True)
import os; os._exit(0)
