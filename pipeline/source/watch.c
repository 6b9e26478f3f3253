/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/source/watch.h"

#include "base/list.h"
#include "base/text.h"
#include "pipeline/source/path_bag.h"
#include "pipeline/source/path_set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 1 << 16, TURN = 100, ANNOUNCED = 4096, DEPTH_MAX = 256 };
#define WANTED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_ONLYDIR | IN_EXCL_UNLINK)

typedef struct folder {
    int watch; /* inotify's number for it */
    size_t root_length;
    char *path;
} folder;

typedef struct arrived {
    struct arrived *next;
    bool lost;    /* no file: events were lost */
    bool present; /* there at the start */
    char path[];
} arrived;

struct mr_watch { /* the thread that calls next() owns it */
    mr_watch_options options;
    int fd;
    folder *folders; /* [count], by rising watch */
    size_t count;
    arrived *oldest, **newest;
    mr_path_bag
        *announced; /* files found in a folder that arrived, with their times: their event may still come */
    mr_path_set *handled; /* what is passed over among the files present */
    bool starting;        /* the folders are being looked through for the first time */
    mr_text text;
    uint64_t items;
    dev_t avoid_device;
    ino_t avoid_inode;
    mr_error lost;    /* of the item given out last: events were lost */
    mr_error failure; /* why no more events come; code 0: they do */
    _Alignas(struct inotify_event) char events[EVENTS];
};

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "watch folders");
}

/* --- folders ------------------------------------------------------------------------------ */

/* Place of the folder WATCH, or where it belongs. */
static size_t place_of(const mr_watch *w, int watch)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->folders[middle].watch < watch)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static folder *find_folder(mr_watch *w, int watch)
{
    size_t at = place_of(w, watch);
    return at < w->count && w->folders[at].watch == watch ? &w->folders[at] : NULL;
}

static void forget_folder(mr_watch *w, folder *f)
{
    free(f->path);
    w->count--;
    memmove(f, f + 1, (size_t)(w->folders + w->count - f) * sizeof *f);
}

/* A folder that is watched already has only been given another name. */
static int remember_folder(mr_watch *w, int watch, const char *path, size_t root_length, mr_error *e)
{
    folder *known = find_folder(w, watch);
    char *copy = strdup(path);
    if (!copy)
        return no_memory(e);
    if (known) {
        free(known->path);
        *known = (folder){watch, root_length, copy};
        return 0;
    }
    if (!mr_list_grow(&w->folders, w->count, sizeof *w->folders)) {
        free(copy);
        return no_memory(e);
    }
    size_t at = place_of(w, watch);
    memmove(w->folders + at + 1, w->folders + at, (w->count - at) * sizeof *w->folders);
    w->folders[at] = (folder){watch, root_length, copy};
    w->count++;
    return 0;
}

/* PATH was moved away: it and what is below are no longer watched, or will be reported again. */
static void forget_tree(mr_watch *w, const char *path)
{
    size_t length = strlen(path);
    for (size_t i = w->count; i-- > 0;) {
        folder *f = &w->folders[i];
        if (!strncmp(f->path, path, length) && (f->path[length] == '/' || !f->path[length])) {
            inotify_rm_watch(w->fd, f->watch);
            forget_folder(w, f);
        }
    }
}

/* --- what has arrived ----------------------------------------------------------------------- */

static int add_arrived(mr_watch *w, const char *path, bool lost, mr_error *e)
{
    size_t size = strlen(path) + 1;
    arrived *a = malloc(sizeof *a + size);
    if (!a)
        return no_memory(e);
    a->next = NULL;
    a->lost = lost;
    a->present = w->starting;
    memcpy(a->path, path, size);
    *w->newest = a;
    w->newest = &a->next;
    return 0;
}

