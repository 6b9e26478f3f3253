#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every libFuzzer target for a few seconds, from the kept inputs and ../shared; FUZZ_SECONDS=3600 for the long form
# (make fuzz-long), FUZZ_SEED for other random numbers. What it finds is left in fuzz-artifacts/ of the build folder and fails the case.
. "$MILLRACE_SRC/tests/tap.sh"

seconds=${FUZZ_SECONDS:-5}
artifacts=$MILLRACE_BUILD/fuzz-artifacts
found=$MILLRACE_BUILD/fuzz-corpus # grows from run to run
corpus=$MILLRACE_SRC/tests/fuzz/corpus
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}allocator_may_return_null=1"
mkdir -p "$artifacts"

# fuzz TARGET LONGEST FOLDER…
fuzz() {
  local target=$1 longest=$2; shift 2
  mkdir -p "$found/$target"
  "$MILLRACE_BUILD/tests/fuzz/fuzz_$target" -seed="${FUZZ_SEED-1}" -max_total_time="$seconds" -max_len="$longest" -timeout=120 -rss_limit_mb=4096 \
    -malloc_limit_mb=8192 -print_final_stats=1 -artifact_prefix="$artifacts/$target-" "$found/$target" "$corpus/$target" "$@" >log 2>&1 ||
    { grep -E 'ERROR|runtime error|fuzz:|SUMMARY|Test unit' log; return 1; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' log) executions" | tee -a "$artifacts/executions"
}

# Seeds from ../shared, small ones: a fuzzer wants many runs.
seeds() {
  mkdir -p "$2"
  [ ! -d "$MILLRACE_SHARED/$1" ] || find "$MILLRACE_SHARED/$1" -type f -name "$3" -size -"$4"k -exec cp -n {} "$2" \;
}

# In a short run one seed in ten: reading them all would take its time.
few() { [ "$seconds" -gt 60 ] || (cd "$1" && ls | awk 'NR % 10' | xargs -r -d '\n' rm); }

image() { seeds odd seeds-image '*.*' 12; fuzz image 65536 seeds-image; }
geometry() { fuzz geometry 256; }
config() { fuzz config 65536; }
model() { seeds golden/layers seeds-model '*[a-z].h5' 16; rm -f seeds-model/*.io.h5; seeds golden/layers seeds-model '*.keras' 14
  few seeds-model; fuzz model 65536 seeds-model; }
arrays() { seeds golden/layers seeds-arrays '*.io.h5' 8; fuzz arrays 65536 seeds-arrays; }
options() { fuzz options 2048; }
state() { fuzz state 16384; }

run_cases image geometry config model arrays options state
