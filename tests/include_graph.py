#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where files include each other in a circle, or a room includes one above it.

A file and its header (x.c, x.h) are one unit. FLOORS lists the rooms from the bottom up: a file may include
its own room and the floors below. Folders that are not named belong to their parent's floor, and may not
include each other in circles either. usage: include_graph.py SOURCE_FOLDER"""
import os
import re
import sys

FLOORS = [
    'include', 'base',
    'nn/kernels', 'nn/compute', 'nn/graph', 'nn/layers', 'nn',
    'io',
    'pipeline/queue', 'pipeline',
    'cli/option', 'cli/process', 'cli/show', 'cli/setup', 'cli/command', 'cli',
]
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.M)


def floor(path):
    """The number of the innermost listed folder that PATH lies in."""
    inside = [f for f in FLOORS if path.startswith(f + '/')]
    return FLOORS.index(max(inside, key=len))


def includes(top):
    """{(file, included file)}, both below TOP."""
    files = {os.path.relpath(os.path.join(folder, name), top)
             for room in ('include', 'base', 'nn', 'io', 'pipeline', 'cli')
             for folder, _, names in os.walk(os.path.join(top, room))
             for name in names if name.endswith(('.c', '.h'))}
    found = set()
    for file in files:
        with open(os.path.join(top, file), encoding='utf-8') as text:
            for name in INCLUDE.findall(text.read()):
                found |= {(file, target) for target in (name, 'include/' + name) if target in files}
    return found


def circles(arrows):
    """Sets of nodes that reach each other: strongly connected components (Tarjan)."""
    graph, index, low, stack, found = {}, {}, {}, [], []
    for a, b in arrows:
        if a != b:
            graph.setdefault(a, set()).add(b)

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph.get(v, ()):
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            part = stack[stack.index(v):]
            del stack[stack.index(v):]
            if len(part) > 1:
                found.append(sorted(part))

    sys.setrecursionlimit(10000)
    for v in sorted(graph):
        if v not in index:
            visit(v)
    return found


def main():
    arrows = includes(sys.argv[1])
    errors = [f'{a} includes {b}, which is on a floor above' for a, b in sorted(arrows) if floor(b) > floor(a)]
    errors += ['files include each other: ' + ', '.join(c)
               for c in circles({(os.path.splitext(a)[0], os.path.splitext(b)[0]) for a, b in arrows})]
    errors += ['rooms include each other: ' + ', '.join(c)
               for c in circles({(os.path.dirname(a), os.path.dirname(b)) for a, b in arrows})]
    print('\n'.join(errors) or f'{len(arrows)} includes, no circle, none upwards')
    return bool(errors)


if __name__ == '__main__':
    sys.exit(main())
