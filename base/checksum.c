/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "checksums are of little endian numbers, as files store them");

uint64_t mr_checksum(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

/* The opaque name stands for the library's state itself. */
static XXH3_state_t *state(mr_checksum_stream *s)
{
    return (XXH3_state_t *)s;
}

int mr_checksum_begin(mr_checksum_stream **out, mr_error *e)
{
    XXH3_state_t *s = XXH3_createState();
    *out = (mr_checksum_stream *)s;
    if (!s)
        return mr_no_memory(e, "a checksum");
    XXH3_64bits_reset(s);
    return 0;
}

void mr_checksum_add(mr_checksum_stream *s, const void *bytes, size_t size)
{
    XXH3_64bits_update(state(s), bytes, size);
}

void mr_checksum_add_text(mr_checksum_stream *s, const char *text)
{
    mr_checksum_add(s, text, strlen(text) + 1);
}

void mr_checksum_add_number(mr_checksum_stream *s, int64_t v)
{
    mr_checksum_add(s, &v, sizeof v);
}

uint64_t mr_checksum_end(mr_checksum_stream *s)
{
    uint64_t sum = XXH3_64bits_digest(state(s));
    XXH3_freeState(state(s));
    return sum;
}
