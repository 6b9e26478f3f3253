#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is installed, used as a stranger would: `make installcheck` (with the DESTDIR of the installation, if any).
#   installcheck.sh CC CXX BINDIR LIBDIR PKGCONFIGDIR EXAMPLES INSTALLED_EXAMPLES
# Without a compiler for C++ the header is not tried in it.
set -euo pipefail
cc=$1 cxx=$2 bin=${DESTDIR-}$3 lib=${DESTDIR-}$4 pc=${DESTDIR-}$5 examples=$(realpath "$6")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
export PKG_CONFIG_PATH=$pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
[ -z "${DESTDIR-}" ] || export PKG_CONFIG_SYSROOT_DIR=$DESTDIR
say() { printf 'installcheck: %s\n' "$*"; }
trap 'say "failed in line $LINENO"' ERR

[ "$("$bin/millrace" --version | head -1 | grep -o '[0-9][0-9.]*')" = "$(pkg-config --modversion millrace)" ]
say "$("$bin/millrace" --version | head -1), $(pkg-config --cflags --libs millrace)"
# What the library is made of is nobody else's business: without any other .pc file the flags are the same.
alone() { env -u PKG_CONFIG_PATH PKG_CONFIG_LIBDIR="$pc" pkg-config "$@" millrace; }
[ "$(alone --cflags --libs)" = "$(pkg-config --cflags --libs millrace)" ]
[[ "$(alone --static --libs)" = *-lmillrace*-lhdf5*-lopenblas*-lcairo*-lm* ]]
[ "$(alone --cflags | wc -w)" -le 1 ]
doc=$(dirname "${DESTDIR-}$7")
for file in README.md reliability.md architecture.md examples/classify.c; do [ -f "$doc/$file" ]; done
grep -o '](\([^)h][^)]*\))' "$doc/README.md" | tr -d '()]' | while read -r link; do [ -e "$doc/$link" ] || { say "README.md leads to no $link"; exit 1; }; done
$cc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror "$examples/classify.c" -o classify \
  $(pkg-config --cflags --libs millrace) -pthread
if command -v $cxx >/dev/null; then
  echo '#include <millrace/stream.h>
int main() { mr_stream_options o = mr_stream_options_default(); return o.batch_size != 32 || !mr_version()[0]; }' >header.cc
  $cxx -Wall -Wextra -Wpedantic -Werror header.cc -o header $(pkg-config --cflags --libs millrace)
  ./header
fi
hidden=$(nm -D --defined-only "$lib/libmillrace.so" | awk '$2 != "A" && $3 !~ /^mr_(version|stream_|result_free|preprocessing_default)/' | wc -l)
[ "$hidden" = 0 ]

"$bin/millrace" sample cells --count 60 --quiet
"$bin/millrace" train --data cells --model m.h5 --image-size 32x32 --stages 1 --filters 8,16 --epochs 1 --quiet
find cells -name '*.jpg' | LC_ALL=C sort >list
echo 'no image' >bad.jpg
{ cat list; echo bad.jpg; echo nowhere.jpg; } >more
"$bin/millrace" predict --model m.h5 --images - --max-errors 100% --quiet <more >predicted.csv 2>/dev/null || [ $? = 3 ]
./classify m.h5 <more >paths.tsv
./classify m.h5 --bytes <more >bytes.tsv
cmp paths.tsv bytes.tsv
# The program writes the shortest digits that read back as the same float, the client nine: as floats they are equal.
cut -f1,2 paths.tsv | cmp - <(tail -n +2 predicted.csv | awk -F, -v OFS='\t' '{ print $1, $2 == "" ? "-" : $2 }')
cat >equal.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    char a[64], b[64];
    int n = 0;
    for (; scanf("%63s %63s", a, b) == 2; n++)
        if (strtof(a, NULL) != strtof(b, NULL))
            return printf("%s is not %s\n", a, b), 1;
    return n != 120;
}
END
$cc equal.c -o equal
tail -n +2 predicted.csv | paste -d, - <(tr '\t' , <paths.tsv) | awk -F, '$6 == "ok" { print $4, $9; print $5, $10 }' | ./equal
[ "$(grep -c $'\t-\t' paths.tsv)" = 2 ]
./classify nowhere.h5 <list 2>err && exit 1
grep -q 'nowhere.h5' err
say "$(wc -l <paths.tsv) images, as millrace predict has them, from paths and from bytes"
