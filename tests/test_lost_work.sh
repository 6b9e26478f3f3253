#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# However a training run ends, nothing that was finished is lost: neither an earlier run's model nor this run's epochs.
. "$MILLRACE_SRC/tests/tap.sh"

millrace sample cells --count 60 --seed 3 --quiet || exit 99
small=(--data cells --image-size 32x32 --stages 1 --filters 4,8 --batch-size 8 --threads 1 --quiet)
slow=(--data cells --image-size 160x160 --stages 1 --filters 16,32 --batch-size 1 --threads 1 --quiet) # steps of 10 ms and more
# An epoch of a thousand such steps: long after its 13th step it is still the first.
cp -rl cells long
"$python" - <<'END'
import os, pathlib
for image in list(pathlib.Path("long/training").glob("*/*")):
    for i in range(24):
        os.link(image, image.with_name(f"{i}_{image.name}"))
END
endless=("${small[@]}" --epochs 100000)
start() { "$MILLRACE_BUILD/millrace" train "$@" & pid=$!; }
until_rows() { for _ in $(seq 3000); do [ "$(wc -l 2>/dev/null <"$2")" -gt "$1" ] && return 0; sleep 0.02; done; return 1; } 2>/dev/null
stop() { local status=0; kill "-$1" $pid; wait $pid || status=$?; [ $status = "$2" ] || { echo "exit status $status"; return 1; }; }
provenance() { "$python" -c 'import h5py, json, sys; print(json.loads(h5py.File(sys.argv[1]).attrs["millrace_provenance"])[sys.argv[2]])' "$@"; }

# In its 13th step a run has nothing to replace a finished model with; it can be gone on with.
first_epoch() {
  millrace train "${small[@]}" --epochs 2 --model good.h5 --history good.csv
  sha256sum good.h5 good.csv >before
  start "${slow[@]}" --data long --model good.h5 --history good.csv --step-log steps.csv
  until_rows 13 steps.csv; stop INT 130
  sha256sum -c --quiet before
  millrace verify good.h5.interrupted/checkpoint-*.h5
  [ "$(provenance good.h5 complete)" = True ]
}

# Later ones: a finished model stays, unless --overwrite; one that is not finished may be replaced.
later_epochs() {
  millrace train "${small[@]}" --epochs 2 --model done.h5
  sha256sum done.h5 >before
  start "${endless[@]}" --model done.h5 --history l.csv; until_rows 1 l.csv; stop TERM 143
  sha256sum -c --quiet before
  rm l.csv; start "${endless[@]}" --model done.h5 --overwrite --history l.csv; until_rows 1 l.csv; stop TERM 143
  not sha256sum -c --quiet --status before
  [ "$(provenance done.h5 complete)" = False ]
  sha256sum done.h5 >before
  rm l.csv; start "${endless[@]}" --seed 5 --model done.h5 --history l.csv; until_rows 1 l.csv; stop TERM 143
  not sha256sum -c --quiet --status before
  [ -n "$(ls done.h5.interrupted/earlier-2/checkpoint-*.h5)" ]
  rm l.csv; start "${endless[@]}" --model new.h5 --history l.csv 2>said; until_rows 1 l.csv; stop TERM 143
  grep -q 'stopped by signal 15 after step [0-9]*; the state of the run is in new.h5.interrupted/checkpoint-.*: --resume continues from it' said
  rm l.csv; start "${endless[@]}" --checkpoint-dir nck --history l.csv 2>said; until_rows 1 l.csv; stop TERM 143
  grep -q 'stopped by signal 15 after step [0-9]*; the state of the run is in nck/checkpoint-.*: --resume continues from it' said
  [ "$(provenance new.h5 finished_epochs)" -ge 1 ]
  millrace summary new.h5 | grep -q "^Training: 100000 epochs .*; ended early, after [0-9]* whole epochs$"
}

# What is there and no model of ours is not touched, nor is what cannot be read.
other_files() {
  echo precious >notes.h5
  start "${endless[@]}" --model notes.h5 --history o.csv; until_rows 1 o.csv; stop TERM 143
  [ "$(cat notes.h5)" = precious ] && [ -e notes.h5.interrupted/checkpoint-*.h5 ]
}

