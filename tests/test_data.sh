#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Data sets as people have them: folders named in many ways, links, classes without images, names that are no UTF-8,
# lists from Windows, files of other formats, and what a model knows of the images that were held out of its training.
. "$MILLRACE_SRC/tests/tap.sh"

small=(--arch cnn --stages 1 --filters 4 --dropout 0 --image-size 32x32 --threads 2 --epochs 1)
millrace sample cells --count 60 --seed 3 --quiet || exit 99
millrace train --data cells/training --validation-split 0.25 --seed 7 --model split.h5 --history split.csv "${small[@]}" --quiet || exit 99

# images DIR COUNT…: COUNT images of two classes in DIR.
images() {
  local dir=$1 n=$2
  mkdir -p "$dir/cat" "$dir/dog"
  for class in cat/Parasitized dog/Uninfected; do
    find cells -path "*/${class#*/}/*" | sort | head -"$n" | while read -r f; do cp "$f" "$dir/${class%/*}"; done
  done
}

json() { "$python" -c "import json,sys; d=json.load(sys.stdin); print($1)"; }

# evaluated COUNT OPTION…: so many images, and where the part says so.
evaluated() {
  local count=$1 got; shift
  millrace evaluate --data cells/training "$@" --json >out 2>err
  got=$(json 'd["images"]' <out)
  [ "$got" = "$count" ] || { echo "# $*: $got images, not $count: $(cat err)"; return 1; }
}

# The loss of what was held out is the run's last validation loss.
held_out_is_evaluated() {
  local all held val
  all=$(find cells/training -name '*.*g' | wc -l) held=$((all / 2 / 4 * 2))
  evaluated $held --model split.h5
  grep -q "evaluating the $held images that were held out; --part all evaluates all" err
  val=$(sed -n 2p split.csv | cut -d, -f4)
  json "abs(d['loss'] - $val) < 1e-4" <out | grep -q True
  evaluated $held --model split.h5 --part validation
  evaluated $((all - held)) --model split.h5 --part training
  evaluated "$all" --model split.h5 --part all
  not grep -q 'held out' err
  millrace evaluate --data cells --model split.h5 --json >out 2>err
  [ "$(json 'd["images"]' <out)" = "$(find cells/testing -name '*.*g' | wc -l)" ]
  not grep -q 'held out' err
  millrace summary split.h5 | grep -q "validation split 0.25, seed 7, of $all images"
}

# part MODEL OPTION…: folder, part, what chose it, and the split's files and seed, as evaluate --json says them.
part() {
  local model=$1; shift
  millrace evaluate --model "$model" "$@" --json 2>err | json '*[(d["data"].get("folder", "arrays"), d["data"]["part"],
    d["data"]["chosen_by"], s and (s["validation_split"], s["seed"], s["images"], s["held_out"])) for s in [d["data"]["split"]]]'
}

said() { local want=$1 got; shift; got=$(part "$@"); [ "$got" = "$want" ] || { echo "# $*: $got, not $want"; return 1; }; }

json_names_the_part() {
  local all held split
  all=$(find cells/training -name '*.*g' | wc -l) held=$((all / 2 / 4 * 2))
  split="(0.25, 7, $all, $held)"
  said "('cells/training', 'validation', 'default', $split)" split.h5 --data cells/training
  said "('cells/training', 'training', '--part', $split)" split.h5 --data cells/training --part training
  said "('cells/training', 'all', '--part', None)" split.h5 --data cells/training --part all
  said "('cells/testing', 'testing', 'default', None)" split.h5 --data cells
  said "('cells/validation', 'validation', '--part', None)" split.h5 --data cells --part validation
  said "('cells/validation', 'all', 'default', None)" split.h5 --data cells/validation
  "$python" -c "import h5py, numpy as n
f = h5py.File('xy.h5', 'w'); f['x'] = n.zeros((4, 32, 32, 3), 'u1'); f['y'] = n.array([0, 1, 0, 1])"
  said "('arrays', 'all', 'default', None)" split.h5 --arrays xy.h5
  millrace summary split.h5 --json | json 'd["held_out"]' |
    grep -qF "[{'validation_split': 0.25, 'seed': 7, 'images': $all, 'held_out': $held}]"
}

