/* SPDX-License-Identifier: Apache-2.0 */
#include "io/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct mr_listing {
    char *text; /* names behind one another, each ended by NUL; a folder's ends in a slash */
    size_t used, text_capacity;
    uint32_t *place; /* [count] where each begins */
    size_t count, capacity, next;
};

static int no_memory(const char *dir, mr_error *e)
{
    return mr_fail(e, MR_ENOMEM, "no memory for the names in %s", dir);
}

static bool reserve(mr_listing *l, size_t size)
{
    if (l->used + size > l->text_capacity) {
        size_t capacity = l->text_capacity ? 2 * l->text_capacity : 4096;
        char *grown = capacity <= UINT32_MAX ? realloc(l->text, capacity) : NULL;
        if (!grown)
            return false;
        l->text = grown;
        l->text_capacity = capacity;
    }
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        uint32_t *grown = reallocarray(l->place, capacity, sizeof *grown);
        if (!grown)
            return false;
        l->place = grown;
        l->capacity = capacity;
    }
    return true;
}

static bool keep(mr_listing *l, const char *name, bool folder)
{
    size_t length = strlen(name);
    if (!reserve(l, length + 2))
        return false;
    char *to = l->text + l->used;
    l->place[l->count++] = (uint32_t)l->used;
    memcpy(to, name, length);
    if (folder)
        to[length++] = '/';
    to[length] = '\0';
    l->used += length + 1;
    return true;
}

static bool is_folder(int dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir, entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int read_all(mr_listing *l, DIR *d, const char *dir, mr_listing_filter *wanted, void *context,
                    mr_error *e)
{
    const struct dirent *entry;
    for (errno = 0; (entry = readdir(d)); errno = 0) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        bool folder = is_folder(dirfd(d), entry);
        if (wanted(context, entry->d_name, folder) && !keep(l, entry->d_name, folder))
            return no_memory(dir, e);
    }
    return errno ? mr_fail_errno(e, errno, "cannot read folder %s", dir) : 0;
}

static int by_bytes(const void *a, const void *b, void *text)
{
    return strcmp((const char *)text + *(const uint32_t *)a, (const char *)text + *(const uint32_t *)b);
}

int mr_listing_open(mr_listing **out, const char *dir, mr_listing_filter *wanted, void *context, mr_error *e)
{
    *out = NULL;
    DIR *d = opendir(dir);
    if (!d)
        return mr_fail_errno(e, errno, "cannot open folder %s", dir);
    mr_listing *l = calloc(1, sizeof *l);
    int status = l ? read_all(l, d, dir, wanted, context, e) : no_memory(dir, e);
    closedir(d);
    if (status) {
        mr_listing_close(l);
        return status;
    }
    if (l->count)
        qsort_r(l->place, l->count, sizeof *l->place, by_bytes, l->text);
    *out = l;
    return 0;
}

int mr_listing_next(mr_listing *l, const char **name, bool *folder, mr_error *e)
{
    (void)e;
    if (l->next == l->count)
        return 0;
    char *text = l->text + l->place[l->next++];
    size_t length = strlen(text);
    *folder = text[length - 1] == '/';
    if (*folder)
        text[length - 1] = '\0';
    *name = text;
    return 1;
}

void mr_listing_close(mr_listing *l)
{
    if (!l)
        return;
    free(l->text);
    free(l->place);
    free(l);
}
