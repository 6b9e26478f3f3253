#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which lines of nn/, io/ and pipeline/ ran, of a build with --coverage whose tests have run.
   coverage.py BUILD_FOLDER SOURCE_FOLDER [LEAST_PERCENT]
A line counts once, however many programs and variants (float, double) contain it; those of objects that no program
ran count, too. Prints a table of the folders, the files below 90%, and the lines that did not run into coverage.txt of
the build folder. Fails where a folder has less than LEAST_PERCENT, or no lines at all."""
import collections
import json
import os
import subprocess
import sys

FOLDERS = ("nn", "io", "pipeline")


def records(build):
    """gcov's own JSON, one document for each object file."""
    for folder, _, names in os.walk(build):
        notes = [os.path.join(folder, name) for name in names if name.endswith(".gcno")]
        if notes:
            text = subprocess.run(["gcov", "--json-format", "--stdout", *notes], cwd=build, check=True, capture_output=True, text=True).stdout
            yield from (json.loads(line) for line in text.splitlines() if line.startswith("{"))


def count_lines(build, source):
    hits = collections.defaultdict(dict)  # {file: {line: ran}}
    for record in records(build):
        for unit in record["files"]:
            path = os.path.relpath(os.path.join(record["current_working_directory"], unit["file"]), source)
            if path.split(os.sep)[0] not in FOLDERS:
                continue
            for line in unit["lines"]:
                lines = hits[path]
                lines[line["line_number"]] = lines.get(line["line_number"], False) or line["count"] > 0
    return hits


def percent(ran, total):
    return 100.0 * ran / total if total else 0.0


def main():
    build, source = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
    least = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    hits = count_lines(build, source)
    with open(os.path.join(build, "coverage.txt"), "w") as out:
        for path in sorted(hits):
            missed = [str(n) for n in sorted(hits[path]) if not hits[path][n]]
            out.write(f"{percent(sum(hits[path].values()), len(hits[path])):6.1f}% {path}: {' '.join(missed)}\n")
    low = False
    for folder in FOLDERS:
        files = {p: l for p, l in hits.items() if p.startswith(folder + os.sep)}
        ran, total = sum(sum(l.values()) for l in files.values()), sum(len(l) for l in files.values())
        low = low or percent(ran, total) < least
        print(f"{folder + '/':10} {ran:6} of {total:6} lines  {percent(ran, total):5.1f}%")
    for path, lines in sorted(hits.items(), key=lambda item: percent(sum(item[1].values()), len(item[1]))):
        if percent(sum(lines.values()), len(lines)) < 90:
            print(f"  {percent(sum(lines.values()), len(lines)):5.1f}%  {path} ({len(lines) - sum(lines.values())} lines)")
    sys.exit(1 if low else 0)


main()
