#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The queue's protocol (tests/model/queue.pml), searched to its end by Spin: no thread sleeps for ever, nothing is lost,
# every run ends (under weak fairness); and each model that is broken on purpose is found out.
. "$MILLRACE_SRC/tests/tap.sh"

command -v spin >/dev/null && command -v "${CC:=cc}" >/dev/null || { echo "1..0 # SKIP no spin, or no compiler"; exit 0; }
! sanitized || { echo "1..0 # SKIP Spin's program is none of ours"; exit 0; }

# search FLAVOUR DEFINES…: what Spin's verifier says, in `said`.
search() {
  local flavour=$1 compile run; shift
  case $flavour in
    safety) compile="-DSAFETY -DNOCLAIM" run="-m1000000" ;; # invalid end states and assertions
    liveness) compile="-DNFAIR=3" run="-a -f -N ends -m1000000" ;;
  esac
  spin -a "$@" "$MILLRACE_SRC/tests/model/queue.pml" >said
  "$CC" -O2 -w $compile -DMEMLIM=3000 -o pan pan.c
  ./pan $run >said
}

holds() {
  search "$@"
  grep -E 'states, stored|errors:' said
  grep -q 'errors: 0$' said && not grep -qE 'max search depth too small|out of memory|interrupted' said
}

fails() {
  local text=$1; shift
  search safety "$@"
  grep -q "^pan:1: $text" said && not grep -q 'errors: 0$' said
}

# sizes P C A N: producers, consumers, aborts, items of each producer.
sizes() { echo "-DPRODUCERS=$1 -DCONSUMERS=$2 -DABORTS=$3 -DITEMS=$4"; }

many_to_many_close() { holds safety $(sizes 2 2 0 1); }
one_to_many_close() { holds safety $(sizes 1 3 0 2); }
many_to_one_close() { holds safety $(sizes 2 1 0 3); }
one_to_many_abort() { holds safety $(sizes 1 2 1 2); }
every_run_with_a_close_ends() { holds liveness $(sizes 1 2 0 3); }
every_run_with_an_abort_ends() { holds liveness $(sizes 1 1 1 3); }
long_many_to_many_close() { holds safety $(sizes 2 2 0 2); }
long_many_to_many_abort() { holds safety $(sizes 2 2 1 1); }
without_a_second_try_one_sleeps() { fails "invalid end state" -DBROKEN=1 $(sizes 1 2 0 3); }
where_close_wakes_one_another_sleeps() { fails "invalid end state" -DBROKEN=2 $(sizes 1 2 0 3); }
sleep_without_comparing_is_for_ever() { fails "invalid end state" -DBROKEN=3 $(sizes 1 2 0 3); }
abort_must_wake_producers() { fails "invalid end state" -DBROKEN=4 $(sizes 2 1 1 3); }

cases="many_to_many_close one_to_many_close many_to_one_close one_to_many_abort every_run_with_a_close_ends
  every_run_with_an_abort_ends without_a_second_try_one_sleeps where_close_wakes_one_another_sleeps
  sleep_without_comparing_is_for_ever abort_must_wake_producers"
[ -z "$MILLRACE_LONG" ] || cases="$cases long_many_to_many_close long_many_to_many_abort"
run_cases $cases
