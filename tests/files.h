/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary folders and whole files, for tests. */
#ifndef MR_TESTS_FILES_H
#define MR_TESTS_FILES_H

#include "tests/shared.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

/* The whole file, malloc'ed, or NULL. */
static inline uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

/* A new folder; the path is static, one at a time. */
static inline const char *temporary_folder(void)
{
    static char path[256];
    const char *root = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/millrace-test-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* "DIR/NAME" in one of 64 static buffers in turn. */
static inline const char *below(const char *dir, const char *name)
{
    static char paths[64][512];
    static int turn;
    char *path = paths[turn++ & 63];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* Writes SIZE bytes, making the folders above. */
static inline void write_file(const char *path, const void *bytes, size_t size)
{
    char above[512];
    snprintf(above, sizeof above, "%s", path);
    for (char *slash = strchr(above + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(above, 0777) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

#endif
