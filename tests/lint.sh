#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make lint: clang-tidy (.clang-tidy has the checks) and cppcheck (tests/cppcheck.txt) over the product's code; fails
# where either says a word, cannot read a file, or does not run. Debian: apt install clang-tidy cppcheck.
#   tests/lint.sh SOURCE_FOLDER 'COMPILER FLAGS' [FILE…]
set -uo pipefail
cd "$1" || exit 2
eval "flags=($2)" # make's DEFS are quoted for a shell
shift 2
files=("$@")
# The kernels are left to the compiler, the sanitizers and the plain references: minutes each, nothing but arithmetic.
[ $# -gt 0 ] || mapfile -t files < <(find nn io pipeline cli -name '*.c' ! -path 'nn/kernels/*' | sort)
log=$(mktemp); trap 'rm -f "$log"' EXIT

die() { echo "lint: $*" >&2; exit 1; }

# tidy FILE FLAG…: its findings; a file that clang cannot read is one of them, and so is an end without a word (a crash, a wrong flag).
# One file at a time: the analyzer of clang 14 confuses the va_lists of several.
# In layers' kernels the plan sets the pointers, as the layer's weights and the purpose ask: no analyzer sees that.
tidy() {
  local file=$1 include=(-include tests/lint.h) checks='' said status=0; shift
  [ "$file" != base/error.c ] || include=()
  [[ "$file" != nn/layers/* && "$file" != nn/plan/* ]] || checks='-clang-analyzer-core.*'
  said=$(clang-tidy --quiet --checks="$checks" "$file" -- "$@" "${include[@]}" 2>&1) || status=$?
  # A crash leaves hundreds of frames.
  grep -vE '^[0-9]+ (warning|error)s?( and [0-9]+ errors?)? generated\.$|^Error while processing |^ *#[0-9]+ ' <<<"$said" | grep .
  [ "$status" = 0 ] || grep -q ': error: ' <<<"$said" || echo "$file:1:1: error: clang-tidy ended with status $status"
}
export -f tidy

# check FILE…: what cppcheck finds, which says a suppression that nothing needs, too, and what it could not look at. tests/cppcheck.h
# has the macros of libraries: in a -D it takes what follows a ; for another symbol, knows no value for it, and checks nothing.
check() {
  cppcheck --quiet --std=c11 --library=posix --library=gnu --enable=warning,performance,portability,information --inline-suppr \
    --suppressions-list=tests/cppcheck.txt -j "$(nproc)" -D__x86_64__ --include=tests/cppcheck.h -I. -Iinclude "$@" 2>&1 ||
    echo "$1:1:1: error: cppcheck ended with status $?"
}

# Who does not find the fault that is there would find none anywhere.
for tool in clang-tidy cppcheck; do
  command -v "$tool" >/dev/null || die "there is no $tool here: apt install $tool"
done
[ ${#files[@]} -gt 0 ] || die "no files in $PWD"
tidy tests/lint_fault.c "${flags[@]}" >"$log"
grep -qF '[clang-analyzer-core.NullDereference' "$log" || die "clang-tidy does not see the fault in tests/lint_fault.c: $(cat "$log")"
check tests/lint_fault.c >"$log"
grep -qF '[nullPointer]' "$log" || die "cppcheck does not see the fault in tests/lint_fault.c: $(cat "$log")"

printf '%s\0' "${files[@]}" | xargs -0 -I{} -P "$(nproc)" bash -c 'tidy "$@"' - {} "${flags[@]}" >"$log"
check "${files[@]}" >>"$log"
[ $# = 0 ] || sed -i '/\[unmatchedSuppression\]$/d' "$log" # FILEs alone do not need all of them
sed -i '/^$/d' "$log"
cat "$log"
findings=$(grep -cE '^[^ ]+: (warning|error|style|performance|portability|information): ' "$log")
echo "${#files[@]} files, $findings findings"
[ ! -s "$log" ]
