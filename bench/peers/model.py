"""Own PyTorch port of the malaria tutorial's ResNet.build(64,64,3,2,(2,2,3),(32,64,128,256),reg=0.0005).
# SPDX-License-Identifier: Apache-2.0
variant 'malaria'/'tiny': 5x5 stem + BN + ReLU + pad1 + maxpool3/2 (what the tutorial's download holds)
variant 'cifar'         : 3x3 stem only, full resolution (the book's default dataset="cifar")
tf_same=True reproduces Keras' asymmetric SAME padding of the stride-2 3x3 convs (pad 0 top/left, 1 bottom/right)."""
import torch, torch.nn as nn, torch.nn.functional as F
EPS, MOM = 2e-5, 0.1     # Keras momentum 0.9 == torch momentum 0.1

class Module(nn.Module):
    def __init__(s, cin, K, stride, red, tf_same=True):
        super().__init__(); q = int(K * .25)
        s.bn1 = nn.BatchNorm2d(cin, EPS, MOM); s.c1 = nn.Conv2d(cin, q, 1, bias=False)
        s.bn2 = nn.BatchNorm2d(q, EPS, MOM); s.c2 = nn.Conv2d(q, q, 3, stride, 0 if (stride == 2 and tf_same) else 1, bias=False)
        s.bn3 = nn.BatchNorm2d(q, EPS, MOM); s.c3 = nn.Conv2d(q, K, 1, bias=False)
        s.sc = nn.Conv2d(cin, K, 1, stride, bias=False) if red else None
        s.pad = stride == 2 and tf_same
    def forward(s, x):
        a = F.relu(s.bn1(x)); sc = x if s.sc is None else s.sc(a)
        y = F.relu(s.bn2(s.c1(a)))
        if s.pad: y = F.pad(y, (0, 1, 0, 1))
        return s.c3(F.relu(s.bn3(s.c2(y)))) + sc

class ResNet(nn.Module):
    def __init__(s, classes=2, stages=(2, 2, 3), f=(32, 64, 128, 256), variant='malaria', tf_same=True, size=64):
        super().__init__(); s.bn0 = nn.BatchNorm2d(3, EPS, MOM); s.variant = variant
        if variant == 'cifar': s.stem = nn.Conv2d(3, f[0], 3, 1, 1, bias=False)
        else:
            s.stem = nn.Conv2d(3, f[0], 5, 1, 2, bias=False); s.bns = nn.BatchNorm2d(f[0], EPS, MOM)
        L = []; c = f[0]
        for i, n in enumerate(stages):
            for j in range(n):
                L.append(Module(c, f[i + 1], (1 if i == 0 else 2) if j == 0 else 1, j == 0, tf_same)); c = f[i + 1]
        s.body = nn.Sequential(*L); s.bnf = nn.BatchNorm2d(c, EPS, MOM)
        sp = size // (1 if variant == 'cifar' else 2) // 2 ** (len(stages) - 1) // 8
        s.fc = nn.Linear(c * sp * sp, classes)
        for m in s.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)): nn.init.xavier_uniform_(m.weight)   # glorot_uniform
        nn.init.zeros_(s.fc.bias)
    def forward(s, x):
        x = s.stem(s.bn0(x))
        if s.variant != 'cifar': x = F.max_pool2d(F.relu(s.bns(x)), 3, 2, 1)
        x = F.avg_pool2d(F.relu(s.bnf(s.body(x))), 8)
        return s.fc(torch.flatten(x, 1))

def groups(m):
    """Keras l2(reg): loss += reg*|w|^2  => torch weight_decay = 2*reg. reg is NOT handed to residual_module => 1e-4 there."""
    hi = [m.stem.weight, m.fc.weight]; mid = [p for n, p in m.body.named_parameters() if p.dim() == 4]
    ids = {id(p) for p in hi + mid}; no = [p for p in m.parameters() if id(p) not in ids]
    return [{'params': hi, 'weight_decay': 2 * 5e-4}, {'params': mid, 'weight_decay': 2 * 1e-4}, {'params': no, 'weight_decay': 0.}]

def macs(m, size=64):
    tot = []
    def hook(mod, i, o):
        k = mod.weight.numel() * (o.shape[2] * o.shape[3] if o.dim() == 4 else 1); tot.append((type(mod).__name__, tuple(mod.weight.shape), tuple(o.shape[1:]), k))
    hs = [l.register_forward_hook(hook) for l in m.modules() if isinstance(l, (nn.Conv2d, nn.Linear))]
    m.eval()(torch.zeros(1, 3, size, size)); [h.remove() for h in hs]; return tot
if __name__ == '__main__':
    for v in ('malaria', 'cifar'):
        m = ResNet(variant=v); n = sum(p.numel() for p in m.parameters()); b = sum(x.numel() for n_, x in m.named_buffers() if 'running' in n_)
        t = macs(m); print(v, 'trainable', n, 'non-trainable (running stats)', b, 'keras total', n + b, 'MMACs/img', sum(x[3] for x in t) / 1e6)
        print('  conv w', sum(p.numel() for p in m.parameters() if p.dim() == 4), 'fc', sum(p.numel() for p in m.fc.parameters()), 'bn gamma+beta', sum(q.numel() for x in m.modules() if isinstance(x, nn.BatchNorm2d) for q in x.parameters()))
        acts = [0]
        hs = [l.register_forward_hook(lambda mod, i, o: acts.__setitem__(0, acts[0] + o.numel())) for l in m.modules() if isinstance(l, (nn.Conv2d, nn.BatchNorm2d))]
        m(torch.zeros(1, 3, 64, 64)); print('  conv+bn output floats/img', acts[0], '=> MB at batch 32:', acts[0] * 32 * 4 / 1e6)
        if v == 'malaria':
            for x in t: print('  ', x)
