/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned long fuzz_accepted, fuzz_refused;

__attribute__((weak)) void fuzz_repair(uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
}

__attribute__((weak)) void fuzz_prepare(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
}

void fuzz_fail(const char *what)
{
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

/* Control characters, also those of two bytes in UTF-8, could move a terminal's cursor. */
static int is_one_line(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
            return 0;
    return 1;
}

void fuzz_judge(int status, const mr_error *e)
{
    if (status == 0) {
        fuzz_accepted++;
        if (e->code)
            fuzz_fail("success with an error record");
        return;
    }
    fuzz_refused++;
    if (status > 0 || e->code != status)
        fuzz_fail("status and error record disagree");
    if (strlen(e->message) < 8 || !is_one_line(e->message) || !is_one_line(e->hint))
        fuzz_fail("a refusal without one clear line");
}

uint32_t fuzz_take(fuzz_bytes *b, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes && b->size; i++, b->data++, b->size--)
        value |= (uint32_t)*b->data << (8 * i);
    return value;
}

int fuzz_int(fuzz_bytes *b, int low, int high)
{
    return low + (int)(fuzz_take(b, 2) % (uint32_t)(high - low + 1));
}

double fuzz_double(fuzz_bytes *b)
{
    uint64_t bits = fuzz_take(b, 4);
    double value;
    bits |= (uint64_t)fuzz_take(b, 4) << 32;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static char input_path[64];

static void remove_input(void)
{
    unlink(input_path);
}

/* libhdf5 asks for the real path of what it opens, so a file without a name (memfd) would be refused unread.
 * A new file each time: mr_hdf5_open knows files that it has checked by their inodes and times, and these may
 * change within one tick. */
const char *fuzz_file(const uint8_t *data, size_t size)
{
    if (!input_path[0]) {
        snprintf(input_path, sizeof input_path, "/dev/shm/millrace-fuzz-%ld.input", (long)getpid());
        atexit(remove_input);
    }
    remove_input();
    int fd = open(input_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
        fuzz_fail("no file in memory");
    close(fd);
    return input_path;
}
