/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum {
    CHUNK = 1 << 18,
    MAX_RATIO = 1100,      /* deflate cannot do better than 1032 : 1, so more is a lie */
    FIXED_TIME = 315532800 /* 1980-01-01, as Keras itself dates members */
};

struct mr_keras_zip {
    zip_t *zip;
    uint64_t bytes; /* of the whole file */
    char *path;
};

bool mr_keras_is_zip(const char *file)
{
    char start[4];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    bool zip = fd >= 0 && read(fd, start, sizeof start) == sizeof start && !memcmp(start, "PK\3\4", 4);
    if (fd >= 0)
        close(fd);
    return zip;
}

/* --- reading -------------------------------------------------------------- */

static int fail_code(mr_error *e, int code, const char *file, int zip_code)
{
    zip_error_t reason;
    zip_error_init_with_code(&reason, zip_code);
    mr_fail(e, code, "'%s' is a damaged zip file: %s", file, zip_error_strerror(&reason));
    zip_error_fini(&reason);
    return code;
}

static int open_file(mr_keras_zip *z, const char *file, mr_error *e)
{
    struct stat info;
    int code = 0;
    if (stat(file, &info))
        return mr_fail_errno(e, errno, "cannot open '%s'", file);
    z->bytes = (uint64_t)info.st_size;
    z->zip = zip_open(file, ZIP_RDONLY, &code);
    return z->zip ? 0 : fail_code(e, MR_EFORMAT, file, code);
}

static int open_bytes(mr_keras_zip *z, const char *what, const void *bytes, size_t size, mr_error *e)
{
    zip_error_t reason;
    zip_error_init(&reason);
    z->bytes = size;
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &reason);
    z->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &reason) : NULL;
    int status = z->zip ? 0 : fail_code(e, MR_EFORMAT, what, zip_error_code_zip(&reason));
    if (status && source)
        zip_source_free(source);
    zip_error_fini(&reason);
    return status;
}

int mr_keras_zip_open(mr_keras_zip **out, const char *file, const void *bytes, size_t size, mr_error *e)
{
    mr_keras_zip *z = calloc(1, sizeof *z);
    *out = NULL;
    if (!z)
        return mr_fail(e, MR_ENOMEM, "out of memory for '%s'", file);
    z->path = strdup(file);
    int status = z->path ? 0 : mr_fail(e, MR_ENOMEM, "out of memory for '%s'", file);
    if (!status)
        status = bytes ? open_bytes(z, file, bytes, size, e) : open_file(z, file, e);
    if (status)
        mr_keras_zip_close(z);
    else
        *out = z;
    return status;
}

void mr_keras_zip_close(mr_keras_zip *z)
{
    if (!z)
        return;
    if (z->zip)
        zip_discard(z->zip);
    free(z->path);
    free(z);
}

static int member_size(uint64_t *size, mr_keras_zip *z, const char *name, mr_error *e)
{
    zip_stat_t info;
    if (zip_stat(z->zip, name, 0, &info))
        return mr_fail(e, MR_ENOTFOUND, "'%s' has no member '%s'", z->path, name);
    if (!(info.valid & ZIP_STAT_SIZE) || info.size / MAX_RATIO > z->bytes)
        return mr_fail(e, MR_EFORMAT, "'%s': the size of member '%s' cannot be true", z->path, name);
    *size = info.size;
    return 0;
}

/* Reads SIZE bytes into BYTES; one more try past the end makes libzip check the checksum. */
static int read_member(mr_keras_zip *z, const char *name, char *bytes, size_t size, mr_error *e)
{
    zip_file_t *member = zip_fopen(z->zip, name, 0);
    size_t done = 0;
    int status = 0;
    char beyond;
    if (!member)
        return mr_fail(e, MR_EFORMAT, "'%s': cannot open member '%s': %s", z->path, name,
                       zip_strerror(z->zip));
    while (!status && done < size) {
        zip_int64_t n = zip_fread(member, bytes + done, size - done < CHUNK ? size - done : CHUNK);
        if (n > 0)
            done += (size_t)n;
        else
            status = mr_fail(e, MR_EFORMAT, "'%s': member '%s' is damaged: %s", z->path, name,
                             n < 0 ? zip_file_strerror(member) : "it ends early");
    }
    if (!status && zip_fread(member, &beyond, 1) != 0)
        status = mr_fail(e, MR_EFORMAT, "'%s': member '%s' is damaged: %s", z->path, name,
                         zip_file_strerror(member));
    zip_fclose(member);
    return status;
}

int mr_keras_zip_read(char **bytes, size_t *size, mr_keras_zip *z, const char *name, size_t limit,
                      mr_error *e)
{
    uint64_t stated = 0;
    *bytes = NULL;
    int status = member_size(&stated, z, name, e);
    if (!status && stated > limit)
        status = mr_fail(e, MR_ELIMIT, "'%s': member '%s' has more than %zu bytes", z->path, name, limit);
    if (status)
        return status;
    char *block = malloc((size_t)stated + 1);
    if (!block)
        return mr_fail(e, MR_ENOMEM, "out of memory for '%s'", z->path);
    status = read_member(z, name, block, (size_t)stated, e);
    if (status) {
        free(block);
        return status;
    }
    block[stated] = '\0';
    *bytes = block;
    *size = (size_t)stated;
    return 0;
}

/* --- writing -------------------------------------------------------------- */

static zip_source_t *source_of(zip_t *zip, const mr_keras_member *m)
{
    return m->text ? zip_source_buffer(zip, m->text, strlen(m->text), 0)
                   : zip_source_file(zip, m->path, 0, -1);
}

static int add_member(zip_t *zip, const char *file, const mr_keras_member *m, mr_error *e)
{
    zip_source_t *source = source_of(zip, m);
    zip_int64_t index = source ? zip_file_add(zip, m->name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (source && index < 0)
        zip_source_free(source);
    if (index < 0 || zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) ||
        zip_file_set_mtime(zip, (zip_uint64_t)index, FIXED_TIME, 0))
        return mr_fail(e, MR_EIO, "cannot write member '%s' of '%s': %s", m->name, file, zip_strerror(zip));
    return 0;
}

int mr_keras_zip_write(const char *file, const mr_keras_member *member, int count, mr_error *e)
{
    int code = 0, status = 0;
    zip_t *zip = zip_open(file, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!zip) {
        zip_error_t reason;
        zip_error_init_with_code(&reason, code);
        status = mr_fail(e, MR_EIO, "cannot create '%s': %s", file, zip_error_strerror(&reason));
        zip_error_fini(&reason);
        return status;
    }
    for (int i = 0; i < count && !status; i++)
        status = add_member(zip, file, &member[i], e);
    if (!status && zip_close(zip) == 0)
        return 0;
    if (!status)
        status = mr_fail(e, MR_EIO, "cannot write '%s': %s", file, zip_strerror(zip));
    zip_discard(zip);
    return status;
}
