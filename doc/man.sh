#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# man.sh MILLRACE COMMAND: the manual page of a command, made from what its --help prints, so that the two are one.
# COMMAND millrace: the page of the program itself.
set -eu
millrace=$1 command=$2
version=$("$millrace" --version | sed 's/millrace //')
escape() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"; }

if [ "$command" = millrace ]; then
  cat <<END
.TH MILLRACE 1 "" "millrace $version" "User Commands"
.SH NAME
millrace \- training and streaming inference of image classifiers on CPUs
.SH SYNOPSIS
.B millrace
.I COMMAND
[\fIOPTIONS\fR]
.SH DESCRIPTION
Trains image classifiers on folders of JPEG and PNG images, saves them as Keras model files with the preprocessing in
them, and runs whole directories through them.
.SH COMMANDS
END
  "$millrace" --help | sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)/\1 \2/p' | while read -r name text; do
    printf '.TP\n.BR millrace\\-%s (1)\n%s\n' "$name" "$(printf '%s' "$text" | escape)"
  done
else
  title=$(printf 'MILLRACE-%s' "$command" | tr '[:lower:]' '[:upper:]')
  "$millrace" "$command" --help | escape | awk -v title="$title" -v version="$version" -v command="$command" '
    NR == 1 { sub(/^usage: /, ""); synopsis = $0; next }
    NR == 3 { print ".TH " title " 1 \"\" \"millrace " version "\" \"User Commands\"\n.SH NAME\nmillrace\\-" command " \\- " $0
              print ".SH SYNOPSIS\n.nf\n" synopsis "\n.fi\n.SH DESCRIPTION\n.nf"; inside = 1; next }
    /^[A-Z].*:$/ { if (inside) print ".fi"; inside = 0; if (!options++) print ".SH OPTIONS"
                   sub(/:$/, ""); print ".SS " $0; next }
    inside { print; next }
    /^  [^ ]/ { line = substr($0, 3); at = match(line, /   */); text = ""
                  if (at) { text = substr(line, at); sub(/^ */, "", text); line = substr(line, 1, at - 1) }
                  print ".TP\n.B " line; if (text != "") print text; next }
    /^ /  { sub(/^ */, ""); print; next }'
fi
cat <<'END'
.SH EXIT STATUS
0 all done; 1 failed; 2 wrong usage; 3 done, but some inputs were skipped; 128+signal after SIGINT or SIGTERM, once a
checkpoint is on disk.
.SH SEE ALSO
.BR millrace (1)
END
