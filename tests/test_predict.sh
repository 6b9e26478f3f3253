#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# millrace predict from the outside. With MILLRACE_LONG (make check-long) runs are killed many more times.
. "$MILLRACE_SRC/tests/tap.sh"

# With a sanitizer it has fewer images: a run needs no more of them to have many batches.
folders=(00 01 02 03 04 05 06 07)
! sanitized || [ -n "${MILLRACE_LONG-}" ] || folders=(00 03 04)
images=$((${#folders[@]} * 120 + 1)) # and one that is none
kills=4; [ -z "${MILLRACE_LONG-}" ] || kills=100
millrace sample cells --count 120 --seed 5 --quiet || exit 99
millrace train --data cells --model m.h5 --image-size 32x32 --stages 1 --filters 8,16 --batch-size 16 --threads 2 --quiet --epochs 1 || exit 99
mkdir many
find "$PWD/cells" -name '*.jpg' | LC_ALL=C sort >paths
for d in "${folders[@]}"; do
  mkdir "many/$d"
  n=0; while read -r p; do n=$((n + 1)); ln "$p" "many/$d/$(printf %04d $n).jpg"; done <paths
done
echo 'no image' >many/03/0050b.jpg
predict() { millrace predict --model m.h5 --quiet "$@"; }
csv() { python3 - "$@"; }

rows_in_path_order() {
  find cells/testing -name '*.jpg' | LC_ALL=C sort >want
  predict --images cells/testing --output a.csv
  tail -n +2 a.csv | cut -d, -f1 | cmp - want
  [ "$(head -1 a.csv)" = path,predicted,confidence,probability_Parasitized,probability_Uninfected,status ]
  predict --images cells/testing | cmp - a.csv
  predict --images - <want | cmp - a.csv
  tr '\n' '\0' <want | predict --images - --null | cmp - a.csv
  tr '\n' '\0' <want | predict --images - | cmp - a.csv
}

evaluate_and_predict_agree() {
  millrace evaluate --model m.h5 --data cells --quiet --json >e.json
  predict --images cells/testing --output a.csv
  csv <<'PY'
import csv, json
rows = list(csv.DictReader(open('a.csv')))
right = sum(r['predicted'] == r['path'].split('/')[-2] for r in rows)
assert abs(right / len(rows) - json.load(open('e.json'))['accuracy']) < 1e-9
for r in rows:
    p = float(r['probability_Parasitized']), float(r['probability_Uninfected'])
    assert abs(sum(p) - 1) < 1e-5 and float(r['confidence']) == max(p)
PY
}

threads_do_not_matter() {
  predict --images many --threads 1 --decode-threads 1 --output a.csv || [ $? = 3 ]
  predict --images many --threads 2 --decode-threads 5 --output b.csv || [ $? = 3 ]
  cmp a.csv b.csv
}

names_of_any_bytes() {
  mkdir names; p=$(head -1 paths)
  cp "$p" $'names/new\nline.jpg'; cp "$p" 'names/com,ma "quoted".jpg'; cp "$p" $'names/\xff\xfe.jpg'; cp "$p" names/ü.jpg
  predict --images names --output n.csv; predict --images names --output n.jsonl; predict --images names --output n.h5
  /usr/bin/python3 - <<'PY'
import csv, json, os, h5py
want = sorted(os.fsencode('names/' + n) for n in os.listdir('names'))
with open('n.csv', encoding='utf-8', errors='surrogateescape', newline='') as f:
    assert [os.fsencode(r['path']) for r in csv.DictReader(f)] == want
rows = [json.loads(l) for l in open('n.jsonl', encoding='utf-8')]
assert [bytes.fromhex(r['path_hex']) if 'path_hex' in r else r['path'].encode() for r in rows] == want
f = h5py.File('n.h5')
assert list(f['path'][:]) == want and f['probabilities'].shape == (4, 2)
PY
  find names -type f -print0 | LC_ALL=C sort -z | predict --images - --null | cmp - n.csv
}

lists_of_any_kind() {
  { head -c 300000 /dev/zero | tr '\0' n; echo; head -1 paths; } >long.txt
  predict --images - --max-errors 100% <long.txt >l.csv && false || [ $? = 3 ]
  [ "$(wc -l <l.csv)" = 3 ]
  sed -n 2p l.csv | grep -q 'n,,,,,.*File name too long$'
  tail -1 l.csv | grep -q 'ok$'
  printf %s "$(head -1 paths)" | predict --images - | tail -1 | cmp - <(tail -1 l.csv)
  predict --images - </dev/null | cmp - <(head -1 l.csv)
  expect 1 'cannot read the list of paths: Is a directory' predict --images - --output l.csv <cells
}

odd_trees() {
  mkdir -p tree/a/b tree/.hidden; p=$(head -1 paths)
  cp "$p" tree/a.jpg; cp "$p" tree/a-b.jpg; cp "$p" tree/a/x.jpg; cp "$p" tree/a/b/y.png; cp "$p" tree/.hidden/z.jpg; cp "$p" tree/notes.txt
  ln -s .. tree/a/b/up; ln -s ../a tree/a/again; ln -s missing tree/dangling.jpg; mkfifo tree/pipe.jpg
  predict --images tree --max-errors 100% --output t.csv && false || [ $? = 3 ]
  tail -n +2 t.csv | cut -d, -f1 | tr '\n' ' ' >got
  [ "$(cat got)" = "tree/a-b.jpg tree/a.jpg tree/a/b/y.png tree/a/x.jpg tree/dangling.jpg tree/pipe.jpg " ]
  grep -q 'dangling.jpg,,,,,.*No such file' t.csv
  grep -q 'pipe.jpg,,,,,not a regular file' t.csv
  predict --images tree --include '*.txt' | cut -d, -f1 | tail -n +2 | cmp - <(echo tree/notes.txt)
  predict --images tree --exclude b --exclude '*pipe*' --exclude 'dang*' | cut -d, -f1 | tail -n +2 | tr '\n' ' ' >got
  [ "$(cat got)" = "tree/a-b.jpg tree/a.jpg tree/a/x.jpg " ]
  predict --images tree/a/x.jpg --images tree/a.jpg | cut -d, -f1 | tail -n +2 | tr '\n' ' ' >got
  [ "$(cat got)" = "tree/a/x.jpg tree/a.jpg " ]
  expect 1 nowhere predict --images nowhere
}

kinds_are_named() {
  mkdir kinds
  printf 'GIF89a......' >kinds/a.gif; printf 'BM..........' >kinds/b.bmp
  printf 'RIFF....WEBPVP8 ' >kinds/c.webp; printf 'II*\0........' >kinds/d.tif; : >kinds/e.jpg
  predict --images kinds --max-errors 100% >k.csv && false || [ $? = 1 ] # nothing could be used
  for k in GIF BMP WebP TIFF; do grep -q "a $k file" k.csv; done
  grep -q 'e.jpg,,,,,the file is empty' k.csv
}

every_odd_file_has_a_row() {
  [ -d "$MILLRACE_SHARED/odd" ] || { echo SKIP no ../shared/odd; return 0; }
  timeout 120 "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --images "$MILLRACE_SHARED/odd" --include '*' --max-errors 100% --output o.csv && false || [ $? = 3 ]
  find "$MILLRACE_SHARED/odd" -type f -not -name '.*' | LC_ALL=C sort >want
  tail -n +2 o.csv | cut -d, -f1 | cmp - want
  ! tail -n +2 o.csv | grep -q ',$'
}

budget_holds() {
  expect 1 'allowed' predict --images many/03 --max-errors 0 --output b.csv
  grep -q '0050b.jpg,,,,,neither' b.csv
  expect 1 0050b predict --images many/03 --on-error fail --output b.csv
  expect 3 '' predict --images many/03 --output b.csv
}

resume_after_kills() {
  local want=$2 i=0 rc=137 got=r.$1
  rm -f "$got" "$got".*
  while [ "$rc" = 137 ] && [ $i -lt "$kills" ]; do
    i=$((i + 1))
    timeout -s KILL "0.$((RANDOM % 6))$((RANDOM % 10))" "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --images many --batch-size 8 --output "$got" --resume && rc=0 || rc=$?
    [ "$rc" = 137 ] || [ "$rc" = 3 ]
  done
  [ "$rc" != 137 ] || predict --images many --batch-size 8 --output "$got" --resume || [ $? = 3 ]
  cmp "$got" "$want"
  [ ! -e "$got.journal" ] && [ ! -e "$got.part" ] && [ ! -e "$got.resume" ]
}
undisturbed() { predict --images many --batch-size 8 --output "w.$1" || [ $? = 3 ]; }
killed_csv() { undisturbed csv; resume_after_kills csv w.csv; }
killed_jsonl() { undisturbed jsonl; resume_after_kills jsonl w.jsonl; }
killed_h5() { undisturbed h5; resume_after_kills h5 w.h5; }

# Cut at every kind of place: within the header, a row, behind one.
resume_from_any_cut() {
  undisturbed csv
  size=$(stat -c %s w.csv)
  for cut in 0 1 40 79 80 100 1000 $((size / 2)) $((size - 1)) "$size"; do
    head -c "$cut" w.csv >r.csv
    predict --images many --batch-size 8 --output r.csv --resume || [ $? = 3 ]
    cmp r.csv w.csv
  done
  head -c 5000 w.csv >r.csv
  expect 1 'the input has changed' predict --images many/04 --batch-size 8 --output r.csv --resume
  expect 1 'other columns' predict --images many --top 1 --output r.csv --resume
  expect 2 'standard output' predict --images many --resume
}

unordered_loses_nothing() {
  undisturbed csv
  predict --images many --batch-size 8 --unordered --output u.csv || [ $? = 3 ]
  cmp <(sort u.csv) <(sort w.csv)
  head -c 20000 u.csv >v.csv
  predict --images many --batch-size 8 --unordered --output v.csv --resume || [ $? = 3 ]
  cmp <(cut -d, -f1 v.csv | sort) <(cut -d, -f1 w.csv | sort)
}

moved_and_linked() {
  cp -r many/00 in; mkdir in/x; cp in/0001.jpg in/x/0001.jpg
  predict --images in --link-to linked >l.csv
  [ "$(find linked -type f | wc -l)" = 121 ]
  [ "$(find in -type f | wc -l)" = 121 ]
  find linked -name '0001-2.jpg' | grep -q .
  predict --images in --link-to linked >/dev/null
  [ "$(find linked -type f | wc -l)" = 121 ]
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --images in --batch-size 4 --move-to in/sorted --output mv.csv & local pid=$!
  until_moved in/sorted $pid
  kill -KILL $pid 2>/dev/null || true
  wait $pid || true
  # it may have ended before it was killed
  if [ -e mv.csv.resume ] || [ ! -e mv.csv ]; then predict --images in --batch-size 4 --move-to in/sorted --output mv.csv --resume; fi
  [ "$(find in/sorted -type f | wc -l)" = 121 ]
  [ -z "$(find in -path in/sorted -prune -o -type f -print)" ]
  cmp <(cut -d, -f1 mv.csv | sort) <(cut -d, -f1 l.csv | sort)
}

thresholds_and_top() {
  predict --images cells/testing --threshold Parasitized=0 | tail -n +2 | cut -d, -f2 | sort -u | cmp - <(echo Parasitized)
  predict --images cells/testing --threshold 1 | tail -n +2 | grep -c ',,.*,unsure$' >n
  [ "$(cat n)" = "$(find cells/testing -name '*.jpg' | wc -l)" ]
  [ "$(predict --images cells/testing --top 2 | head -1 | grep -o 'top_2,top_2_probability')" = top_2,top_2_probability ]
  expect 2 'no such class' predict --images cells/testing --threshold Nobody=.5
  expect 2 '--threshold' predict --images cells/testing --threshold 2
}

layers_are_written() {
  layer=$(millrace summary --json m.h5 | python3 -c 'import json,sys; print(next(l["name"] for l in json.load(sys.stdin)["layers"] if "Conv2D" in str(l)))')
  predict --images cells/testing --layer "$layer" --output l.h5
  /usr/bin/python3 -c "
import h5py; f = h5py.File('l.h5'); s = f['outputs/$layer'].shape
assert len(s) == 4 and s[0] == f['path'].shape[0] and abs(f['outputs/$layer'][:]).sum() > 0"
  expect 1 "no layer 'nobody'" predict --images cells/testing --layer nobody
}

# Once process PID has moved a file into FOLDER, or has ended.
until_moved() { while kill -0 "$2" 2>/dev/null && [ -z "$(find "$1" -type f 2>/dev/null | head -1)" ]; do sleep 0.01; done; }

# In the background: $! is the program itself, not a shell around it.
until_rows() { for _ in $(seq 150); do [ "$(wc -l <"$2" 2>/dev/null)" = "$1" ] && return 0; sleep 0.2; done; echo "$2 has no $1 lines"; return 1; }

broken_pipe_is_quiet() {
  for _ in 1 2 3 4 5 6 7 8; do cat paths; done >long
  cat long long long | predict --images - 2>err | head -1 >/dev/null; rc=${PIPESTATUS[1]}
  [ "$rc" = 141 ]
  [ ! -s err ]
}

# Standard input stays open: the run waits for more, and a signal ends it all the same.
signals_end_it() {
  mkfifo names.pipe; sleep 60 >names.pipe & local holder=$! rc=0
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --images - --output s.csv <names.pipe & local pid=$!
  head -5 paths >names.pipe
  until_rows 6 s.csv
  kill -TERM $pid; wait $pid || rc=$?
  kill $holder
  [ "$rc" = 143 ]
}

# An endless list of empty names: passed over, and a signal still ends the run.
empty_names() {
  local rc=0
  { printf '\n\n'; head -1 paths; printf '\n'; } | predict --images - | wc -l | grep -qx 2
  yes '' | timeout -k 20 2 "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --images - >/dev/null || rc=$?
  [ "$rc" = 124 ]
}

# Files and folders without an option, as a shell's glob gives them; -- ends the options.
positional_inputs() {
  mkdir positional; cp "$(head -1 paths)" positional/b.jpg; cp "$(head -1 paths)" positional/a.jpg; cp "$(head -1 paths)" ./--odd.jpg
  rows() { predict "$@" | tail -n +2 | cut -d, -f1 | tr '\n' ' '; }
  [ "$(rows positional/*.jpg)" = "positional/a.jpg positional/b.jpg " ]
  [ "$(rows positional/b.jpg positional --images positional/a.jpg)" = "positional/a.jpg positional/b.jpg positional/a.jpg positional/b.jpg " ]
  [ "$(rows positional/a.jpg --top 1 -- --odd.jpg)" = "positional/a.jpg --odd.jpg " ]
  [ "$(head -1 paths | rows - positional/a.jpg)" = "$(head -1 paths) positional/a.jpg " ]
  expect 2 'only one standard input' predict --images - -
  expect 1 'cannot open positional/*.png' predict 'positional/*.png'
  expect 2 'cannot be used together' predict --arrays x.h5 positional
}

watch_predicts_what_arrives() {
  mkdir -p drop/old; cp "$(head -1 paths)" drop/old/before.jpg; local rc=0
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --watch drop --output watched.csv & local pid=$!
  until_rows 2 watched.csv
  cp "$(head -1 paths)" drop/one.jpg; ln "$(head -1 paths)" drop/two.jpg
  mkdir -p drop/new/deep; cp "$(head -1 paths)" drop/new/deep/three.jpg; cp "$(head -1 paths)" tmp.jpg; mv tmp.jpg drop/four.jpg
  until_rows 6 watched.csv
  kill -TERM $pid; wait $pid || rc=$?
  [ "$rc" = 143 ]
  tail -n +2 watched.csv | cut -d, -f1 | sort | tr '\n' ' ' >got
  [ "$(cat got)" = "drop/four.jpg drop/new/deep/three.jpg drop/old/before.jpg drop/one.jpg drop/two.jpg " ]
  expect 1 'watched.csv exists already' predict --watch drop --output watched.csv
}

# started_watch FILE LINES OPTIONS…: in $pid, once FILE has so many lines.
started_watch() {
  local file=$1 lines=$2; shift 2
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet "$@" & pid=$!
  until_rows "$lines" "$file"
}
ended() { local rc=0; kill -TERM $pid; wait $pid || rc=$?; [ "$rc" = 143 ]; }

# What came while nobody watched is not passed over, and nothing is handled twice.
watch_catches_up() {
  local p; p=$(head -1 paths)
  mkdir -p gap/deep; cp "$p" gap/1.jpg; cp "$p" gap/deep/2.jpg
  started_watch gap.csv 3 --watch gap --output gap.csv
  cp "$p" gap/3.jpg; until_rows 4 gap.csv; ended
  cp "$p" gap/0.jpg; cp "$p" gap/deep/4.jpg
  started_watch gap.csv 6 --watch ./gap --output gap.csv --resume # by another path to the same folder
  cp "$p" gap/5.jpg; until_rows 7 gap.csv; ended
  [ "$(tail -n +2 gap.csv | cut -d, -f1 | tr '\n' ' ')" = "gap/1.jpg gap/deep/2.jpg gap/3.jpg ./gap/0.jpg ./gap/deep/4.jpg ./gap/5.jpg " ]
  started_watch new.csv 1 --watch gap --output new.csv --only-new
  cp "$p" gap/6.jpg; until_rows 2 new.csv; ended
  [ "$(tail -n +2 new.csv | cut -d, -f1)" = gap/6.jpg ]
  started_watch both.csv 8 --images gap/deep --watch gap --output both.csv
  ended; tail -n +2 both.csv | cut -d, -f1 | sort | uniq -d | cmp - /dev/null
}

# With --move-to: no output is needed to know what is still to be done, and a name that comes again is a new file.
watch_moves_what_came() {
  local p; p=$(head -1 paths)
  mkdir post; cp "$p" post/a.jpg; cp "$p" post/b.jpg
  moved() { for _ in $(seq 150); do [ "$(find sorted_post -type f 2>/dev/null | wc -l)" = "$1" ] && return 0; sleep .2; done; echo "not $1 files moved"; return 1; }
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --watch post --move-to sorted_post >/dev/null & pid=$!
  moved 2; ended
  cp "$p" post/c.jpg
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --watch post --move-to sorted_post --output post.csv & pid=$!
  moved 3; ended
  cp "$p" post/c.jpg
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --watch post --move-to sorted_post --output post.csv --resume & pid=$!
  moved 4; ended
  [ "$(tail -n +2 post.csv | cut -d, -f1 | tr '\n' ' ')" = "post/c.jpg post/c.jpg " ]
  [ -z "$(find post -type f)" ]
}

# Rows of earlier runs stay, whether their files do or not; what they put nowhere yet goes to its folder.
watch_goes_on() {
  mkdir on; cp "$(head -1 paths)" on/one.jpg; local rc=0 pid
  predict --images on --output on.csv
  head -1 on.csv >header; tail -1 on.csv | tee row | sed 's/one/gone/' >>on.csv
  "$MILLRACE_BUILD/millrace" predict --model m.h5 --watch on --output on.csv --resume --link-to sorted_on 2>log & pid=$!
  for _ in $(seq 150); do grep -q 'holds 2 rows' log && break; sleep 0.2; done
  cp "$(head -1 paths)" on/two.jpg
  until_rows 4 on.csv
  kill -TERM $pid; wait $pid || rc=$?
  [ "$rc" = 143 ]
  cmp on.csv <(cat header row; sed 's/one/gone/' row; sed 's/one/two/' row)
  [ "$(cd sorted_on; find . -type f | sed 's,.*/,,' | sort | tr '\n' ' ')" = "one.jpg two.jpg " ]
}

# No file that was read stays open: that would keep the folder, and with it the watch.
watch_ends_with_its_folder() {
  mkdir gone; "$MILLRACE_BUILD/millrace" predict --model m.h5 --quiet --watch gone --output g.csv & local pid=$!
  until_rows 1 g.csv
  cp "$(head -1 paths)" gone/one.jpg
  until_rows 2 g.csv
  rm -r gone
  for _ in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.2; done
  ! kill -0 $pid 2>/dev/null || { kill -KILL $pid; echo "it does not end"; return 1; }
  wait $pid
}

contract_is_obeyed() {
  expect 2 contradicts predict --images cells/testing --rescale 1/127.5
  expect 2 'nothing to predict: no input given' predict
  expect 2 'unknown file extension' predict --images cells/testing --output x.txt
  [ -f "$MILLRACE_SHARED/golden/tutorial_resnet/start.h5" ] || return 0
  expect 2 rescale millrace predict --quiet --model "$MILLRACE_SHARED/golden/tutorial_resnet/start.h5" --images cells/testing
}

bf16_predicts_nearly_the_same() {
  predict --images cells/testing --output a.csv
  predict --images cells/testing --precision mixed_bfloat16 --output b.csv
  predict --images cells/testing --precision mixed_bfloat16 --threads 1 --batch-size 7 --output c.csv
  cmp b.csv c.csv
  ! cmp -s a.csv b.csv
  python3 - <<'PY'
import csv
for a, b in zip(csv.DictReader(open('a.csv')), csv.DictReader(open('b.csv'))):
    assert a['path'] == b['path'] and abs(float(a['confidence']) - float(b['confidence'])) < .02, (a, b)
PY
  expect 2 mixed_bfloat16 predict --images cells/testing --precision half
}

arrays_of_every_input() {
  g=$MILLRACE_SHARED/golden/layers
  [ -d "$g" ] || { echo SKIP no ../shared/golden; return 0; }
  for m in two_inputs two_outputs; do
    millrace predict --quiet --model "$g/$m.h5" --arrays "$g/$m.io.h5" --batch-size 2 --output "$m.h5"
    /usr/bin/python3 -c "
import h5py, numpy as np
a, b = h5py.File('$m.h5'), h5py.File('$g/$m.io.h5')
for k in b:
    if k.startswith('output'): assert np.abs(a[k][:] - b[k][:]).max() < 1e-5, k"
  done
}

# The files are counted beside the run. It stands still here, since nobody reads its rows, until that has been done.
a_terminal_says_how_many() {
  python3 - "$MILLRACE_BUILD/millrace" "$images" <<'PY'
import fcntl, os, pty, re, select, subprocess, sys
images = sys.argv[2].encode()
terminal, slave = pty.openpty()
rows, out = os.pipe()
fcntl.fcntl(out, 1031, 4096)  # F_SETPIPE_SZ: full after some of the rows
run = subprocess.Popen([sys.argv[1], 'predict', '--model', 'm.h5', '--images', 'many', '--batch-size', '8'], stdout=out, stderr=slave)
os.close(slave); os.close(out)
shown, read, open_ends = b'', b'', [rows, terminal]
def is_counting():
    tasks = f'/proc/{run.pid}/task'
    for t in os.listdir(tasks):
        try:
            if open(f'{tasks}/{t}/comm').read() == 'mr-census\n': return True
        except OSError: pass  # the thread has ended
    return False
def take(end):
    try: piece = os.read(end, 4096)
    except OSError: piece = b''  # a terminal whose other end was closed
    if not piece: open_ends.remove(end)
    return piece
counted = False
while open_ends:
    ready, _, _ = select.select(open_ends, [], [], .02)
    if terminal in ready: shown += take(terminal)
    counted = counted or (rows in ready and not is_counting())  # the first rows come after the census has begun
    if rows in ready and counted: read += take(rows)
assert run.wait() == 3
assert read.count(b'\n') == int(images) + 1
last = re.findall(rb'(\d+)/(\d+) images \[=+\]', shown)
assert last and last[-1] == (images, images), shown[-600:]
assert re.search(rb'\d+/' + images + rb' images .*1 failed', shown), shown[-600:]
PY
  millrace predict --model m.h5 --images - <paths >a.csv 2>err
  grep -q '^120 images' err && not grep -q /120 err
}

run_cases rows_in_path_order evaluate_and_predict_agree threads_do_not_matter names_of_any_bytes lists_of_any_kind odd_trees kinds_are_named \
  every_odd_file_has_a_row budget_holds killed_csv killed_jsonl killed_h5 resume_from_any_cut unordered_loses_nothing \
  moved_and_linked thresholds_and_top layers_are_written broken_pipe_is_quiet signals_end_it empty_names positional_inputs \
  watch_predicts_what_arrives watch_catches_up watch_moves_what_came watch_goes_on watch_ends_with_its_folder contract_is_obeyed bf16_predicts_nearly_the_same \
  arrays_of_every_input a_terminal_says_how_many