/* DIR/NAME, to be freed; NULL: no memory. */
static char *join(mr_watch *w, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    mr_text_clear(&w->text);
    mr_text_append(&w->text, dir);
    if (n && dir[n - 1] != '/')
        mr_text_append_char(&w->text, '/');
    mr_text_append(&w->text, name);
    return w->text.failed ? NULL : strdup(mr_text_string(&w->text));
}

/* PATH in the state it is in now, as a string. */
static void describe(mr_text *out, const char *path, const struct stat *st)
{
    mr_text_append(out, path);
    mr_text_format(out, "//%llu %lld %lld.%09ld", (unsigned long long)st->st_ino, (long long)st->st_size,
                   (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* A lease on a file is refused while it is open for writing. Where this process may not take leases, the answer
 * is no. */
static bool is_being_written(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool refused = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
    if (!refused)
        fcntl(fd, F_SETLEASE, F_UNLCK);
    close(fd);
    return refused;
}

/* A file that was in a folder when that arrived. One that is being written will be told of when it is closed.
 */
static int announce(mr_watch *w, const char *path, mr_error *e)
{
    struct stat st;
    mr_text state = {0};
    if (stat(path, &st) || is_being_written(path))
        return 0;
    describe(&state, path, &st);
    int status = mr_text_check(&state, "a path", e);
    if (!status)
        status = mr_path_bag_push(w->announced, mr_text_string(&state), e);
    if (!status)
        status = add_arrived(w, path, false, e);
    mr_text_destroy(&state);
    return status;
}

/* 1: the event is of a file that was announced already, and has not changed since; 0, or an error. */
static int was_announced(mr_watch *w, const char *path, mr_error *e)
{
    struct stat st;
    mr_text state = {0};
    if (stat(path, &st))
        return 0;
    describe(&state, path, &st);
    int was = mr_text_check(&state, "a path", e);
    if (!was)
        was = mr_path_bag_take(w->announced, mr_text_string(&state));
    mr_text_destroy(&state);
    return was;
}

/* --- watching a tree ------------------------------------------------------------------------ */

static int refuse_watch(const char *path, int error, mr_error *e)
{
    if (error == ENOSPC)
        return mr_hint(e, mr_fail(e, MR_ELIMIT, "%s: there are more folders than may be watched", path),
                       "raise fs.inotify.max_user_watches (sysctl)");
    return mr_fail_errno(e, error, "cannot watch folder %s", path);
}

static int watch_tree(mr_watch *w, const char *path, size_t root_length, bool arrives, int depth,
                      mr_error *e);

static int take_entry(mr_watch *w, const char *dir, size_t root_length, const struct dirent *entry,
                      bool arrives, int depth, mr_error *e)
{
    struct stat st;
    char *path = join(w, dir, entry->d_name);
    int status = path ? 0 : no_memory(e);
    if (!status && lstat(path, &st) == 0) {
        const char *below = path + root_length;
        bool is_folder = S_ISDIR(st.st_mode);
        bool wanted =
            mr_selection_wants(&w->options.selection, entry->d_name, below + strspn(below, "/"), is_folder);
        if (wanted && is_folder)
            status = watch_tree(w, path, root_length, arrives, depth + 1, e);
        else if (wanted && arrives)
            status = announce(w, path, e);
    }
    free(path);
    return status;
}

/* The watch comes first, then the look at what is there: so nothing slips through between the two. */
static int watch_tree(mr_watch *w, const char *path, size_t root_length, bool arrives, int depth, mr_error *e)
{
    struct stat st;
    if (depth > DEPTH_MAX ||
        (stat(path, &st) == 0 && st.st_dev == w->avoid_device && st.st_ino == w->avoid_inode))
        return 0;
    int watch = inotify_add_watch(w->fd, path, WANTED);
    if (watch < 0 && depth && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0; /* gone again, or not for us */
    if (watch < 0)
        return refuse_watch(path, errno, e);
    int status = remember_folder(w, watch, path, root_length, e);
    DIR *d = status ? NULL : opendir(path);
    const struct dirent *entry;
    while (d && !status && (entry = readdir(d)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            status = take_entry(w, path, root_length, entry, arrives, depth, e);
    if (d)
        closedir(d);
    return status;
}

/* --- events ----------------------------------------------------------------------------------- */

/* A name that appears is a whole file if it is a link: a file that is written is reported when it is closed. */
static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink > 1));
}

static int take_file(mr_watch *w, const struct inotify_event *v, const char *path, mr_error *e)
{
    bool whole = v->mask & (IN_CLOSE_WRITE | IN_MOVED_TO) || (v->mask & IN_CREATE && is_link(path));
    int known = whole ? was_announced(w, path, e) : 1;
    return known ? (known < 0 ? known : 0) : add_arrived(w, path, false, e);
}

static int take_event(mr_watch *w, const struct inotify_event *v, mr_error *e)
{
    if (v->mask & IN_Q_OVERFLOW)
        return add_arrived(w, w->options.dir[0], true, e);
    folder *f = find_folder(w, v->wd);
    if (f && v->mask & IN_IGNORED)
        forget_folder(w, f);
    if (!f || !v->len || v->mask & IN_IGNORED)
        return 0;
    size_t root_length = f->root_length;
    char *path = join(w, f->path, v->name);
    if (!path)
        return no_memory(e);
    const char *below = path + root_length;
    bool is_folder = v->mask & IN_ISDIR;
    int status = 0;
    if (!mr_selection_wants(&w->options.selection, v->name, below + strspn(below, "/"), is_folder))
        ;
    else if (!is_folder)
        status = take_file(w, v, path, e);
    else if (v->mask & IN_MOVED_FROM)
        forget_tree(w, path);
    else if (v->mask & (IN_CREATE | IN_MOVED_TO))
        status = watch_tree(w, path, root_length, true, 1, e);
    free(path);
    return status;
}

static int take_events(mr_watch *w, mr_error *e)
{
    ssize_t n = read(w->fd, w->events, sizeof w->events);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0
                                                 : mr_fail_errno(e, errno, "cannot continue to watch folders");
    int status = 0;
    for (ssize_t at = 0; at < n && !status;) {
        const struct inotify_event *v = (const struct inotify_event *)(void *)(w->events + at);
        status = take_event(w, v, e);
        at += (ssize_t)sizeof *v + (ssize_t)v->len;
    }
    return status;
}

/* --- what is there at the start --------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
    return strcmp((*(arrived *const *)a)->path, (*(arrived *const *)b)->path);
}

/* The system lists a folder in no order. */
static int sort_arrived(mr_watch *w, mr_error *e)
{
    size_t count = 0, i = 0;
    for (const arrived *a = w->oldest; a; a = a->next)
        count++;
    arrived **all = calloc(count + 1, sizeof *all);
    if (!all)
        return no_memory(e);
    for (arrived *a = w->oldest; a; a = a->next)
        all[i++] = a;
    qsort(all, count, sizeof *all, by_path);
    w->newest = &w->oldest;
    for (i = 0; i < count; i++) {
        *w->newest = all[i];
        w->newest = &all[i]->next;
    }
    *w->newest = NULL;
    free(all);
    return 0;
}

static int watch_all(mr_watch *w, mr_error *e)
{
    const mr_watch_options *o = &w->options;
    int status = 0;
    w->starting = true;
    for (int i = 0; i < o->dirs && !status; i++)
        status = watch_tree(w, o->dir[i], strlen(o->dir[i]), o->present, 0, e);
    w->starting = false;
    return status ? status : sort_arrived(w, e);
}

int mr_watch_pass_over(mr_watch *w, const char *path, mr_error *e)
{
    return w->options.present ? mr_path_set_add(w->handled, path, e) : 0;
}

static arrived *take_oldest(mr_watch *w)
{
    arrived *a = w->oldest;
    w->oldest = a->next;
    if (!w->oldest)
        w->newest = &w->oldest;
    return a;
}

static void drop_handled(mr_watch *w)
{
    while (w->oldest && w->oldest->present && mr_path_set_has(w->handled, w->oldest->path))
        free(take_oldest(w));
}

/* --- the source ------------------------------------------------------------------------------- */

static bool ended(const mr_watch *w)
{
    return !w->count || (w->options.stop && w->options.stop(w->options.context));
}

static bool ready(void *context, int milliseconds)
{
    mr_watch *w = context;
    const mr_source *first = &w->options.first;
    if (first->next)
        return !first->ready || first->ready(first->context, milliseconds);
    drop_handled(w);
    if (w->oldest || w->failure.code || ended(w))
        return true;
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    if (poll(&p, 1, milliseconds) > 0)
        take_events(w, &w->failure);
    return w->oldest || w->failure.code || ended(w);
}

static int give(mr_watch *w, mr_source_item *out, mr_error *e)
{
    char *path = strdup(w->oldest->path);
    if (!path)
        return no_memory(e);
    arrived *a = take_oldest(w);
    *out = (mr_source_item){.path = path, .label = -1, .id = w->items++};
    if (a->lost) {
        mr_error_clear(&w->lost);
        mr_fail(&w->lost, MR_ELIMIT, "files came faster than they could be noted: some are missing here");
        out->failure = &w->lost;
    }
    free(a);
    return 1;
}

/* The next of the first source's, under a path of our own, since release() cannot tell whose it is. */
static int next_of_first(mr_watch *w, mr_source_item *out, mr_error *e)
{
    mr_source *first = &w->options.first;
    int status = first->next(first->context, out, e);
    if (status != 1)
        return status;
    const char *given = out->path;
    out->path = strdup(given);
    if (first->release)
        first->release(first->context, given);
    w->items++;
    status = out->path ? mr_watch_pass_over(w, out->path, e) : no_memory(e);
    return status ? status : 1;
}

static int next(void *context, mr_source_item *out, mr_error *e)
{
    mr_watch *w = context;
    int status = w->options.first.next ? next_of_first(w, out, e) : 0;
    if (status)
        return status;
    w->options.first.next = NULL;
    drop_handled(w);
    while (!w->oldest && !w->failure.code && !ended(w))
        ready(w, TURN);
    if (w->oldest)
        return give(w, out, e);
    return mr_fail_as(e, &w->failure);
}

static void release(void *context, const char *path)
{
    (void)context;
    free((char *)path);
}

mr_source mr_watch_source(mr_watch *w)
{
    return (mr_source){.next = next, .ready = ready, .release = release, .context = w};
}

int mr_watch_create(mr_watch **out, const mr_watch_options *options, mr_error *e)
{
    mr_watch *w = *out = calloc(1, sizeof *w);
    struct stat avoid;
    if (!w)
        return no_memory(e);
    w->options = *options;
    w->newest = &w->oldest;
    if (options->avoid && stat(options->avoid, &avoid) == 0) {
        w->avoid_device = avoid.st_dev;
        w->avoid_inode = avoid.st_ino;
    }
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int status = w->fd < 0 ? mr_fail_errno(e, errno, "cannot watch folders") : 0;
    if (!status)
        status = mr_path_bag_create(&w->announced, ANNOUNCED, e);
    if (!status)
        status = mr_path_set_create(&w->handled, e);
    if (!status)
        status = watch_all(w, e);
    if (status) {
        mr_watch_free(w);
        *out = NULL;
    }
    return status;
}

void mr_watch_free(mr_watch *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    while (w->count)
        forget_folder(w, &w->folders[w->count - 1]);
    for (arrived *a = w->oldest, *after; a; a = after) {
        after = a->next;
        free(a);
    }
    mr_path_bag_destroy(w->announced);
    mr_path_set_free(w->handled);
    mr_text_destroy(&w->text);
    free(w->folders);
    free(w);
}
