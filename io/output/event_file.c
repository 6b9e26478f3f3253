/* SPDX-License-Identifier: Apache-2.0 */
#include "io/output/event_file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct mr_event_file {
    int fd;
    char *path;
    mr_text values; /* the Summary of the next event, encoded */
    mr_error error; /* the first; code 0: none */
};

/* ---- protobuf -------------------------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */
/* Field numbers. Event, then the messages in it. */
enum { WALL_TIME = 1, STEP = 2, FILE_VERSION = 3, SUMMARY = 5, SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, SESSION_STATUS = 1, SESSION_START = 1 };

static void put_varint(mr_text *t, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        mr_text_append_char(t, (char)(v | 128));
    mr_text_append_char(t, (char)v);
}

static void put_little_endian(mr_text *t, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        mr_text_append_char(t, (char)(v >> 8 * i));
}

static void put_key(mr_text *t, int field, int wire)
{
    put_varint(t, (uint64_t)(field << 3 | wire));
}

static void put_bytes(mr_text *t, int field, const void *bytes, size_t size)
{
    put_key(t, field, BYTES);
    put_varint(t, size);
    mr_text_append_bytes(t, bytes, size);
}

static void put_double(mr_text *t, int field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(t, field, FIXED64);
    put_little_endian(t, bits, 8);
}

static void put_float(mr_text *t, int field, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(t, field, FIXED32);
    put_little_endian(t, bits, 4);
}

/* ---- records --------------------------------------------------------------------- */

/* Bit by bit: it is some hundred bytes an epoch. */
uint32_t mr_crc32c(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= b[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* TFRecord stores checksums so, since a checksum of data that hold their own checksum is weak. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void fail(mr_event_file *f, int number)
{
    if (!f->error.code)
        mr_fail_errno(&f->error, number ? number : EIO, "cannot write %s", f->path);
}

static void put_record(mr_text *out, const mr_text *event)
{
    mr_text length = {0};
    put_little_endian(&length, event->length, 8);
    mr_text_append_bytes(out, mr_text_string(&length), length.length);
    put_little_endian(out, masked(mr_crc32c(mr_text_string(&length), length.length)), 4);
    mr_text_append_bytes(out, mr_text_string(event), event->length);
    put_little_endian(out, masked(mr_crc32c(mr_text_string(event), event->length)), 4);
    out->failed |= length.failed || event->failed;
    mr_text_destroy(&length);
}

/* Writes EVENT as a record, with one call: a reader that looks on sees it whole. Frees EVENT. */
static void write_event(mr_event_file *f, mr_text *event)
{
    mr_text record = {0};
    if (!f->error.code) {
        put_record(&record, event);
        mr_text_check(&record, f->path, &f->error);
    }
    for (size_t at = 0; at < record.length && !f->error.code;) {
        ssize_t n = write(f->fd, record.data + at, record.length - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            fail(f, errno);
    }
    mr_text_destroy(&record);
    mr_text_destroy(event);
}

static mr_text new_event(void)
{
    mr_text t = {0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put_double(&t, WALL_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    return t;
}

/* ---- events ---------------------------------------------------------------------- */

static void write_head(mr_event_file *f, int64_t first_step)
{
    static const char version[] = "brain.Event:2";
    mr_text event = new_event(), start = {0};
    put_bytes(&event, FILE_VERSION, version, strlen(version));
    write_event(f, &event);
    put_key(&start, SESSION_STATUS, VARINT);
    put_varint(&start, SESSION_START);
    event = new_event();
    put_key(&event, STEP, VARINT);
    put_varint(&event, (uint64_t)first_step);
    put_bytes(&event, SESSION_LOG, mr_text_string(&start), start.length);
    write_event(f, &event);
    mr_text_destroy(&start);
}

/* TensorBoard looks for "tfevents" in the name; the time in front puts the files of a folder in order. */
static int open_new(mr_event_file *f, const char *dir, mr_error *e)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    for (char *p = host; *p; p++)
        *p = *p == '/' ? '_' : *p;
    if (mkdir(dir, 0777) && errno != EEXIST)
        return mr_fail_errno(e, errno, "cannot make the folder %s", dir);
    if (asprintf(&f->path, "%s/events.out.tfevents.%010lld.%s.%ld.v2", dir, (long long)time(NULL),
                 *host ? host : "localhost", (long)getpid()) < 0) {
        f->path = NULL;
        return mr_no_memory(e, "an event file");
    }
    f->fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return f->fd < 0 ? mr_fail_errno(e, errno, "cannot write %s", f->path) : 0;
}

int mr_event_file_create(mr_event_file **out, const char *dir, int64_t first_step, mr_error *e)
{
    *out = NULL;
    mr_event_file *f = calloc(1, sizeof *f);
    if (!f)
        return mr_no_memory(e, "an event file");
    f->fd = -1;
    int status = open_new(f, dir, e);
    if (status) {
        mr_event_file_close(f, NULL);
        return status;
    }
    write_head(f, first_step);
    *out = f;
    return 0;
}

void mr_event_file_add(mr_event_file *f, const char *tag, double value)
{
    mr_text v = {0};
    put_bytes(&v, VALUE_TAG, tag, strlen(tag));
    put_float(&v, VALUE_SIMPLE, (float)value);
    put_bytes(&f->values, SUMMARY_VALUE, mr_text_string(&v), v.length);
    f->values.failed |= v.failed;
    mr_text_destroy(&v);
}

void mr_event_file_write(mr_event_file *f, int64_t step)
{
    mr_text event = new_event();
    put_key(&event, STEP, VARINT);
    put_varint(&event, (uint64_t)step);
    put_bytes(&event, SUMMARY, mr_text_string(&f->values), f->values.length);
    event.failed |= f->values.failed;
    write_event(f, &event);
    mr_text_clear(&f->values);
}

int mr_event_file_close(mr_event_file *f, mr_error *e)
{
    if (!f)
        return 0;
    if (f->fd >= 0 && close(f->fd))
        fail(f, errno);
    int status = f->error.code;
    if (status && e)
        *e = f->error;
    mr_text_destroy(&f->values);
    free(f->path);
    free(f);
    return status;
}
