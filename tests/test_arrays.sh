#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Arrays of every kind and architectures from files, as train and evaluate take them.
. "$MILLRACE_SRC/tests/tap.sh"

/usr/bin/python3 - 2>/dev/null <<'PY' || { echo '1..0 # SKIP python3-h5py is missing'; exit 0; }
import h5py, json, numpy as np
r = np.random.default_rng(0)
def write(name, **arrays):
    with h5py.File(name, 'w') as f:
        for key, value in arrays.items():
            f[key] = value
n = 20
x = r.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
y = r.integers(0, 2, n)
rows = np.eye(2, dtype='f4')[y]
as_float = (x / 255).astype('f4')
write('bytes.h5', x=x, y=y)
write('column.h5', x=as_float, y=y[:, None].astype('f8'))
write('rows.h5', x=as_float, y=rows)
write('two_channels.h5', x=x[..., :2].copy(), y=rows)
write('vectors.h5', x=x[:, 0, :4, 0].copy(), y=y)
write('real.h5', x=as_float, y=r.normal(size=n))
write('negative.h5', x=as_float, y=y - 1)
def dense(units, activation):
    return {'class_name': 'Dense', 'config': {'name': 'd%d' % units, 'units': units, 'activation': activation}}
def arch(file, shape, *layers):
    first = {'class_name': 'InputLayer', 'config': {'name': 'in', 'batch_input_shape': [None, *shape]}}
    json.dump({'class_name': 'Sequential', 'config': {'name': 's', 'layers': [first, *layers]}}, open(file, 'w'))
pool = {'class_name': 'GlobalAveragePooling2D', 'config': {'name': 'pool'}}
arch('open.json', (None, None, 3), pool, dense(2, 'softmax'))
arch('gray24.json', (24, 20, 1), pool, dense(1, 'sigmoid'))
arch('vectors.json', (4,), dense(1, 'sigmoid'))
arch('number.json', (32, 32, 3), pool, dense(1, 'linear'))
PY
small=(--stages 1 --filters 8,16 --batch-size 7 --epochs 1 --quiet)
millrace sample cells --count 40 --seed 3 --quiet || exit 99

# The same samples, however they are written down: the same weights.
kinds_of_targets() {
  for kind in bytes column rows; do
    millrace train --arrays $kind.h5 --model $kind.model.h5 "${small[@]}"
    millrace evaluate --arrays $kind.h5 --model $kind.model.h5 --quiet >$kind.txt
  done
  cmp column.txt rows.txt
  cmp bytes.txt rows.txt
}

# A contract is for images; other arrays are trained and run without one.
arrays_that_are_no_images() {
  millrace train --arrays two_channels.h5 --model two.h5 "${small[@]}"
  millrace evaluate --arrays two_channels.h5 --model two.h5 --rescale 1/255 --quiet
  millrace train --arrays vectors.h5 --arch vectors.json --model vectors.model.h5 --epochs 1 --quiet
  millrace evaluate --arrays vectors.h5 --model vectors.model.h5 --rescale 1/255 --quiet
}

targets_that_are_no_classes() {
  expect 1 "y holds no classes" millrace train --arrays real.h5 --model x.h5 "${small[@]}"
  expect 1 "y holds no classes" millrace train --arrays negative.h5 --model x.h5 "${small[@]}"
  expect 2 "which loss" millrace train --arrays real.h5 --arch number.json --model x.h5 --epochs 1
  millrace train --arrays real.h5 --arch number.json --loss mse --model real.model.h5 --epochs 1 --quiet
  expect 0 "not augmented" millrace train --arrays rows.h5 --model x.h5 "${small[@]}" --rotation-range 20
}

# Without --image-size, images have the size that the architecture wants.
architectures_say_their_size() {
  millrace train --data cells --arch gray24.json --model gray.h5 --epochs 1 --quiet
  millrace summary gray.h5 | grep '24x20 grayscale'
  millrace evaluate --data cells --model gray.h5 --quiet
  expect 1 "give --image-size" millrace train --data cells --arch open.json --model x.h5 --epochs 1
  millrace train --data cells --arch open.json --image-size 24x40 --model open.h5 --epochs 1 --quiet
  millrace summary open.h5 | grep '24x40 rgb'
  millrace evaluate --data cells --model open.h5 --quiet >1.txt
  millrace convert open.h5 open.keras --quiet
  millrace evaluate --data cells --model open.keras --quiet >2.txt
  cmp 1.txt 2.txt
}

run_cases kinds_of_targets arrays_that_are_no_images targets_that_are_no_classes architectures_say_their_size
