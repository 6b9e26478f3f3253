/* SPDX-License-Identifier: Apache-2.0 */
/* The index of samples: class folders, and the split into training and validation. */
#include "io/files/dataset.h"

#include "io/files/class_name.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- life ------------------------------------------------------------------------------------- */

void mr_dataset_free(mr_dataset *d)
{
    if (!d)
        return;
    mr_strings_leave(d->arena);
    free(d->samples);
    free(d->class_names);
    free(d->class_counts);
    free(d);
}

/* For CLASSES classes; the arena is taken over, also on failure. */
static mr_dataset *new_dataset(mr_strings *arena, int classes, mr_error *e)
{
    mr_dataset *d = calloc(1, sizeof *d);
    if (d) {
        d->arena = arena;
        d->classes = classes;
        d->class_names = calloc((size_t)classes, sizeof *d->class_names);
        d->class_counts = calloc((size_t)classes, sizeof *d->class_counts);
        if (d->class_names && d->class_counts)
            return d;
        mr_dataset_free(d);
    } else
        mr_strings_leave(arena);
    mr_no_memory(e, "an index of %d classes", classes);
    return NULL;
}

/* --- classes ---------------------------------------------------------------------------------- */

static int find_name(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

/* The classes that the FOLDERS, sorted, are; the names belong to the arena. */
static int name_classes(mr_paths *names, const mr_paths *folders, mr_strings *arena, mr_error *e)
{
    int status = 0;
    for (size_t i = 0; !status && i < folders->count; i++) {
        char *name = mr_class_name_of(folders->name[i]);
        char *kept = name ? mr_strings_join(arena, NULL, name) : NULL;
        status = mr_paths_add(names, kept, e);
        free(name);
    }
    return status;
}

/* FOUND must be among the CLASSES names of WANTED. */
static int check_names(const char *dir, const mr_paths *found, char *const *wanted, int classes, mr_error *e)
{
    for (size_t i = 0; i < found->count; i++)
        if (find_name(wanted, (size_t)classes, found->name[i]) < 0)
            return mr_fail(e, MR_EINVAL, "unknown class folder %s/%s: not one of the %d classes", dir, found->name[i], classes);
    return 0;
}

/* Two folders must not have one name: one with a byte that is no UTF-8, one with that byte written out. */
static int check_distinct(const char *dir, const mr_paths *found, mr_error *e)
{
    for (size_t i = 0; i < found->count; i++)
        if (strchr(found->name[i], '\\') && find_name(found->name, i, found->name[i]) >= 0)
            return mr_fail(e, MR_EINVAL, "%s holds two folders that are called %s", dir, found->name[i]);
    return 0;
}

static int check_classes(const char *dir, const mr_paths *found, char *const *wanted, int classes,
                         int min_classes, mr_error *e)
{
    if (found->count == 0) {
        mr_fail(e, MR_EINVAL, "%s holds no class folders", dir);
        return mr_hint(e, MR_EINVAL, "put the images of each class into a folder named after it");
    }
    if (found->count > INT32_MAX)
        return mr_fail(e, MR_ELIMIT, "%s holds %zu folders", dir, found->count);
    if (wanted && classes > 0)
        return check_names(dir, found, wanted, classes, e);
    if (found->count < (size_t)min_classes) {
        mr_fail(e, MR_EINVAL, "%s holds one class only, \"%s\"", dir, found->name[0]);
        return mr_hint(e, MR_EINVAL, "at least %d class folders are needed", min_classes);
    }
    return check_distinct(dir, found, e);
}

/* --- scanning --------------------------------------------------------------------------------- */

static int add_samples(mr_dataset *d, const mr_paths *files, int label, mr_error *e)
{
    if (files->count == 0)
        return 0;
    mr_sample *grown = reallocarray(d->samples, d->count + files->count, sizeof *grown);
    if (!grown)
        return mr_no_memory(e, "an index of %zu files", d->count + files->count);
    d->samples = grown;
    for (size_t i = 0; i < files->count; i++)
        d->samples[d->count++] = (mr_sample){.path = files->name[i], .label = label};
    return 0;
}

typedef struct scan {
    mr_dataset *d;
    const char *dir;
    mr_paths folders, names; /* found, sorted by the folders' bytes; the classes that they are */
    mr_folder_tree tree;
    mr_error *e;
} scan;

/* The files of class LABEL, which has no folder where FOLDER is negative. */
static int scan_class(scan *s, int label, int folder)
{
    mr_dataset *d = s->d;
    mr_paths files = {0};
    const char *path = folder < 0 ? "" : mr_strings_join(d->arena, s->dir, s->folders.name[folder]);
    int status = path ? 0 : mr_no_memory(s->e, "an index of %s", s->dir);
    if (!status && folder >= 0) {
        d->prefix = strlen(path) - strlen(s->folders.name[folder]);
        status = mr_folder_walk(path, &s->tree, label, d->arena, &files, &d->passed, s->e);
    }
    if (!status)
        status = add_samples(d, &files, label, s->e);
    d->class_counts[label] = files.count;
    free(files.name);
    return status;
}

static void say_passed(const mr_dataset *d, mr_error *e)
{
    mr_text text = {0};
    mr_endings_text(&d->passed.not_images, &text);
    mr_hint(e, MR_EINVAL, "JPEG and PNG files are read%s%s", text.length ? "; passed over: " : "",
            mr_text_string(&text));
    mr_text_destroy(&text);
}

/* Classes must have images: all of them, or where their names were GIVEN at least one. */
static int check_images(const mr_dataset *d, const char *dir, bool given, mr_error *e)
{
    mr_text empty = {0};
    int count = mr_dataset_empty_classes(d, &empty), status = 0;
    if (count == d->classes)
        status = mr_fail(e, MR_EINVAL, "%s: no images in the class folders", dir);
    else if (count && !given)
        status =
            count == 1
                ? mr_fail(e, MR_EINVAL, "no images in class folder %s/%s", dir, mr_text_string(&empty))
                : mr_fail(e, MR_EINVAL, "%s: no images in class folders %s", dir, mr_text_string(&empty));
    if (status)
        say_passed(d, e);
    mr_text_destroy(&empty);
    return status;
}

/* NAMES are those of the classes; NULL: the folders'. */
static int scan_classes(scan *s, char *const *names)
{
    mr_dataset *d = s->d;
    int status = 0;
    for (int i = 0; !status && i < d->classes; i++) {
        d->class_names[i] = mr_strings_join(d->arena, NULL, names ? names[i] : s->names.name[i]);
        if (!d->class_names[i])
            status = mr_no_memory(s->e, "class names");
    }
    s->tree.names = d->class_names;
    for (int i = 0; !status && i < d->classes; i++)
        status = scan_class(s, i, names ? find_name(s->names.name, s->names.count, names[i]) : i);
    return status ? status : check_images(d, s->dir, names != NULL, s->e);
}

int mr_dataset_scan(mr_dataset **out, const char *dir, char *const *class_names, int classes, int min_classes,
                    mr_error *e)
{
    mr_folder_counts passed = {0};
    scan s = {.dir = dir, .e = e};
    char *const *given = classes > 0 ? class_names : NULL;
    mr_strings *arena = mr_strings_create();
    *out = NULL;
    int status = arena ? mr_folder_list(dir, arena, &s.folders, &passed, e)
                       : mr_no_memory(e, "an index of %s", dir);
    if (!status)
        status = name_classes(&s.names, &s.folders, arena, e);
    if (!status)
        status = check_classes(dir, &s.names, given, classes, min_classes, e);
    if (status) {
        mr_strings_leave(arena);
    } else {
        s.d = new_dataset(arena, given ? classes : (int)s.names.count, e);
        status = s.d ? 0 : MR_ENOMEM;
    }
    if (!status) {
        s.d->passed = passed;
        status = scan_classes(&s, given);
    }
    if (status)
        mr_dataset_free(s.d);
    else
        *out = s.d;
    mr_folder_ids_free(&s.tree.seen);
    free(s.folders.name);
    free(s.names.name);
    return status;
}

int mr_dataset_empty_classes(const mr_dataset *d, mr_text *names)
{
    enum { NAMED = 12 };
    int count = 0;
    for (int i = 0; i < d->classes; i++)
        if (d->class_counts[i] == 0 && ++count <= NAMED) {
            mr_text_append(names, count > 1 ? ", " : "");
            mr_text_append_clean(names, d->class_names[i]);
        }
    if (count > NAMED)
        mr_text_format(names, " and %d more", count - NAMED);
    return count;
}

/* --- splitting -------------------------------------------------------------------------------- */

/* How many of COUNT go to validation: the share rounded down, but at least one where a share is asked for,
 * and at least one is left. */
static size_t share_of(size_t count, double fraction)
{
    size_t share = (size_t)floor((double)count * fraction + 1e-9);
    share = fraction > 0 && share == 0 ? 1 : share;
    return share >= count ? count - (count > 0) : share;
}

/* Sets TAKEN for the samples of class C that go to validation. P is room for a permutation. */
static void mark_class(const mr_dataset *all, int c, double fraction, uint64_t seed, uint32_t *p, bool *taken)
{
    size_t n = all->class_counts[c], share = share_of(n, fraction), k = 0;
    mr_philox_permutation(p, (uint32_t)n, seed, MR_DRAW_SPLIT, (uint32_t)c);
    bool *of_class = taken + all->count; /* by place within the class */
    memset(of_class, 0, n);
    for (size_t i = n - share; i < n; i++)
        of_class[p[i]] = true;
    for (size_t i = 0; i < all->count; i++)
        if (all->samples[i].label == c)
            taken[i] = of_class[k++];
}

/* Moves the samples that are TAKEN from ALL to V, both keeping their order. */
static void move_taken(mr_dataset *all, mr_dataset *v, const bool *taken)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        mr_sample s = all->samples[i];
        if (!taken[i]) {
            all->samples[kept++] = s;
            continue;
        }
        v->samples[v->count++] = s;
        v->class_counts[s.label]++;
        all->class_counts[s.label]--;
    }
    all->count = kept;
}

