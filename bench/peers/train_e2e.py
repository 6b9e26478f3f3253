#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""end-to-end training img/s (JPEG dir -> DataLoader -> ResNet -> SGD). usage: train_e2e.py DIR WORKERS THREADS {nchw|nhwc} [secs] [fp32|bf16] [loader tv|ffcv]"""
import os, sys, time, statistics, torch, torch.nn.functional as F
from model import ResNet, groups
from aug import loader
clock = time.process_time if os.environ.get('BENCH_CLOCK') == 'core' else time.perf_counter   # core time: on a machine that others use, too
d = sys.argv[1]; W = int(sys.argv[2]); T = int(sys.argv[3]); fmt = sys.argv[4]; secs = float(sys.argv[5]) if len(sys.argv) > 5 else 10
prec = sys.argv[6] if len(sys.argv) > 6 else 'fp32'; ld = sys.argv[7] if len(sys.argv) > 7 else 'tv'
torch.set_num_threads(T); torch.manual_seed(0); mf = torch.channels_last if fmt == 'nhwc' else torch.contiguous_format
m = ResNet().train().to(memory_format=mf); opt = torch.optim.SGD(groups(m), lr=.1, momentum=.9)
if ld == 'ffcv':
    from ffcvpeer import ffcv_loader; L = ffcv_loader(d, W, 64, True)
else: L = loader(d, W, True)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda it: 1 / (1 + .1 / 50 * it))     # Keras SGD(decay=0.1/50), per iteration
n = 0; k = 0; r = []; t_end = None; t = None; done = False
while not done:
    for x, y in L:
        y = y.view(-1)
        opt.zero_grad(set_to_none=True)
        with torch.autocast('cpu', torch.bfloat16, enabled=prec == 'bf16'): l = F.cross_entropy(m(x.contiguous(memory_format=mf)), y)
        l.backward(); opt.step(); sched.step(); k += 1; n += len(x)
        if k == 12: t = clock(); t_end = time.time() + secs; n = 0
        elif k > 12 and k % 10 == 0:
            t2 = clock(); r.append(n / (t2 - t)); t = t2; n = 0
            if time.time() > t_end and len(r) >= 3: done = True; break
print(f'train_e2e {ld} workers={W} threads={T} {fmt} {prec}: median {statistics.median(r):.1f} img/s (min {min(r):.1f} max {max(r):.1f}, n={len(r)}) loss {l.item():.3f}', flush=True)
import os; os._exit(0)
