/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned long fuzz_accepted, fuzz_refused;

__attribute__((weak)) void fuzz_repair(uint8_t *data, size_t size)
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

const char *fuzz_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[40];
    if (fd >= 0)
        close(fd);
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
        fuzz_fail("no file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}
