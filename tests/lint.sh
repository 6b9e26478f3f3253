#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make lint: clang-tidy (.clang-tidy has the checks) and cppcheck (tests/cppcheck.txt) over the product's code; fails
# where either says a word. Debian: apt install clang-tidy cppcheck.
#   tests/lint.sh SOURCE_FOLDER 'COMPILER FLAGS' [FILE…]
set -uo pipefail
cd "$1" || exit 2
flags=$2; shift 2
files=("$@")
# The kernels are left to the compiler, the sanitizers and the plain references: minutes each, nothing but arithmetic.
[ $# -gt 0 ] || mapfile -t files < <(find nn io pipeline cli -name '*.c' ! -path 'nn/kernels/*' | sort)
log=$(mktemp); trap 'rm -f "$log"' EXIT

# One file at a time: the analyzer of clang 14 confuses the va_lists of several.
# In layers' kernels the plan sets the pointers, as the layer's weights and the purpose ask: no analyzer sees that.
tidy() {
  local include='-include tests/lint.h' checks=
  [ "$2" != nn/error.c ] || include=
  [[ "$2" != nn/layers/* && "$2" != nn/fused/* ]] || checks=-clang-analyzer-core.*
  clang-tidy --quiet --checks="$checks" "$2" -- $1 $include 2>/dev/null
}
export -f tidy
printf '%s\0' "${files[@]}" | xargs -0 -I{} -P "$(nproc)" bash -c 'tidy "$0" {}' "$flags" >"$log"
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppressions-list=tests/cppcheck.txt \
  -j "$(nproc)" -D__x86_64__ '-Djson_array_foreach(a,i,v)=for(i=0;(v=json_array_get(a,i));i++)' \
  '-Djson_object_foreach(o,k,v)=for(;(v=json_object_get(o,k));)' -I. -Iinclude "${files[@]}" 2>>"$log"
cat "$log"
findings=$(grep -cE ' (warning|error|style|performance|portability): ' "$log")
echo "${#files[@]} files, $findings findings"
[ "$findings" = 0 ]