# Without a --checkpoint-dir, too, a run that was stopped goes on to the same bytes, its best epoch included.
goes_on() {
  local epochs=40; ! sanitized || epochs=12 # far behind the moment of the signal, at the pace of either build
  local run=("${small[@]}" --epochs $epochs --learning-rate 0.05 --keep-best val_loss --seed 3)
  millrace train "${run[@]}" --model whole.h5 --history whole.csv
  start "${run[@]}" --model part.h5 --history part.csv --epochs 100000; until_rows 3 part.csv; stop TERM 143
  [ -e part.h5.interrupted/best.h5 ]
  [ "$(wc -l <part.csv)" -lt $epochs ] || { echo "SKIP it was not stopped in time"; return 0; }
  millrace train --resume --model part.h5 --epochs $epochs --quiet
  cmp whole.h5 part.h5
  [ -z "$(find part.h5.interrupted -maxdepth 1 -name '*.h5')" ] && [ -d part.h5.interrupted/earlier-1 ]
  expect 0 "the run is complete: part.h5" millrace train --resume --model part.h5 --epochs $epochs
  cmp whole.h5 part.h5
  cmp <(cut -d, -f1-6 whole.csv) <(cut -d, -f1-6 part.csv)
  millrace train "${small[@]}" --epochs 1 --model part.h5 # a later run's model is newer than that state
  [ -z "$(find part.h5.interrupted -maxdepth 1 -name '*.h5')" ]
  expect 0 "no interrupted run" millrace train "${small[@]:0:10}" --epochs 1 --model other.h5 --resume
  expect 2 "--resume requires --checkpoint-dir or --model" millrace train --resume
}

# A batch script that is queued once more, and whatever else begins with --resume where nothing was interrupted.
nothing_to_resume() {
  local again=(millrace train --resume "${small[@]:0:10}") other='is not the finished model of this one'
  millrace train "${small[@]}" --epochs 2 --model fin.h5 --checkpoint-dir fin
  echo precious >precious.h5; mkdir fin.h5.interrupted; ln -s cells more
  sha256sum fin.h5 precious.h5 >before
  expect 0 "the run is complete: fin.h5 is its model, of 2 epochs" "${again[@]}" --epochs 2 --model fin.h5 --threads 2
  expect 0 "the run is complete" millrace train --resume --model fin.h5
  expect 2 "fin.h5 $other: --epochs 1: its run has done 2 epochs already" "${again[@]}" --epochs 1 --model fin.h5
  expect 2 "fin.h5 $other: --epochs 5: its run has done 2 epochs already, and its state is not kept" "${again[@]}" --epochs 5 --model fin.h5
  expect 2 "fin.h5 $other: --seed 9" "${again[@]}" --epochs 2 --seed 9 --model fin.h5
  expect 2 "fin.h5 $other: --data more: it was made with cells" millrace train --resume --data more --model fin.h5
  expect 2 "precious.h5 $other" "${again[@]}" --epochs 2 --model precious.h5
  expect 2 "--epochs 1: the run has done 2 epochs already" millrace train --resume --checkpoint-dir fin --model fin.h5 --epochs 1
  expect 0 "the run is complete: 2 epochs" millrace train --resume --checkpoint-dir fin --model fin.h5 --epochs 2
  sha256sum -c --quiet before
  expect 0 "starting from the beginning" "${again[@]}" --epochs 1 --model precious.h5 --overwrite
  [ "$(provenance precious.h5 finished_epochs)" = 1 ]
}

# What was done is not undone: a run cannot end before where it stands.
fewer_epochs() {
  local steps=$(find cells/training -name '*.jpg' | wc -l)
  millrace train "${small[@]}" --epochs 2 --model few.h5
  sha256sum few.h5 >before
  millrace train "${small[@]}" --epochs 2 --model few2.h5 --batch-size 1 --checkpoint-dir few.h5.interrupted --checkpoint-every $((steps * 3 / 2))steps
  ls few.h5.interrupted/checkpoint-*.h5 | tail -1 | xargs rm # so the newest is one within epoch 2
  expect 2 "--epochs 1: the run has done 1 epoch and a part of the next one already; give --epochs 2 or more" millrace train --resume --model few.h5 --epochs 1
  sha256sum -c --quiet before
  [ -n "$(ls few.h5.interrupted/checkpoint-*.h5)" ]
  millrace train --resume --model few.h5 --quiet
  cmp few.h5 few2.h5
  [ -n "$(ls few.h5.interrupted/earlier-1/checkpoint-*.h5)" ] && [ ! -e few.h5.interrupted/checkpoint-*.h5 ]
}

# A state that another run leaves behind is older than a model that comes later, wherever that one has its checkpoints.
older_state() {
  millrace train "${small[@]}" --epochs 1 --model old.h5 --checkpoint-dir old.h5.interrupted
  millrace train "${small[@]}" --epochs 2 --model old.h5 --checkpoint-dir later
  [ -n "$(ls old.h5.interrupted/earlier-1/checkpoint-*.h5)" ] && [ ! -e old.h5.interrupted/checkpoint-*.h5 ]
  [ -n "$(ls later/checkpoint-*.h5)" ]
}

