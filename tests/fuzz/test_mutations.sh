#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs without a fuzzer, in whatever build: the kept inputs, all of ../shared/odd, and seeded mutations of
# golden files and of the kept ones. Each must end in a result or in one clear line (tests/fuzz/fuzz.c judges).
#   MILLRACE_LONG=1: 10,000 mutations each, instead of some hundreds; of models also golden/training's, with their
#   optimizers' state. MUTATION_SEED (1): of the mutations
. "$MILLRACE_SRC/tests/tap.sh"

corpus=$MILLRACE_SRC/tests/fuzz/corpus
# An allocation that cannot be had is an error that we handle.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}allocator_may_return_null=1:max_allocation_size_mb=8192"

# Golden models and arrays below the size that a mutation can hope to hit something in.
golden() { [ ! -d "$MILLRACE_SHARED" ] || find "$MILLRACE_SHARED"/golden/layers -name "$1" ! -name "${2:-}" -size -"${3:-60}"k; }
trained() { [ ! -d "$MILLRACE_SHARED" ] || find "$MILLRACE_SHARED"/golden/training -name end.h5; }

# mutated TARGET SHORT LONG FILE…: of the kept inputs of TARGET and of FILES
mutated() {
  local target=$1 short=$2 long=$3; shift 3
  [ -n "${MILLRACE_LONG:-}" ] && short=$long
  "$MILLRACE_BUILD/tests/fuzz/mutate_$target" --seed "${MUTATION_SEED-1}" --count "$short" "$corpus/$target" "$@" >said
  echo "# $target: $(cat said)" >>tally
}

models() {
  mapfile -t files < <(golden '*.h5' '*.io.h5'; golden '*.keras' '' 30; [ -z "${MILLRACE_LONG:-}" ] || trained)
  mutated model 500 10000 "${files[@]}"
}
arrays() { mapfile -t files < <(golden '*.io.h5'); mutated arrays 200 10000 "${files[@]}"; }
images() {
  local odd=()
  [ ! -d "$MILLRACE_SHARED/odd" ] || odd=("$MILLRACE_SHARED/odd")
  mutated image 400 10000 "${odd[@]}"
}
configurations() { mutated config 500 10000; }
options() { mutated options 1000 10000; }
state() { mutated state 500 10000; }
geometry() { mutated geometry 200 10000; }

run_cases models arrays images configurations options state geometry
[ ! -e tally ] || cat tally
