"""torchvision counterpart of Keras' ImageDataGenerator(rescale=1/255, rotation_range=20, zoom_range=.05, width/height_shift=.05, shear_range=.05 (degrees), horizontal_flip, fill_mode='nearest')
# SPDX-License-Identifier: Apache-2.0
and flow_from_directory(target_size=(64,64), interpolation='nearest')"""
import torch, torchvision.transforms as T
from torchvision.datasets import ImageFolder
I = T.InterpolationMode
def tf(aug, S):
    if not aug: return T.Compose([T.Resize((S, S), I.NEAREST if S == 64 else I.BILINEAR), T.ToTensor()])
    return T.Compose([T.Resize((S, S), I.NEAREST), T.Pad(S // 4, padding_mode='edge'),
                      T.RandomAffine(20, (.05 * 2 / 3, .05 * 2 / 3), (.95, 1.05), .05, I.BILINEAR),   # translate is a share of the padded side 1.5*S
                      T.CenterCrop(S), T.RandomHorizontalFlip(), T.ToTensor()])
def loader(d, workers, aug, S=64, B=32, shuffle=True):
    ds = ImageFolder(d, tf(aug, S)); kw = dict(persistent_workers=True, prefetch_factor=4) if workers else {}
    return torch.utils.data.DataLoader(ds, B, shuffle=shuffle, num_workers=workers, drop_last=aug, **kw)