int mr_dataset_take(mr_dataset *all, const bool *out, mr_dataset **taken, mr_error *e)
{
    *taken = NULL;
    mr_dataset *v = new_dataset(mr_strings_share(all->arena), all->classes, e);
    if (!v)
        return MR_ENOMEM;
    v->samples = calloc(all->count + 1, sizeof *v->samples);
    if (!v->samples) {
        mr_dataset_free(v);
        return mr_no_memory(e, "split %zu samples", all->count);
    }
    memcpy(v->class_names, all->class_names, (size_t)all->classes * sizeof *v->class_names);
    v->prefix = all->prefix;
    move_taken(all, v, out);
    *taken = v;
    return 0;
}

int mr_dataset_split(mr_dataset *all, double fraction, uint64_t seed, mr_dataset **validation, mr_error *e)
{
    *validation = NULL;
    if (!(fraction >= 0 && fraction < 1))
        return mr_fail(e, MR_EINVAL, "a validation share of %g is out of range (0 to 1)", fraction);
    bool *taken = calloc(2 * all->count + 1, sizeof *taken);
    uint32_t *p = calloc(all->count + 1, sizeof *p);
    int status = taken && p ? 0 : mr_no_memory(e, "split %zu samples", all->count);
    for (int c = 0; !status && fraction > 0 && c < all->classes; c++)
        mark_class(all, c, fraction, seed, p, taken);
    if (!status)
        status = mr_dataset_take(all, taken, validation, e);
    free(taken);
    free(p);
    return status;
}
