/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum {
    CHUNK = 1 << 18,
    FREE_BYTES = 16 << 20, /* a member may have these many … */
    MOST_RATIO = 20,       /* … and this many for each byte of the file */
    FIXED_TIME = 315532800 /* 1980-01-01, as Keras itself dates members */
};

struct mr_keras_zip {
    zip_t *zip;
    uint64_t bytes; /* of the whole file */
    char *path;
};

/* Opens a file, never a pipe or device: those might keep us waiting, and have no central directory. */
static int open_regular(int *out, const char *file, mr_error *e)
{
    struct stat info;
    int status = 0, fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *out = -1;
    if (fd < 0)
        return mr_fail_errno(e, errno, "cannot open '%s'", file);
    if (fstat(fd, &info))
        status = mr_fail_errno(e, errno, "cannot read '%s'", file);
    else if (!S_ISREG(info.st_mode))
        status = mr_hint(e, mr_fail(e, MR_EFORMAT, "'%s' is not a regular file", file),
                         "pipes and devices cannot hold a model: copy it into a file first");
    if (status)
        close(fd);
    else
        *out = fd;
    return status;
}

int mr_keras_is_zip(const char *file, mr_error *e)
{
    char start[4];
    int fd, status = open_regular(&fd, file, e);
    if (status)
        return status;
    ssize_t n = read(fd, start, sizeof start);
    if (n < 0)
        status = mr_fail_errno(e, errno, "cannot read '%s'", file);
    else
        status = n == sizeof start && !memcmp(start, "PK\3\4", 4);
    close(fd);
    return status;
}

/* --- reading -------------------------------------------------------------- */

/* Says why libzip failed: an error of the system is not damage of the file. */
static int fail_reason(mr_error *e, const char *file, zip_error_t *reason)
{
    int code = zip_error_code_zip(reason), sys = zip_error_code_system(reason);
    bool by_system = zip_error_system_type(reason) == ZIP_ET_SYS && sys;
    if (code == ZIP_ER_MEMORY)
        return mr_no_memory(e, "'%s'", file);
    if (by_system)
        return mr_fail_errno(e, sys, "cannot read '%s'", file);
    if (code == ZIP_ER_COMPNOTSUPP || code == ZIP_ER_ENCRNOTSUPP || code == ZIP_ER_NOPASSWD)
        return mr_fail(e, MR_EUNSUPPORTED, "'%s': unsupported zip file: %s", file,
                       zip_error_strerror(reason));
    return mr_fail(e, MR_EFORMAT, "'%s' is a damaged zip file: %s", file, zip_error_strerror(reason));
}

static int open_file(mr_keras_zip *z, const char *file, mr_error *e)
{
    struct stat info;
    zip_error_t reason;
    int code = 0, fd, status = open_regular(&fd, file, e);
    if (status)
        return status;
    if (fstat(fd, &info))
        status = mr_fail_errno(e, errno, "cannot read '%s'", file);
    else
        z->bytes = (uint64_t)info.st_size;
    if (!status && !(z->zip = zip_fdopen(fd, 0, &code))) {
        zip_error_init_with_code(&reason, code);
        status = fail_reason(e, file, &reason);
        zip_error_fini(&reason);
    }
    if (status)
        close(fd);
    return status;
}

static int open_bytes(mr_keras_zip *z, const char *what, const void *bytes, size_t size, mr_error *e)
{
    zip_error_t reason;
    zip_error_init(&reason);
    z->bytes = size;
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &reason);
    z->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &reason) : NULL;
    int status = z->zip ? 0 : fail_reason(e, what, &reason);
    if (status && source)
        zip_source_free(source);
    zip_error_fini(&reason);
    return status;
}

/* Two members of one name: readers differ in which one they take. */
static int check_names(const mr_keras_zip *z, mr_error *e)
{
    json_t *names = json_object();
    zip_int64_t count = zip_get_num_entries(z->zip, 0);
    int status = names ? 0 : mr_no_memory(e, "'%s'", z->path);
    for (zip_int64_t i = 0; i < count && !status; i++) {
        const char *name = zip_get_name(z->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        if (name && json_object_get(names, name))
            status = mr_fail(e, MR_EFORMAT, "'%s': two members are named '%s'", z->path, name);
        else if (name && json_object_set_new_nocheck(names, name, json_true()))
            status = mr_no_memory(e, "'%s'", z->path);
    }
    json_decref(names);
    return status;
}

int mr_keras_zip_open(mr_keras_zip **out, const char *file, const void *bytes, size_t size, mr_error *e)
{
    mr_keras_zip *z = calloc(1, sizeof *z);
    *out = NULL;
    if (!z)
        return mr_no_memory(e, "'%s'", file);
    z->path = strdup(file);
    int status = z->path ? 0 : mr_no_memory(e, "'%s'", file);
    if (!status)
        status = bytes ? open_bytes(z, file, bytes, size, e) : open_file(z, file, e);
    if (!status)
        status = check_names(z, e);
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
    if (!(info.valid & ZIP_STAT_SIZE))
        return mr_fail(e, MR_EFORMAT, "'%s': member '%s' has no stated size", z->path, name);
    if (info.size > FREE_BYTES && (info.size - FREE_BYTES) / MOST_RATIO > z->bytes)
        return mr_hint(e,
                       mr_fail(e, MR_ELIMIT,
                               "'%s': member '%s' is compressed too much: %llu bytes in a file of %llu, more "
                               "than %d:1 is not supported",
                               z->path, name, (unsigned long long)info.size, (unsigned long long)z->bytes,
                               MOST_RATIO),
                       "unpack it and zip it again without compression (zip -0)");
    *size = info.size;
    return 0;
}

static int member_failed(mr_keras_zip *z, const char *name, zip_error_t *reason, mr_error *e)
{
    int code = zip_error_code_zip(reason);
    if (code == ZIP_ER_MEMORY || zip_error_system_type(reason) == ZIP_ET_SYS)
        return fail_reason(e, z->path, reason);
    if (code == ZIP_ER_COMPNOTSUPP || code == ZIP_ER_ENCRNOTSUPP || code == ZIP_ER_NOPASSWD)
        return mr_fail(e, MR_EUNSUPPORTED, "'%s': unsupported member '%s': %s", z->path, name,
                       zip_error_strerror(reason));
    return mr_fail(e, MR_EFORMAT, "'%s': member '%s' is damaged: %s", z->path, name,
                   zip_error_strerror(reason));
}

/* Reads SIZE bytes into BYTES; one more try past the end makes libzip check the checksum. */
static int read_member(mr_keras_zip *z, const char *name, char *bytes, size_t size, mr_error *e)
{
    zip_file_t *member = zip_fopen(z->zip, name, 0);
    size_t done = 0;
    zip_int64_t n = 1;
    char beyond;
    if (!member)
        return member_failed(z, name, zip_get_error(z->zip), e);
    while (n > 0 && done < size) {
        n = zip_fread(member, bytes + done, size - done < CHUNK ? size - done : CHUNK);
        done += n > 0 ? (size_t)n : 0;
    }
    int status = 0;
    if (n >= 0 && done < size)
        status = mr_fail(e, MR_EFORMAT, "'%s': member '%s' is damaged: shorter than stated", z->path, name);
    else if (n >= 0)
        n = zip_fread(member, &beyond, 1);
    if (n < 0)
        status = member_failed(z, name, zip_file_get_error(member), e);
    else if (!status && n > 0)
        status = mr_fail(e, MR_EFORMAT, "'%s': member '%s' is damaged: longer than stated", z->path, name);
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
        return mr_no_memory(e, "'%s'", z->path);
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
