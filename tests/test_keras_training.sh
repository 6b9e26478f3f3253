#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Training that equals Keras's, through the program: each step, what is left at the end, and going on in the middle.
. "$MILLRACE_SRC/tests/tap.sh"

golden=$MILLRACE_SHARED/golden/training
with_material() {
  [ -d "$golden" ] || { echo "SKIP no ../shared/golden/training"; return 0; }
  "$python" "$MILLRACE_SRC/tests/keras_training.py" "$1" "$MILLRACE_BUILD/millrace" "$golden"
}
every_step_is_keras_s() { with_material steps; }
two_halves_are_the_whole() { with_material halves; }

run_cases every_step_is_keras_s two_halves_are_the_whole
