#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What quickstart takes for installed, with stand-ins for dpkg's programs.
. "$MILLRACE_SRC/tests/tap.sh"

mkdir bin
printf '#!/bin/sh\necho amd64\n' >bin/dpkg
printf '#!/bin/sh\ncat state\n' >bin/dpkg-query
chmod +x bin/*
eval "$(grep '^installed()' "$MILLRACE_SRC/quickstart")"
says() { printf '%s\n' "$@" >state; PATH=$PWD/bin:$PATH installed libhdf5-dev; }

installed_for_this_architecture() {
  says 'amd64 install ok installed'
  says 'arm64 install ok installed' 'amd64 install ok installed'
  says 'all install ok installed'
  says 'amd64 hold ok installed'
}
other_architectures_do_not_count() {
  not says 'arm64 install ok installed'
  not says 'amd64 deinstall ok config-files' 'arm64 install ok installed'
  not says 'amd64 install ok unpacked'
}

run_cases installed_for_this_architecture other_architectures_do_not_count
