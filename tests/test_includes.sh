#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No file or room includes another in a circle, and none one above it; the test fails where either is planted.
. "$MILLRACE_SRC/tests/tap.sh"
graph() { "$python" "$MILLRACE_SRC/tests/include_graph.py" "$@"; }

sources() {
  rm -rf src && mkdir src
  (cd "$MILLRACE_SRC" && tar cf - include base nn io pipeline cli) | tar xf - -C src
}

this_tree() { "$python" -c '' || { echo "SKIP python3 is not installed"; return; }; graph "$MILLRACE_SRC"; }

upward_include() {
  sources
  echo '#include "cli/option/options.h"' >>src/base/text.c
  not graph src >found
  grep -qx 'base/text.c includes cli/option/options.h, which is on a floor above' found
}

circle_of_files() {
  sources
  echo '#include "base/csv.h"' >>src/base/text.h
  not graph src >found
  grep -qx 'files include each other: base/csv, base/text' found
}

circle_of_rooms() {
  sources
  echo '#include "io/model_file/model_file.h"' >>src/io/keras/slots_read.c
  not graph src >found
  grep -qx 'rooms include each other: io/keras, io/model_file' found
}

run_cases this_tree upward_include circle_of_files circle_of_rooms
