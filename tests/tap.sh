# SPDX-License-Identifier: Apache-2.0
# Sourced by the shell tests: TAP lines, a folder of its own, and the program under test as `millrace`.
# A test case is a function; `run_cases a b c` runs them in turn. A case fails when it returns other than 0.
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
millrace() { "$MILLRACE_BUILD/millrace" "$@"; }

# A Python that has h5py: Debian's, where another one comes first.
python=python3
"$python" -c 'import h5py' 2>/dev/null || python=/usr/bin/python3

# not COMMAND…: fails where the command succeeds; a mere `!` would not end a case.
not() { ! "$@"; }

# Built with a sanitizer: what is about accuracy or speed has nothing to show there.
sanitized() { grep -q DMR_SANITIZED "$MILLRACE_BUILD/Makefile"; }

thread_sanitized() { grep -q fsanitize=thread "$MILLRACE_BUILD/Makefile"; }

# The exit status of a command whose output goes to out and err.
status_of() { "$@" >out 2>err; echo $?; }

# keras_rules FILE…: the model files keep the rules by which Keras reads them; not looked at where there is no h5py.
keras_rules() { ! "$python" -c 'import h5py, numpy' 2>/dev/null || "$python" "$MILLRACE_SRC/tests/keras_rules.py" "$@"; }

# expect STATUS TEXT COMMAND…: its exit status, and one line on standard error that holds TEXT.
expect() {
  local want=$1 text=$2 got; shift 2
  got=$(status_of "$@")
  [ "$got" = "$want" ] || { echo "# $*: exit status $got, not $want: $(tail -1 err)"; return 1; }
  grep -qF -- "$text" err || { echo "# $*: '$text' is not said: $(tail -1 err)"; return 1; }
  [ "$want" != 2 ] && [ "$want" != 1 ] || [ "$(grep -c '^millrace: ' err)" = 1 ] || { echo "# $*: not one line: $(cat err)"; return 1; }
}

run_cases() {
  local n=0 case status
  echo "1..$#"
  for case in "$@"; do
    n=$((n + 1))
    ( set -e; "$case" ) >case.log 2>&1 # in a condition, bash would ignore the -e
    status=$?
    if [ $status = 0 ]; then
      grep -q '^SKIP' case.log && echo "ok $n - $case # SKIP $(sed -n 's/^SKIP *//p' case.log | head -1)" || echo "ok $n - $case"
    else
      sed 's/^/# /' case.log | tail -20
      echo "not ok $n - $case"
    fi
  done
}
