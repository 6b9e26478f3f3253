/* SPDX-License-Identifier: Apache-2.0 */
/* What every test program starts from: cmocka's headers, and the paths of the material in ../shared. */
#ifndef MR_TESTS_SHARED_H
#define MR_TESTS_SHARED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Path of NAME below ../shared (MILLRACE_SHARED), or NULL where it is missing.
 * Uses one of four static buffers in turn. */
static inline const char *shared_path(const char *name)
{
    static char buffers[4][1024];
    static int turn;
    const char *root = getenv("MILLRACE_SHARED");
    char *path = buffers[turn++ & 3];
    if (!root)
        return NULL;
    snprintf(path, sizeof buffers[0], "%s/%s", root, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

/* The same, ending the test case as skipped where the file is missing. */
static inline const char *shared_or_skip(const char *name)
{
    const char *path = shared_path(name);
    if (!path)
        skip();
    return path;
}

#endif
