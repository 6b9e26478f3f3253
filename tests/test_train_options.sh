#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Options of training, seen from outside: what they lead to in the files, and what is refused.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 60 --seed 3 --quiet || exit 99
# 42 images: 3 steps an epoch
common=(--data cells --model m.h5 --image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --threads 2 --quiet)

# rates OPTIONS…: the learning rate after each epoch, from the history
rates() {
  millrace train "${common[@]}" --history h.csv "$@" >&2
  python3 -c 'import csv; print(*["%.6g" % float(r["learning_rate"]) for r in csv.DictReader(open("h.csv"))])'
}

schedules() {
  local steps; millrace train "${common[@]}" --epochs 1 --step-log s.csv; steps=$(($(wc -l <s.csv) - 1))
  [ "$(rates --epochs 2 --learning-rate 0.01)" = "0.01 0.01" ]
  [ "$(rates --epochs 3 --learning-rate 0.01 --schedule step --decay-steps 2epochs --decay-rate 0.5)" = "0.01 0.005 0.005" ]
  [ "$(rates --epochs 2 --learning-rate 0.01 --schedule exponential --decay-rate 0.25)" = "0.0025 0.000625" ]
  [ "$(rates --epochs 2 --learning-rate 0.01 --schedule exponential --decay-rate 0.5 --decay-steps "$steps")" = "0.005 0.0025" ]
  [ "$(rates --epochs 2 --learning-rate 0.01 --schedule inverse-time --decay-rate 1)" = "0.005 0.00333333" ]
  [ "$(rates --epochs 2 --learning-rate 0.01 --schedule cosine)" = "0.005 0" ]
  [ "$(rates --epochs 3 --learning-rate 0.01 --schedule cosine --warmup-steps 1epoch)" = "0.01 0.005 0" ]
  [ "$(rates --epochs 3 --learning-rate 0.01 --schedule cosine --warmup-steps 1epoch --warmup-target 0.1 --schedule-alpha 0.1)" = "0.1 0.055 0.01" ]
  [ "$(rates --epochs 3 --learning-rate 0.01 --schedule cosine-restarts --first-decay-steps 1epoch --m-mul 0.5)" = "0.005 0.0025 0.0025" ]
  [ "$(rates --epochs 2 --learning-rate 0.01 --schedule polynomial --end-learning-rate 0.002)" = "0.006 0.002" ]
  [ "$(rates --epochs 3 --schedule piecewise --boundaries "$((steps - 1)),1.5epochs" --values 0.1,0.01,0.001)" = "0.01 0.001 0.001" ]
}

# A rate alone is where the architecture's own schedule begins.
rate_keeps_the_schedule() {
  [ "$(rates --arch cnn --filters 8 --epochs 2 --learning-rate 0.01)" = "0.005 0" ]
  [ "$(rates --arch cnn --filters 8 --epochs 2 --learning-rate 0.01 --optimizer adam)" = "0.005 0" ]
  [ "$(rates --arch cnn --filters 8 --epochs 2 --learning-rate 0.01 --decay 0)" = "0.01 0.01" ]
  [ "$(rates --arch cnn --filters 8 --epochs 2 --learning-rate 0.01 --reduce-lr-on-plateau 5)" = "0.01 0.01" ]
  [ "$(rates --arch cnn --filters 8 --epochs 2 --learning-rate 0.01 --optimizer sgd)" = "0.01 0.01" ]
  [ "$(rates --arch cnn --filters 8 --epochs 2 --learning-rate 0)" = "0 0" ]
  millrace summary m.h5 | grep -q 'learning rate 0 (constant)'
}

schedules_are_in_the_file() {
  millrace train "${common[@]}" --epochs 2 --learning-rate 0.01 --schedule cosine --warmup-steps 1epoch
  millrace summary m.h5 | grep -q CosineDecay
  millrace convert m.h5 m.keras --quiet
  millrace summary m.keras | grep -q '"warmup_target": 0.01'
  millrace train "${common[@]}" --from m.h5 --model n.h5 --epochs 1 --history h.csv --learning-rate 0.02
  tail -1 h.csv | grep -q ',0.02,'
}