# Files that are added count as training images; those that are missing are told.
the_folder_may_change() {
  local all held first
  cp -r cells/training data && all=$(find data -name '*.*g' | wc -l) held=$((all / 2 / 4 * 2))
  for i in 1 2 3 4 5; do cp "$(find cells/testing/Uninfected -type f | head -1)" data/Uninfected/new$i.png; done
  millrace evaluate --data data --model split.h5 --json >out 2>err
  [ "$(json 'd["images"]' <out)" = $held ]
  millrace evaluate --data data --model split.h5 --part training --json >out 2>err
  [ "$(json 'd["images"]' <out)" = $((all - held + 5)) ]
  rm data/Parasitized/*
  cp "$(find cells/training/Parasitized -type f | head -1)" data/Parasitized
  rm data/Uninfected/*[02468].*
  status_of millrace evaluate --data data --model split.h5
  grep -qE 'missing|were held out of training are there' err
}

# The record goes with the model.
record_survives() {
  local all held
  all=$(find cells/training -name '*.*g' | wc -l) held=$((all / 2 / 4 * 2))
  millrace convert split.h5 c.keras --quiet && millrace convert c.keras d.h5 --no-optimizer --quiet
  evaluated $held --model c.keras
  evaluated $held --model d.h5
  images other 6
  millrace train --from split.h5 --data other --new-head --model tuned.h5 --epochs 1 --quiet
  millrace train --from tuned.h5 --data cells/validation --new-head --model again.h5 --epochs 1 --quiet
  evaluated $held --model again.h5
  millrace train --data cells/training --validation-split 0.25 --seed 7 --checkpoint-dir ck "${small[@]}" --quiet
  millrace train --data cells/training --validation-split 0.25 --seed 7 --checkpoint-dir ck --resume "${small[@]}" --epochs 2 --model r.h5 --quiet
  evaluated $held --model r.h5
  # another split of the same images
  status_of millrace train --from split.h5 --learning-rate 0.001 --data cells/training --validation-split 0.25 --seed 8 --model o.h5 --epochs 1 --quiet
  grep -q 'may have been trained on .*--validation-split 0.25 --seed 7 holds out the same' err
  status_of millrace train --from split.h5 --learning-rate 0.001 --data cells/training --validation-split 0.25 --seed 7 --model o.h5 --epochs 1 --quiet
  not grep -q 'may have been trained' err
  # trained on all of it since: nothing is held out any more
  millrace train --from split.h5 --learning-rate 0.001 --data cells/training --model all.h5 --epochs 1 --quiet
  evaluated "$all" --model all.h5
  expect 1 "does not know which images were held out" millrace evaluate --data cells/training --model all.h5 --part validation
  expect 2 "unknown part" millrace evaluate --data cells/training --model split.h5 --part some
}

found() { millrace train --data "$1" --model f.h5 "${small[@]}" 2>err; grep 'Found' err; }

parts_by_any_name() {
  for names in 'Train Test Val' 'TRAIN test_set Valid' 'training_set Testing validation_data' 'seg_train seg_test dev'; do
    set -- $names; rm -rf d && mkdir d && images "d/$1" 4 && images "d/$2" 3 && images "d/$3" 2
    found d | tr '\n' ' ' | grep -q 'Found 8 images belonging to 2 classes. Found 4 images'
    millrace evaluate --data d --model f.h5 --json 2>err | json 'd["images"]' | grep -qx 6
  done
  mkdir -p w/data __MACOSX && mv d w/data/inner && mkdir w/__MACOSX
  mkdir x && mv w/data/inner x/data && found x | grep -q 'Found 8 images'
  mkdir y && mkdir y/train && images y/train/train 4 && found y | grep -q 'Found 8 images belonging to 2 classes'
}

# Classes that nobody means are not learnt; real ones are.
parts_or_classes() {
  mkdir -p flat/Train flat/Test && cp cells/training/Uninfected/* flat/Train && cp cells/testing/Uninfected/* flat/Test
  expect 1 "flat/Train and flat/Test are named like parts" millrace train --data flat --model f.h5 "${small[@]}"
  millrace train --train-dir flat --model f.h5 "${small[@]}" --quiet
  images v 3 && mv v/cat v/train && mkdir v/bus && cp v/dog/* v/bus
  found v | grep -q 'Found 9 images belonging to 3 classes'
  mkdir v/train/steam && mv v/train/*.* v/train/steam
  expect 1 "may be a part of the data or a class" millrace train --data v --model f.h5 "${small[@]}"
}

# Folders of names that nobody knows, with the same folders in each, are no classes; what is beside train/ is named.
parts_by_what_they_hold() {
  local part
  for part in trn tst; do mkdir -p unnamed/$part && cp -r cells/training/* unnamed/$part/; done
  expect 1 'its folders (trn, tst) hold folders of the same names' millrace train --data unnamed --model f.h5 "${small[@]}"
  mkdir -p deep/x && cp -r unnamed/* deep/x/
  expect 1 'deep/x: its folders (trn, tst) hold' millrace train --data deep --model f.h5 "${small[@]}"
  millrace train --train-dir unnamed --model f.h5 "${small[@]}" --quiet
  millrace train --train-dir unnamed/trn --validation-dir unnamed/tst --model f.h5 "${small[@]}" --quiet
  rm -r unnamed/tst/"$(ls unnamed/tst | head -1)" # classes that are ordered by something else, one of them
  millrace train --data unnamed --model f.h5 "${small[@]}" --quiet
  mkdir -p beside/train beside/more beside/holdout && cp -r cells/training/* beside/train/
  cp -r cells/testing/* beside/more/ && cp -r cells/testing/* beside/holdout/
  expect 0 'passed over beside beside/train: beside/more; beside/holdout is for evaluate; --validation-dir beside/holdout' \
    millrace train --data beside --model f.h5 "${small[@]}"
}

classes_without_images() {
  mkdir -p three/b test3 && images three 5 && cp three/cat/* three/b && images test3 2
  millrace train --data three --model t.h5 "${small[@]}" --quiet
  [ "$(status_of millrace evaluate --model t.h5 --data test3 --json)" = 0 ]
  json '[c["support"] for c in d["classes"]]' <out | grep -qx '\[0, 2, 2\]'
  grep -q 'no evaluation images for 1 of 3 classes: b' err
  mkdir test3/b
  [ "$(status_of millrace evaluate --model t.h5 --data test3)" = 0 ]
  [ "$(status_of millrace train --train-dir three --validation-dir test3 --model v.h5 "${small[@]}" --quiet)" = 0 ]
  grep -q 'no validation images for 1 of 3 classes: b' err
  expect 1 "three3/b: not one of the 2 classes" cp_not_a_class
  # one image of a class is trained on
  mkdir three/c three/d && cp three/cat/"$(ls three/cat | head -1)" three/c && cp three/c/* three/d
  [ "$(status_of millrace train --data three --validation-split 0.2 --model v.h5 "${small[@]}" --quiet)" = 0 ]
  [ "$(grep -c 'no validation images for 2 of 5 classes: c, d' err)" = 1 ]
  # classes to train on must have images: all that have none are named at once
  mkdir three/e three/f
  expect 1 "no images in class folders e, f" millrace train --data three --model v.h5 "${small[@]}"
}

cp_not_a_class() { cp -r three three3; millrace evaluate --model split.h5 --data three3; }

links_back() {
  images l 4 && ln -s .. l/dog/up && ln -s ../../l l/dog/again
  found l | grep -q 'Found 8 images belonging to 2 classes. Passed over: 2 links to folders above'
  [ "$(millrace predict --model f.h5 --images l/dog --quiet | wc -l)" = 5 ]
  ln -s ../cat l/dog/cats
  expect 1 'l/dog/cats also belongs to class "cat"' millrace train --data l --model f.h5 "${small[@]}"
}

names_of_any_bytes() {
  local odd=$'caf\xe9' odd2=$'caf\xe8'
  images n 4 && mv n/cat "n/$odd" && cp -r n/dog "n/$odd2"
  millrace train --data n --model n.h5 "${small[@]}" --quiet
  millrace summary --json n.h5 | json 'd["class_names"]' >got
  echo "['caf\\\\xe8', 'caf\\\\xe9', 'dog']" | cmp - got
  millrace evaluate --model n.h5 --data n --json --quiet | json '[(c["class"],c["support"]) for c in d["classes"]]' >got
  echo "[('caf\\\\xe8', 4), ('caf\\\\xe9', 4), ('dog', 4)]" | cmp - got
  millrace predict --model n.h5 --images n/dog --output n.jsonl --quiet
  head -1 n.jsonl | json 'sorted(d["probabilities"])' | grep -qF "['caf\\\\xe8', 'caf\\\\xe9', 'dog']"
  millrace convert n.h5 n.keras --quiet
  millrace summary --json n.keras | json 'len(d["class_names"])' | grep -qx 3
}

lists_from_windows() {
  images p 1
  local a b
  a=$(find p/cat -type f) b=$(find p/dog -type f)
  printf '\357\273\277%s\r\n%s\r\n' "$a" "$b" | millrace predict --model split.h5 --images - --quiet >rows
  [ "$(grep -c ',ok' rows)" = 2 ] && grep -q "^$a," rows && not grep -q $'\r' rows
  printf '%s\r\n%s' "$a" "$b" | millrace predict --model split.h5 --images - --quiet >rows
  [ "$(grep -c ',ok' rows)" = 2 ]
  utf16() { printf '\377\376a\0.\0' | millrace predict --model split.h5 --images -; }
  expect 1 "the list of paths is UTF-16" utf16
  empty() { millrace predict --model split.h5 --images - </dev/null; }
  expect 1 "the list of paths is empty" empty
}

nothing_to_read() {
  mkdir -p other1/x && touch other1/a.heic other1/b.HEIC other1/x/c.txt other1/README
  expect 1 "no images in other1; JPEG and PNG files are read; passed over: 2 .heic, 1 .txt, 1 without ending" \
    millrace predict --model split.h5 --images other1
  mkdir -p bad && for i in $(seq 30); do echo no >bad/$i.png; done
  expect 1 "none of the 30 images could be used" millrace predict --model split.h5 --images bad --max-errors 100%
  [ "$(grep -c skipped err)" = 20 ] && grep -q 'not used: 30 ' err
  # with a share of bad files allowed the run ends early, also where it says nothing
  expect 1 "over the" millrace predict --model split.h5 --images bad --quiet
  mkdir -p o/cat o/dog && touch o/cat/a.heic o/dog/b.svg
  expect 1 "passed over: 1 .heic, 1 .svg" millrace train --data o --model f.h5 "${small[@]}"
}

many_bad_files() {
  images m 4 && for i in $(seq 30); do echo no >m/cat/bad$i.png; done
  [ "$(status_of millrace train --data m --model f.h5 "${small[@]}" --max-errors 50)" = 3 ]
  [ "$(grep -c skipped\) err)" = 20 ] && grep -q 'not used: 30 ' err
  [ "$(status_of millrace evaluate --data m --model f.h5 --max-errors 50 --log-json)" = 3 ]
  [ "$(grep -c skipped\) err)" = 20 ] && grep -q 'not used: 30 ' err
}

few_descriptors() {
  images q 20
  limited() { (ulimit -n 24; "$MILLRACE_BUILD/millrace" "$@"); }
  limited predict --model split.h5 --images q --quiet >rows
  [ "$(grep -c ',ok' rows)" = 40 ]
}

run_cases held_out_is_evaluated json_names_the_part the_folder_may_change record_survives parts_by_any_name parts_or_classes \
  parts_by_what_they_hold classes_without_images links_back names_of_any_bytes lists_from_windows nothing_to_read many_bad_files few_descriptors
