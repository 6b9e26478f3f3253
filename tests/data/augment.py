# SPDX-License-Identifier: Apache-2.0
"""Writes augment.h5: what the golden images of ../shared do not have. Truth is scipy.ndimage (affine_transform, order 1),
numpy and PIL (ImageEnhance.Brightness), called as Keras 3.15's ImageDataGenerator.apply_transform calls them.

usage: augment.py OUT.h5          (made with scipy 1.10.1, numpy 1.24.2, Pillow 9.4.0)
/CASE: input uint8, output float32 [H,W,C]; numbers as attributes, fill_mode as a string
"""
import sys
import h5py
import numpy as np
import scipy.ndimage
from PIL import Image, ImageEnhance

MODES = ["nearest", "constant", "reflect", "wrap"]
NONE = dict(theta=0, tx=0, ty=0, shear=0, zx=1, zy=1, flip_horizontal=0, flip_vertical=0, channel_shift=0,
            has_brightness=0, brightness=1)


def affine(x, mode, cval, theta, tx, ty, shear, zx, zy):
    if (theta, tx, ty, shear, zx, zy) == (0, 0, 0, 0, 1, 1):
        return x
    a, s = np.deg2rad(theta), np.deg2rad(shear)
    parts = [np.array(m, float) for m in (
        [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]], [[1, 0, tx], [0, 1, ty], [0, 0, 1]],
        [[1, -np.sin(s), 0], [0, np.cos(s), 0], [0, 0, 1]], [[zx, 0, 0], [0, zy, 0], [0, 0, 1]])]
    o_x, o_y = x.shape[0] / 2 - .5, x.shape[1] / 2 - .5
    centre = lambda sign: np.array([[1, 0, sign * o_x], [0, 1, sign * o_y], [0, 0, 1]])
    m = (centre(1) @ (parts[0] @ parts[1] @ parts[2] @ parts[3]) @ centre(-1))[[1, 0, 2]][:, [1, 0, 2]]
    return np.stack([scipy.ndimage.affine_transform(x[..., c], m[:2, :2], m[:2, 2], order=1, mode=mode, cval=cval)
                     for c in range(x.shape[2])], -1)


def brightness(x, factor):
    low, high = np.min(x), np.max(x)
    local = low < 0 or high > 255
    y = x
    if local:
        y = x - low
        y = y / (np.max(y) or 1) * 255
    im = Image.fromarray(y.astype("uint8"), "RGB") if x.shape[2] == 3 else Image.fromarray(y[..., 0].astype("uint8"), "L")
    y = np.asarray(ImageEnhance.Brightness(im).enhance(factor), "float32").reshape(x.shape)
    return y / 255 * (high - low) + low if local else y


def apply(x, mode, cval, p):
    y = affine(x.astype("float32"), mode, cval, *(p[k] for k in ("theta", "tx", "ty", "shear", "zx", "zy")))
    if p["channel_shift"]:
        y = np.clip(y + np.float32(p["channel_shift"]), np.min(y), np.max(y))
    y = y[:, ::-1] if p["flip_horizontal"] else y
    y = y[::-1] if p["flip_vertical"] else y
    return brightness(y, p["brightness"]) if p["has_brightness"] else y


def cases(R):
    shapes = [(14, 11, 3), (17, 23, 1), (2, 9, 3), (9, 2, 1), (1, 7, 3), (5, 1, 3), (2, 2, 3), (9, 9, 3), (5, 19, 1)]
    for n in range(36):
        p, h = dict(NONE), shapes[n % len(shapes)]
        if n % 8 != 7:  # otherwise values alone
            p.update(theta=R.uniform(-30, 30), shear=R.uniform(-15, 15), zx=R.uniform(.6, 1.4), zy=R.uniform(.6, 1.4),
                     tx=R.uniform(-.4, .4) * h[0], ty=R.uniform(-.4, .4) * h[1])
        if n % 8 == 6:  # far outside
            p.update(theta=R.uniform(-400, 400), tx=R.uniform(-9, 9) * h[0], ty=R.uniform(-9, 9) * h[1])
        p.update(flip_horizontal=int(R.rand() < .5), flip_vertical=int(R.rand() < .3))
        if n % 3 == 1:
            p.update(channel_shift=R.uniform(-60, 60))
        if n % 5 >= 3:
            p.update(has_brightness=1, brightness=float(R.choice([0, .3, .77, 1, 1.4, 2.5])))
        yield R.randint(0, 256, h).astype("uint8"), MODES[n // 2 % 4], [0., 17., -20., 300.5][n // 9 % 4], p


if __name__ == "__main__":
    with h5py.File(sys.argv[1], "w") as f:
        for n, (x, mode, cval, p) in enumerate(cases(np.random.RandomState(1))):
            g = f.create_group(f"case_{n:02d}")
            g.create_dataset("input", data=x)
            g.create_dataset("output", data=apply(x, mode, cval, p).astype("float32"))
            for k, v in p.items():
                g.attrs[k] = float(v)
            g.attrs["fill_mode"], g.attrs["cval"] = mode, cval