# A rate of 0 trains nothing: runs that would go on behind the end of their schedule say so, or are refused.
schedules_that_end() {
  run() { millrace train "${common[@]}" --learning-rate 0.01 --checkpoint-dir ck --history h.csv "$@"; }
  rates_are() { python3 -c 'import csv; print(*["%.6g" % float(r["learning_rate"]) for r in csv.DictReader(open("h.csv"))])' | grep -qx "$1"; }
  run --epochs 2 --schedule cosine
  rates_are "0.005 0"
  run --epochs 4 --resume 2>err
  grep -q "the schedule CosineDecay, made for 2 epochs, is stretched over 4" err
  rates_are "0.005 0 0.00146447 0"
  run --epochs 4 --resume 2>err && [ ! -s err ]
  run --epochs 1 --schedule polynomial --end-learning-rate 0 2>err
  run --epochs 2 --resume
  rates_are "0 0"
  grep -q "PolynomialDecay" <(run --epochs 4 --resume 2>&1)
  run --epochs 2 --schedule cosine --decay-steps 2epochs 2>err
  expect 2 "the learning rate is 0 in all epochs to come" run --epochs 4 --resume
  run --epochs 4 --schedule cosine --decay-steps 2epochs 2>err
  grep -q "the learning rate is 0 from epoch 3 to epoch 4" err
  run --epochs 3 --schedule piecewise --boundaries 1epoch --values 0.1,0 2>err
  grep -q "the learning rate is 0 from epoch 3 to epoch 3" err
  run --epochs 2 --schedule polynomial --decay-steps 2epochs --end-learning-rate 0.002 2>err
  run --epochs 3 --resume 2>err
  grep -q "the schedule is over: the learning rate stays at 0.002 in all epochs to come" err
  rates_are "0.006 0.002 0.002"
  run --epochs 4 --schedule exponential --decay-rate 0.5 2>err
  run --epochs 5 --resume 2>err && [ ! -s err ]
  run --epochs 2 --schedule cosine --warmup-steps 3epochs 2>err
  grep -q "the warm-up of .* steps is longer than the run" err
  run --epochs 2 --schedule cosine-restarts --first-decay-steps 1epoch 2>err
  not grep -q "learning rate is 0" err
  millrace train "${common[@]}" --epochs 2 --learning-rate 0.01 --schedule cosine --model over.h5
  expect 2 "the learning rate is 0 in all epochs to come" millrace train "${common[@]}" --from over.h5 --model n.h5 --epochs 1
}

# What a compiled model brings is changed by what is given, and by nothing else.
own_optimizers() {
  millrace train "${common[@]}" --epochs 1 --optimizer adam --learning-rate 0.01 --beta-1 0.8 --model a.h5
  millrace train "${common[@]}" --from a.h5 --epochs 1 --model b.h5
  millrace summary b.h5 | grep -q 'optimizer Adam .*"learning_rate": 0.01[,}]'
  millrace summary b.h5 | grep -q '"beta_1": 0.8[,}]'
  local first second; first=$(updates a.h5); second=$(updates b.h5)
  [ "$second" = $((2 * first)) ]
  millrace train "${common[@]}" --from a.h5 --epochs 1 --model c.h5 --learning-rate 0.002 --clipnorm 1
  millrace summary c.h5 | grep -q 'optimizer Adam .*"learning_rate": 0.002[,}]'
  millrace summary c.h5 | grep -q '"beta_1": 0.8[,}]'
  millrace summary c.h5 | grep -q '"clipnorm": 1'
  [ "$(updates c.h5)" = $((2 * first)) ]
  millrace train "${common[@]}" --from a.h5 --epochs 1 --model d.h5 --optimizer rmsprop
  millrace summary d.h5 | grep -q 'optimizer RMSprop .*"learning_rate": 0.001[,}]'
  [ "$(updates d.h5)" = "$first" ]
}
updates() { millrace summary "$1" | sed -n 's/^Optimizer state: .* \([0-9]*\) finished.*/\1/p'; }

