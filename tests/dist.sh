#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make check-dist: two source archives of one commit, from two clones, folders, hours and umasks, are the same bytes.
#   tests/dist.sh SOURCE_FOLDER
set -euo pipefail
source=$(realpath "$1")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# archive NAME UMASK TIMEZONE
archive() {
  git clone -q "$source" "$work/$1"
  (umask "$2"; export TZ=$3; cd "$work/$1"; touch -d '2001-02-03' README.md
    autoreconf -fi >/dev/null 2>&1; mkdir build; cd build; ../configure -q; make -s dist >/dev/null; sha256sum millrace-*.tar.xz)
}
first=$(archive one 022 UTC) second=$(archive another/folder 077 Asia/Tokyo)
echo "$first"
[ "$first" = "$second" ] && echo "the same bytes" || { echo "$second"; echo "not the same bytes"; exit 1; }
