#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The program as a person meets it: a small run end to end, what it refuses and how.
. "$MILLRACE_SRC/tests/tap.sh"

small=(--image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --threads 2 --quiet)
millrace sample cells --count 60 --seed 3 --quiet || exit 99
millrace train --data cells --model base.h5 "${small[@]}" --epochs 2 --history h.csv --plot p.png --step-log s.csv --stats t.json || exit 99

results_are_there() {
  head -c 8 p.png | grep -q PNG
  head -1 h.csv | grep -q '^epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second,val_precision/'
  [ "$(wc -l <h.csv)" = 3 ]
  [ "$(head -1 s.csv)" = step,loss ]
  [ "$(wc -l <s.csv)" = 7 ]
  grep -q '"bottleneck"' t.json
  grep -q '"stage": "decode"' t.json
}

evaluate_obeys_the_contract() {
  millrace evaluate --model base.h5 --data cells --quiet >report
  grep -q 'Parasitized' report
  grep -q 'weighted avg' report
  grep -q 'Confusion matrix' report
  expect 2 contradicts millrace evaluate --model base.h5 --data cells --rescale 1/127.5
  expect 2 contradicts millrace evaluate --model base.h5 --data cells --interpolation bilinear
  expect 2 contradicts millrace evaluate --model base.h5 --data cells --image-size 64x64
  millrace evaluate --model base.h5 --data cells --interpolation bilinear --override-preprocessing --quiet >report
}

summary_tells() {
  millrace summary base.h5 >s.txt
  grep -q 'Total params:' s.txt
  grep -q '32x32 rgb, nearest' s.txt
  grep -q 'Parasitized Uninfected' s.txt
  millrace summary --json base.h5 | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d["total_params"] == d["trainable_params"] + d["non_trainable_params"] > 0'
  grep -q '^Peak memory beside the weights, batches of 32: inference .* MiB, training .* MiB' s.txt
  local bytes # what it says is what a run needs: one byte less is refused
  bytes=$(millrace summary --json base.h5 | python3 -c 'import json,sys; print(json.load(sys.stdin)["peak_memory"]["training"])')
  millrace train --from base.h5 --data cells --epochs 1 --batch-size 32 --model limited.h5 --memory-limit "$bytes" --quiet
  expect 1 "over the limit" millrace train --from base.h5 --data cells --epochs 1 --batch-size 32 --model limited.h5 --memory-limit $((bytes - 1)) --quiet
}

# The same seed, other numbers of threads that decode and compute: the same bytes.
threads_do_not_matter() {
  local common=("${small[@]}" --data cells --epochs 1 --rotation-range 20 --zoom-range 0.05 --horizontal-flip --seed 7)
  millrace train "${common[@]}" --model a.h5 --decode-threads 1
  millrace train "${common[@]}" --model b.h5 --decode-threads 8
  cmp a.h5 b.h5
  millrace train "${common[@]}" --model c.h5 --threads 1
  cmp a.h5 c.h5
  millrace train "${common[@]}" --model d.h5 --seed 8
  ! cmp -s a.h5 d.h5
}

checkpoints_are_models() {
  millrace train --data cells --model e.h5 --checkpoint-dir ck --keep 2 "${small[@]}" --epochs 4
  local files; files=$(find ck -name '*.h5' | wc -l) # the two newest, and the best where it is neither
  [ "$files" = 2 ] || [ "$files" = 3 ]
  [ -z "$(find ck -name '*tmp*')" ]
  millrace evaluate --model "$(find ck -name '*.h5' | sort | tail -1)" --data cells --quiet >ck.report
  millrace evaluate --model e.h5 --data cells --quiet >e.report
  cmp ck.report e.report
}

