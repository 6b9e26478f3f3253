/* SPDX-License-Identifier: Apache-2.0 */
/* A source of samples over a list of paths, which keeps account of them, and flushes or fails where a test
 * wants it. */
#ifndef MR_TESTS_LIST_SOURCE_H
#define MR_TESTS_LIST_SOURCE_H

#include "tests/shared.h"

#include "pipeline/load/loader.h"

typedef struct list_source {
    const char *const *list;
    int count, place;
    int flush_every; /* 0: never */
    int fail_at;     /* the place whose next() fails; -1: none */
    bool flushed;
    int taken; /* the reader thread's */
    _Atomic int given_back;
} list_source;

static inline int list_next(void *context, mr_source_item *out, mr_error *e)
{
    list_source *s = context;
    if (s->place == s->fail_at)
        return mr_fail(e, MR_EIO, "the list is torn");
    if (s->flush_every && s->place && s->place % s->flush_every == 0 && !s->flushed) {
        s->flushed = true;
        return MR_SOURCE_FLUSH;
    }
    if (s->place == s->count)
        return 0;
    s->flushed = false;
    uint32_t epoch = s->flush_every ? (uint32_t)(s->place / s->flush_every) : 0;
    *out = (mr_source_item){.path = s->list[s->place], .label = -1, .id = (uint64_t)s->place, .epoch = epoch};
    s->place++;
    s->taken++;
    return 1;
}

static inline void list_release(void *context, const char *path)
{
    list_source *s = context;
    assert_non_null(path);
    s->given_back++;
}

static inline mr_source face_of(list_source *s)
{
    return (mr_source){.next = list_next, .release = list_release, .context = s};
}

static inline list_source list_of(const char *const *list, int count)
{
    return (list_source){.list = list, .count = count, .fail_at = -1};
}

#endif