# A loss that is not a number in epoch 4.
nan=("${small[@]}" --epochs 6 --learning-rate 0.01 --schedule piecewise --boundaries 3epochs --values 0.01,1e30 --clipnorm 1)
no_number() {
  expect 1 "the loss is NaN or infinite" millrace train "${nan[@]}" --model nan.h5 --history nan.csv --plot nan.png --stats nan.json --tensorboard tb
  [ "$(wc -l <nan.csv)" = 4 ] && [ -s nan.png ] && [ -s nan.json ]
  millrace train "${nan[@]}" --epochs 3 --model three.h5
  "$python" - nan.h5 three.h5 nan.h5.interrupted/checkpoint-*.h5 <<'END'
import sys, h5py, numpy as np
def weights(f):
    out = {}
    h5py.File(f, "r")["model_weights"].visititems(lambda n, o: out.update({n: o[()].tobytes()}) if isinstance(o, h5py.Dataset) else None)
    return out
assert weights(sys.argv[1]) == weights(sys.argv[2]) == weights(sys.argv[3])
END
  expect 1 "the loss is NaN or infinite" millrace train "${nan[@]}" --model three.h5 # a finished model stays
  [ "$(provenance three.h5 finished_epochs)" = 3 ]
}

best_before_no_number() {
  expect 1 "the loss is NaN or infinite" millrace train "${nan[@]}" --keep-best val_loss --model best.h5 --history best.csv
  expect 1 "the loss is NaN or infinite" millrace train "${nan[@]}" --checkpoint-dir bck --checkpoint-every 100epochs --model best2.h5
  [ ! -e best2.h5 ] && millrace verify bck/checkpoint-*.h5
  millrace evaluate --model best.h5 --data cells/validation --json --quiet >best.json
  "$python" - <<'END'
import csv, json
losses = [float(r["val_loss"]) for r in csv.DictReader(open("best.csv"))]
assert abs(min(losses) - json.load(open("best.json"))["loss"]) < 1e-6, losses
END
}

# A row per epoch is on disk while the run goes on.
killed() {
  start "${endless[@]}" --model k.h5 --history k.csv; until_rows 3 k.csv; stop KILL 137
  "$python" -c 'import csv; r = list(csv.DictReader(open("k.csv"))); assert len(r) >= 3 and all(len(x) == len(r[0]) and None not in x.values() for x in r)'
  [ "$(find . -maxdepth 1 -name '.k.csv*')" = "" ]
}

# No file may pass some KB, as if the disk were full: what fits is there, and the error names what does not.
full_disk() {
  (trap '' XFSZ; ulimit -f 8; expect 1 "fd.h5" millrace train "${small[@]}" --epochs 2 --model fd.h5 --history fd.csv --stats fd.json --step-log fd_steps.csv)
  [ ! -e fd.h5 ] && [ "$(wc -l <fd.csv)" = 3 ] && [ -s fd.json ] && [ "$(wc -l <fd_steps.csv)" -gt 2 ]
  [ -z "$(find . -maxdepth 1 -name '.fd*')" ]
}

# Every other result is written though one of them cannot be.
each_on_its_own() {
  mkdir gone
  start "${endless[@]}" --model gone/m.h5 --history e.csv --plot gone/p.png --stats e.json
  until_rows 1 e.csv; rm -rf gone; stop TERM 1
  [ -s e.csv ] && [ -s e.json ] && [ ! -e gone ]
}

saved_elsewhere() {
  mkdir away there
  TMPDIR=$PWD/there "$MILLRACE_BUILD/millrace" train "${slow[@]}" --epochs 1 --model away/m.h5 --step-log a.csv 2>err &
  pid=$!
  until_rows 3 a.csv; rm -rf away
  local status=0; wait $pid || status=$?
  [ $status = 1 ] && grep -q "cannot save the model: .*away/m.h5.*it was saved to $PWD/there/millrace-$pid-m.h5 instead" err
  millrace verify "there/millrace-$pid-m.h5"
}

# A stream gets the history once, a link's target is the file.
streams() {
  millrace train "${small[@]}" --epochs 3 --model st.h5 --history /dev/stdout >st.csv
  [ "$(wc -l <st.csv)" = 4 ]
  [ "$(millrace train "${small[@]}" --epochs 3 --model st.h5 --history /dev/stdout | wc -l)" = 4 ]
  ln -s target.csv link.csv
  millrace train "${small[@]}" --epochs 3 --model st.h5 --history link.csv
  [ -L link.csv ] && [ "$(wc -l <target.csv)" = 4 ]
}

# Nobody reads the log any more.
closed_log() {
  local status=0
  { "$MILLRACE_BUILD/millrace" train "${small[@]:0:10}" --epochs 3 --model pipe.h5 --log-json 2>&1 || echo $? >status; } | head -1 >first
  grep -q '"event"' first && [ ! -e status ]
  millrace verify pipe.h5
}

run_cases first_epoch later_epochs other_files goes_on nothing_to_resume fewer_epochs older_state no_number best_before_no_number killed full_disk each_on_its_own saved_elsewhere streams closed_log