convert_keeps_all() {
  millrace convert base.h5 base.keras --quiet
  millrace convert base.keras back.h5 --quiet
  millrace summary --json base.h5 >1.json
  millrace summary --json back.h5 >2.json
  cmp 1.json 2.json
  millrace predict --model base.h5 --images cells/testing --quiet >1.csv
  millrace predict --model base.keras --images cells/testing --quiet >2.csv
  cmp 1.csv 2.csv
  expect 2 "does not end in" millrace convert base.h5 base.onnx
  expect 2 "use keras2 or keras3" millrace convert --dialect tf base.h5 other.h5
  expect 2 "cannot be used together" millrace convert --dialect keras2 base.h5 other.keras
  millrace convert --dialect keras2 base.h5 other.h5 --quiet
  millrace predict --model other.h5 --images cells/testing --quiet >2.csv
  cmp 1.csv 2.csv
  keras_rules base.h5 base.keras=base.h5 back.h5=base.h5 other.h5
  local lion=$MILLRACE_SHARED/golden/training2/lion/end.keras
  if [ -f "$lion" ]; then
    expect 3 "optimizer state of Lion dropped" millrace convert "$lion" lion.h5
    expect 3 "optimizer state of SGD dropped (optimizer SGD: use_ema is not supported)" millrace convert "${lion/lion/ema}" ema.keras
    expect 3 "optimizer state of SGD dropped (optimizer SGD: gradient_accumulation_steps is not supported)" millrace convert "${lion/lion/accumulate_3}" a.h5
    millrace convert --no-optimizer "$lion" lion.h5 --quiet
  fi
}

wrong_usage() {
  expect 2 "unknown option: --frobnicate" millrace train --frobnicate
  expect 2 "no training data given" millrace train --model x.h5
  expect 2 "no output given" millrace train --data cells
  expect 2 "--epochs: expected a whole number of 1 to 1000000, got '0'" millrace train --data cells --model x.h5 --epochs 0
  expect 2 "--batch-size: expected" millrace train --data cells --model x.h5 --batch-size many
  expect 2 "unknown command 'frob'" millrace frob
  expect 2 "MODEL is missing" millrace summary
  expect 2 "--optimizer 'sdg': unknown name (known: sgd, adam, " millrace train --data cells --model x.h5 --optimizer sdg
  expect 2 "--arch 'resnext'" millrace train --data cells --model x.h5 --arch resnext
  expect 2 "--zoom-range" millrace train --data cells --model x.h5 --zoom-range big
}

