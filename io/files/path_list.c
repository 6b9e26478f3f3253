/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/path_list.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, LONGEST = 1 << 20 };

struct mr_path_list {
    int fd;
    bool known, ended; /* known: what ends a name */
    bool begun;        /* the first bytes have been looked at */
    char ending;
    size_t begin, end, capacity; /* bytes begin … end of BYTES are not given out yet */
    char *bytes;
    mr_error failure; /* code 0: none */
};

int mr_path_list_create(mr_path_list **out, int fd, bool nul_ended, mr_error *e)
{
    mr_path_list *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l || !(l->bytes = malloc(CHUNK + 1))) {
        free(l);
        return mr_no_memory(e, "the list of paths");
    }
    l->fd = fd;
    l->known = l->begun = nul_ended;
    l->capacity = CHUNK;
    *out = l;
    return 0;
}

void mr_path_list_free(mr_path_list *l)
{
    if (!l)
        return;
    free(l->bytes);
    free(l);
}

/* Room behind what is there: moved to the front, or grown. One byte more than the capacity is there for the
 * end of a last name. */
static int make_room(mr_path_list *l, mr_error *e)
{
    memmove(l->bytes, l->bytes + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    if (l->end < l->capacity)
        return 0;
    if (l->capacity >= LONGEST)
        return mr_fail(e, MR_ELIMIT, "the list of paths holds a name of over %d bytes", LONGEST);
    char *grown = realloc(l->bytes, 2 * l->capacity + 1);
    if (!grown)
        return mr_no_memory(e, "the list of paths");
    l->bytes = grown;
    l->capacity *= 2;
    return 0;
}

static int read_more(mr_path_list *l, mr_error *e)
{
    int status = make_room(l, e);
    if (status)
        return status;
    ssize_t n;
    do
        n = read(l->fd, l->bytes + l->end, l->capacity - l->end);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        return mr_fail_errno(e, errno, "cannot read the list of paths");
    l->ended = n == 0;
    l->end += (size_t)n;
    return 0;
}

/* Passes over the byte-order mark that editors on Windows begin a text with. False: there are too few bytes
 * yet to know, or the list cannot be read. */
static bool begin(mr_path_list *l)
{
    static const char mark[] = "\xef\xbb\xbf";
    const char *from = l->bytes + l->begin;
    size_t size = l->end - l->begin, n = size < 3 ? size : 3;
    if (l->begun)
        return true;
    if (size >= 2 && (!memcmp(from, "\xff\xfe", 2) || !memcmp(from, "\xfe\xff", 2)))
        return mr_hint(&l->failure, mr_fail(&l->failure, MR_EFORMAT, "the list of paths is UTF-16"),
                       "save it as UTF-8") == 0;
    bool marked = memcmp(from, mark, n) == 0;
    if (marked && n < 3 && !l->ended)
        return false;
    l->begin += marked && n == 3 ? 3 : 0;
    return l->begun = true;
}

static char *find_ending(mr_path_list *l)
{
    if (!begin(l))
        return NULL;
    char *from = l->bytes + l->begin;
    size_t size = l->end - l->begin;
    if (!l->known) {
        l->ending = memchr(from, '\0', size) ? '\0' : '\n';
        l->known = memchr(from, l->ending, size) != NULL;
    }
    return memchr(from, l->ending, size);
}

bool mr_path_list_ready(mr_path_list *l, int milliseconds)
{
    while (!l->failure.code && !l->ended && !find_ending(l)) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        if (poll(&p, 1, milliseconds) <= 0)
            return false;
        read_more(l, &l->failure);
    }
    return true;
}

int mr_path_list_next(mr_path_list *l, const char **path, mr_error *e)
{
    for (;;) {
        if (!mr_path_list_ready(l, -1))
            continue; /* a signal came */
        char *ending = find_ending(l);
        if (!ending && l->failure.code)
            return mr_fail_as(e, &l->failure);
        if (!ending && l->begin == l->end)
            return 0;
        if (!ending)
            ending = l->bytes + l->end++; /* the last name may lack its end */
        *ending = '\0';
        if (l->ending == '\n' && ending > l->bytes + l->begin && ending[-1] == '\r')
            ending[-1] = '\0'; /* Windows ends lines with both */
        *path = l->bytes + l->begin;
        l->begin = (size_t)(ending - l->bytes) + 1;
        return 1;
    }
}
