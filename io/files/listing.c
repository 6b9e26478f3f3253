/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/listing.h"

#include "base/list.h"
#include "io/files/name_runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct mr_listing {
    size_t most;
    char *text; /* names behind one another, each ended by NUL; a folder's ends in a slash */
    size_t used, text_capacity;
    size_t *place; /* [count] where each begins; once sorted: name */
    const char **name;
    size_t count, next;
    mr_name_runs *runs; /* where there were more */
};

static int no_memory(const char *dir, mr_error *e)
{
    return mr_no_memory(e, "the names in %s", dir);
}

/* --- gathering ---------------------------------------------------------------------- */

static bool reserve(mr_listing *l, size_t size)
{
    if (l->used + size > l->text_capacity) {
        size_t capacity = l->text_capacity ? 2 * l->text_capacity : 4096;
        char *grown = realloc(l->text, capacity);
        if (!grown)
            return false;
        l->text = grown;
        l->text_capacity = capacity;
    }
    if (!mr_list_grow(&l->place, l->count, sizeof *l->place))
        return false;
    return true;
}

static bool keep(mr_listing *l, const char *name, bool folder)
{
    size_t length = strlen(name);
    if (!reserve(l, length + 2))
        return false;
    char *to = l->text + l->used;
    l->place[l->count++] = l->used;
    memcpy(to, name, length);
    if (folder)
        to[length++] = '/';
    to[length] = '\0';
    l->used += length + 1;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Places become pointers, now that the text no longer moves. */
static bool sort(mr_listing *l)
{
    l->name = malloc((l->count + 1) * sizeof *l->name);
    for (size_t i = 0; l->name && i < l->count; i++)
        l->name[i] = l->text + l->place[i];
    if (l->name && l->count)
        qsort(l->name, l->count, sizeof *l->name, by_bytes);
    return l->name != NULL;
}

/* What was gathered goes out as a run, and the gathering begins anew. */
static int spill(mr_listing *l, const char *dir, mr_error *e)
{
    int status = l->runs ? 0 : mr_name_runs_create(&l->runs, e);
    if (!status && !sort(l))
        status = no_memory(dir, e);
    if (!status && l->count)
        status = mr_name_runs_add(l->runs, l->name, l->count, e);
    free(l->name);
    l->name = NULL;
    l->used = l->count = 0;
    return status;
}

static bool is_folder(int dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir, entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int take(mr_listing *l, const char *dir, const char *name, bool folder, mr_error *e)
{
    size_t used = l->used + NAME_MAX + 2 + l->count * (sizeof *l->place + sizeof *l->name);
    int status = used > l->most ? spill(l, dir, e) : 0;
    return status || keep(l, name, folder) ? status : no_memory(dir, e);
}

static int read_all(mr_listing *l, DIR *d, const char *dir, mr_listing_filter *wanted, void *context,
                    mr_error *e)
{
    const struct dirent *entry;
    int status = 0;
    for (errno = 0; !status && (entry = readdir(d)); errno = 0) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        bool folder = is_folder(dirfd(d), entry);
        int want = wanted(context, entry->d_name, folder, e);
        status = want == 1 ? take(l, dir, entry->d_name, folder, e) : want;
    }
    return !status && errno ? mr_fail_errno(e, errno, "cannot read folder %s", dir) : status;
}

/* --- giving out --------------------------------------------------------------------- */

static int put_in_order(mr_listing *l, const char *dir, mr_error *e)
{
    if (!l->runs)
        return sort(l) ? 0 : no_memory(dir, e);
    int status = spill(l, dir, e);
    free(l->text);
    free(l->place);
    l->text = NULL;
    l->place = NULL;
    return status ? status : mr_name_runs_rewind(l->runs, e);
}

int mr_listing_open(mr_listing **out, const char *dir, mr_listing_filter *wanted, void *context, size_t most,
                    mr_error *e)
{
    *out = NULL;
    DIR *d = opendir(dir);
    if (!d && (errno == EMFILE || errno == ENFILE)) /* no fault of the folder's */
        return mr_fail(e, MR_ENOMEM, "cannot open folder %s: %s", dir, strerror(errno));
    if (!d)
        return mr_fail_errno(e, errno, "cannot open folder %s", dir);
    mr_listing *l = calloc(1, sizeof *l);
    int status = l ? 0 : no_memory(dir, e);
    if (!status) {
        l->most = most ? most : MR_LISTING_BYTES;
        status = read_all(l, d, dir, wanted, context, e);
    }
    closedir(d);
    if (!status)
        status = put_in_order(l, dir, e);
    if (status)
        mr_listing_close(l);
    else
        *out = l;
    return status;
}

int mr_listing_next(mr_listing *l, const char **name, bool *folder, mr_error *e)
{
    char *text = NULL;
    int status = 1;
    if (l->runs)
        status = mr_name_runs_next(l->runs, &text, e);
    else if (l->next < l->count)
        text = (char *)l->name[l->next++];
    if (!text || status < 1)
        return status < 0 ? status : 0;
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
    mr_name_runs_destroy(l->runs);
    free(l->text);
    free(l->place);
    free(l->name);
    free(l);
}