refused() {
  expect 2 "--schedule 'fast'" millrace train "${common[@]}" --schedule fast
  expect 2 "--power cannot be used with --schedule cosine" millrace train "${common[@]}" --schedule cosine --power 2
  expect 2 "--decay-steps requires --schedule" millrace train "${common[@]}" --decay-steps 7
  expect 2 "needs a --decay-rate" millrace train "${common[@]}" --schedule exponential
  expect 2 "--decay and --schedule" millrace train "${common[@]}" --schedule cosine --decay 0.1
  expect 2 "needs 3" millrace train "${common[@]}" --schedule piecewise --boundaries 1,2 --values 0.1,0.2
  expect 2 "--decay-steps: expected a number of steps or epochs (1000, 5epochs), got '5hours'" millrace train "${common[@]}" --schedule cosine --decay-steps 5hours
  expect 2 "--decay-steps: expected" millrace train "${common[@]}" --schedule cosine --decay-steps 1.5
  expect 2 "at least one step" millrace train "${common[@]}" --schedule cosine --decay-steps 0
  expect 1 "boundaries must rise" millrace train "${common[@]}" --schedule piecewise --boundaries 3,2 --values 0.1,0.2,0.3
}

# Bound to one processor it has one thread for each thing.
bound() {
  local first; first=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
  taskset -c "$first" "$MILLRACE_BUILD/millrace" train --data cells --model m.h5 --image-size 32x32 --stages 1 --filters 8,16 --epochs 1 --quiet --stats s.json
  python3 -c 'import json; t = {s["stage"]: s["threads"] for s in json.load(open("s.json"))["stages"]}; assert t["decode"] == 1, t'
}

# Each architecture has defaults of its own, an option wins, and the file says what was used.
of_architecture() { millrace train --data cells --image-size 32x32 --epochs 2 --threads 2 --model a.keras "$@"; millrace summary a.keras; }
architectures() {
  local small=(--quiet --arch cnn --stages 1,1 --filters 4,8)
  of_architecture --quiet >out; grep -q 'optimizer SGD .*"InverseTimeDecay".*"initial_learning_rate": 0.1,.*"decay_rate": 0.05[,}]' out
  grep -q 'optimizer SGD .*"momentum": 0.9[,}]' out
  of_architecture "${small[@]}" >out; grep -q 'optimizer Adam .*"CosineDecay".*"initial_learning_rate": 0.001[,}]' out
  of_architecture "${small[@]}" --optimizer sgd >out; grep -q 'optimizer SGD .*"InverseTimeDecay".*"initial_learning_rate": 0.1,' out
  of_architecture "${small[@]}" --learning-rate 0.0125 >out; grep -q 'optimizer Adam .*"CosineDecay".*"initial_learning_rate": 0.0125[,}]' out
  of_architecture "${small[@]}" --optimizer adadelta >out; grep -q 'optimizer Adadelta .*"learning_rate": 0.001[,}]' out
}

# Statistics that move too slowly for the run: a built-in architecture's fit, others are warned of.
moving_statistics() {
  local net=(--arch mobilenet_v2 --alpha 0.05)
  of_architecture "${net[@]}" 2>err >out; not grep -q 'moving statistics' err
  [ "$(momentum a.keras)" = 0.9 ]
  of_architecture "${net[@]}" --batchnorm-momentum 0.99 2>err >out
  grep -q 'moving statistics of BatchNormalization (momentum 0.99).*4 steps.*--batchnorm-momentum 0.9' err
  [ "$(momentum a.keras)" = 0.99 ]
  millrace train --data cells --image-size 32x32 --from a.keras --model b.keras --learning-rate 0.001 --epochs 1 2>err
  grep -q 'moving statistics .*(momentum 0.99)' err
  millrace train --data cells --image-size 32x32 --from a.keras --model b.keras --learning-rate 0.001 --epochs 1 --batchnorm-momentum 0.1 2>err
  not grep -q 'moving statistics' err
  [ "$(momentum b.keras)" = 0.1 ]
}
momentum() {
  "$python" - "$1" <<'E'
import json, sys, zipfile
layers = json.loads(zipfile.ZipFile(sys.argv[1]).read("config.json"))["config"]["layers"]
print(*{l["config"]["momentum"] for l in layers if l["class_name"] == "BatchNormalization"})
E
}

too_small() {
  expect 2 "images of 31x40 are too small (at least 32x32); give --image-size 32x40" millrace train --data cells --model x.h5 --image-size 31x40
  expect 2 "images of 24x24 are too small" millrace train --data cells --model x.h5 --image-size 24x24 --arch mobilenet_v2
}

run_cases bound schedules rate_keeps_the_schedule schedules_are_in_the_file schedules_that_end own_optimizers refused architectures moving_statistics too_small
