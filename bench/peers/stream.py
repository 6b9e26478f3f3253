#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streaming inference as it is usually written with torchvision: ImageFolder (which lists everything first), DataLoader, and
the same small network. usage: stream.py ROOT IMAGES WORKERS. Times the listing and the first IMAGES images, or
a minute of them. Computes with one thread: with more they and the workers take the processors from one another."""
import resource, sys, time, torch, warnings
from torchvision import datasets, transforms
from model import ResNet
warnings.filterwarnings('ignore')
root, images, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start = time.monotonic()
def last_call(first): return time.monotonic() > first + 60
torch.set_num_threads(1)
convert = transforms.Compose([transforms.Resize((32, 32), interpolation=transforms.InterpolationMode.NEAREST), transforms.ToTensor()])
data = datasets.ImageFolder(root, convert)
listed = time.monotonic()
model = ResNet(stages=(1,), f=(8, 16), size=32).eval()
example = torch.rand(32, 3, 32, 32)
with torch.no_grad():
    net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, example)))
    done, first = 0, None
    for x, _ in torch.utils.data.DataLoader(data, batch_size=32, num_workers=workers):
        torch.softmax(net(x), 1)
        done += len(x)
        first = first or time.monotonic()
        if done >= images or last_call(first):
            break
    last = time.monotonic()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f'PyTorch, ImageFolder of {len(data)} files: listed after {listed - start:.2f} s, first batch after {first - start:.2f} s, '
      f'peak memory {peak:.0f} MB without its {workers} workers, {(done - 32) / (last - first):.0f} images/s', flush=True)
import os; os._exit(0)  # workers still prefetch