bad_folders() {
  expect 1 "no-such-folder" millrace train --data no-such-folder --model x.h5
  mkdir -p one/training/only && cp cells/training/Uninfected/*1.jpg one/training/only
  expect 1 "one/training" millrace train --data one --model x.h5
  mkdir -p empty/training/a empty/training/b && cp cells/training/Uninfected/*1.jpg empty/training/a
  expect 1 "empty/training/b" millrace train --data empty --model x.h5
  mkdir -p text/training/a text/training/b && cp cells/training/Uninfected/*1.jpg text/training/a && echo hello >text/training/b/note.txt
  expect 1 "text/training/b" millrace train --data text --model x.h5
  expect 1 "folder does not exist" millrace train --data cells --model no/such/place/x.h5
}

truncated_among_good() {
  cp -r cells broken
  local file; file=$(find broken/training -name '*.jpg' | sort | head -1)
  head -c 700 "$file" >cut && mv cut "$file"
  expect 3 "$(basename "$file")" millrace train --data broken --model y.h5 --image-size 32x32 --stages 1 --filters 8,16 --epochs 1
  [ -s y.h5 ]
  expect 1 "$(basename "$file")" millrace train --data broken --model z.h5 "${small[@]}" --epochs 1 --on-error fail
  expect 1 "over the 0" millrace train --data broken --model z.h5 "${small[@]}" --epochs 1 --max-errors 0
  [ ! -e z.h5 ]
}

files_that_are_no_models() {
  echo "not a model" >fake.h5
  expect 1 fake.h5 millrace evaluate --model fake.h5 --data cells
  expect 1 missing.h5 millrace evaluate --model missing.h5 --data cells
  head -c 3000 base.h5 >short.h5
  expect 1 short.h5 millrace summary short.h5
  expect 1 cells millrace summary cells
}

split_of_class_folders() {
  millrace train --data cells/training --validation-split 0.25 --model split.h5 "${small[@]}" --epochs 1 --history split.csv
  ! tail -1 split.csv | grep -q ',,'
}

interrupt_leaves_a_checkpoint() {
  "$MILLRACE_BUILD/millrace" train --data cells --model i.h5 --checkpoint-dir ick "${small[@]}" --epochs 100000 &
  local pid=$! status=0
  sleep 2
  kill -TERM $pid
  wait $pid || status=$?
  [ "$status" = 143 ]
  [ -n "$(find ick -name '*.h5')" ]
}

# All that a run needs is still there when all else is given up.
sandboxes() {
  [ -e /sys/kernel/security ] && millrace summary --sandbox base.h5 >/dev/null 2>err || { echo "SKIP no Landlock"; return; }
  mkdir -p boxed outside
  millrace train --sandbox --data cells --model boxed/m.h5 "${small[@]}" --epochs 1 --plot boxed/p.png --checkpoint-dir boxed/ck
  millrace predict --sandbox --model boxed/m.h5 --images cells/testing --output boxed/p.csv --montage boxed/g.png --quiet
  [ "$(grep -c ',ok$' boxed/p.csv)" = "$(find cells/testing -name '*.jpg' | wc -l)" ]
  cp cells/testing/Uninfected/*.jpg outside && mkdir linked && ln -s ../outside/"$(ls outside | head -1)" linked/a.jpg
  millrace predict --model boxed/m.h5 --images linked --quiet
  ! millrace predict --sandbox --model boxed/m.h5 --images linked --quiet >linked.csv
  ! grep -q ',ok$' linked.csv
  expect 2 "cannot be used together" millrace summary --sandbox --no-sandbox base.h5
}

# Help says what is: names from the tables, each architecture's size and defaults; also by -h.
help_lists() {
  local command name
  millrace -h | grep -q 'millrace COMMAND'
  for command in train evaluate predict summary convert verify sample; do
    millrace $command -h >short; millrace $command --help >long; cmp short long
  done
  tr '\n' ' ' <<<"$(millrace train -h)" | tr -s ' ' >flat
  for name in 'categorical_crossentropy, sparse_categorical_crossentropy, binary_crossentropy' 'categorical_hinge, cosine_similarity' \
    'sgd, adam, adamw, rmsprop, adagrad, adadelta, adamax, nadam' 'exponential, step, inverse-time, polynomial, piecewise, cosine, cosine-restarts' \
    'loss, accuracy, val_loss, val_accuracy' 'val_recall/CLASS' 'resnet 64x64, cnn 64x64, mobilenet_v2 224x224, resnet50 224x224' \
    '64x64 [sgd, learning rate 0.1, momentum 0.9, decay 0.1/epochs]' 'nearest, bilinear, bicubic, lanczos, box, tf-bilinear' \
    'nearest, constant, reflect, wrap'; do
    grep -qF -- "$name" flat || { echo "# not listed: $name"; return 1; }
  done
  not grep -q 'built-in networks' <<<"$(millrace evaluate -h)"
  expect 2 "--loss 'crossentropy': unknown name (known: categorical_crossentropy, " millrace train --data cells --model x.h5 --loss crossentropy
  expect 2 "--arch 'vgg': unknown name (known: resnet, cnn, mobilenet_v2, resnet50)" millrace train --data cells --model x.h5 --arch vgg
}

run_cases help_lists sandboxes results_are_there evaluate_obeys_the_contract summary_tells threads_do_not_matter checkpoints_are_models convert_keeps_all wrong_usage \
  bad_folders truncated_among_good files_that_are_no_models split_of_class_folders interrupt_leaves_a_checkpoint
