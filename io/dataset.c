/* SPDX-License-Identifier: Apache-2.0 */
/* The index of samples: class folders, the split into training and validation, the layout of a data folder.
 */
#include "io/dataset.h"

#include "io/folder.h"
#include "nn/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <errno.h>

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
    mr_fail(e, MR_ENOMEM, "no memory for an index of %d classes", classes);
    return NULL;
}

/* --- classes ---------------------------------------------------------------------------------- */

static bool contains(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* FOUND (sorted) must be the CLASSES names of WANTED. */
static int check_names(const char *dir, const mr_paths *found, char *const *wanted, int classes, mr_error *e)
{
    for (int i = 0; i < classes; i++)
        if (!contains(found->name, found->count, wanted[i]))
            return mr_fail(e, MR_EINVAL, "%s has no folder for class \"%s\"", dir, wanted[i]);
    for (size_t i = 0; i < found->count; i++)
        if (!contains(wanted, (size_t)classes, found->name[i]))
            return mr_fail(e, MR_EINVAL, "%s/%s is not one of the %d classes", dir, found->name[i], classes);
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
    if (found->count < (size_t)min_classes) {
        mr_fail(e, MR_EINVAL, "%s holds one class only, \"%s\"", dir, found->name[0]);
        return mr_hint(e, MR_EINVAL, "at least %d class folders are needed", min_classes);
    }
    return wanted && classes > 0 ? check_names(dir, found, wanted, classes, e) : 0;
}

/* --- scanning --------------------------------------------------------------------------------- */

static int add_samples(mr_dataset *d, const mr_paths *files, int label, mr_error *e)
{
    if (files->count == 0)
        return 0;
    mr_sample *grown = reallocarray(d->samples, d->count + files->count, sizeof *grown);
    if (!grown)
        return mr_fail(e, MR_ENOMEM, "no memory for an index of %zu files", d->count + files->count);
    d->samples = grown;
    for (size_t i = 0; i < files->count; i++)
        d->samples[d->count++] = (mr_sample){.path = files->name[i], .label = label};
    return 0;
}

static int scan_class(mr_dataset *d, const char *dir, int label, mr_error *e)
{
    mr_paths files = {0};
    mr_folder_counts counts = {0};
    const char *path = mr_strings_join(d->arena, dir, d->class_names[label]);
    int status = path ? mr_folder_walk(path, d->arena, &files, &counts, e)
                      : mr_fail(e, MR_ENOMEM, "no memory for an index of %s", dir);
    if (!status && files.count == 0)
        status = mr_fail(e, MR_EINVAL, "class folder %s holds no images", path);
    if (!status)
        status = add_samples(d, &files, label, e);
    d->class_counts[label] = files.count;
    d->hidden += counts.hidden;
    d->not_images += counts.not_images;
    free(files.name);
    return status;
}

static int scan_classes(mr_dataset *d, const char *dir, char *const *names, mr_error *e)
{
    int status = 0;
    for (int i = 0; !status && i < d->classes; i++) {
        d->class_names[i] = mr_strings_join(d->arena, NULL, names[i]);
        if (!d->class_names[i])
            status = mr_fail(e, MR_ENOMEM, "no memory for class names");
    }
    for (int i = 0; !status && i < d->classes; i++)
        status = scan_class(d, dir, i, e);
    return status;
}

int mr_dataset_scan(mr_dataset **out, const char *dir, char *const *class_names, int classes, int min_classes,
                    mr_error *e)
{
    mr_paths found = {0};
    mr_folder_counts counts = {0};
    mr_dataset *d = NULL;
    mr_strings *arena = mr_strings_create();
    *out = NULL;
    int status = arena ? mr_folder_list(dir, arena, &found, &counts, e)
                       : mr_fail(e, MR_ENOMEM, "no memory for an index of %s", dir);
    if (!status)
        status = check_classes(dir, &found, class_names, classes, min_classes, e);
    if (status) {
        mr_strings_leave(arena);
    } else {
        d = new_dataset(arena, (int)found.count, e);
        status =
            d ? scan_classes(d, dir, class_names && classes > 0 ? class_names : found.name, e) : MR_ENOMEM;
    }
    if (!status) {
        d->hidden += counts.hidden;
        d->not_images += counts.not_images;
        *out = d;
    } else
        mr_dataset_free(d);
    free(found.name);
    return status;
}

/* --- splitting -------------------------------------------------------------------------------- */

/* How many of COUNT go to validation: the share rounded down, but at least one where a share is asked for. */
static size_t share_of(size_t count, double fraction)
{
    size_t share = (size_t)floor((double)count * fraction + 1e-9);
    return fraction > 0 && share == 0 ? 1 : share;
}

static int check_split(const mr_dataset *all, double fraction, mr_error *e)
{
    if (!(fraction >= 0 && fraction < 1))
        return mr_fail(e, MR_EINVAL, "a validation share of %g: give 0 or more, less than 1", fraction);
    for (int c = 0; c < all->classes; c++)
        if (fraction > 0 && share_of(all->class_counts[c], fraction) >= all->class_counts[c])
            return mr_fail(e, MR_EINVAL, "class \"%s\" has %zu images: too few to split off a share of %g",
                           all->class_names[c], all->class_counts[c], fraction);
    return 0;
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

int mr_dataset_split(mr_dataset *all, double fraction, uint64_t seed, mr_dataset **validation, mr_error *e)
{
    *validation = NULL;
    int status = check_split(all, fraction, e);
    if (status)
        return status;
    mr_dataset *v = new_dataset(mr_strings_share(all->arena), all->classes, e);
    bool *taken = calloc(2 * all->count + 1, sizeof *taken);
    uint32_t *p = calloc(all->count + 1, sizeof *p);
    if (v)
        v->samples = calloc(all->count + 1, sizeof *v->samples);
    if (!v || !v->samples || !taken || !p) {
        status = mr_fail(e, MR_ENOMEM, "no memory to split %zu samples", all->count);
        mr_dataset_free(v);
    } else {
        memcpy(v->class_names, all->class_names, (size_t)all->classes * sizeof *v->class_names);
        for (int c = 0; fraction > 0 && c < all->classes; c++)
            mark_class(all, c, fraction, seed, p, taken);
        move_taken(all, v, taken);
        *validation = v;
    }
    free(taken);
    free(p);
    return status;
}

/* --- the layout of a data folder -------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) {
        strcpy(path, dir);
        if (dir[0] && dir[strlen(dir) - 1] != '/')
            strcat(path, "/");
        strcat(path, name);
    }
    return path;
}

/* Finds the one of NAMES that is a folder in DIR; two of them are an error, for which would be meant? */
static int find_part(const char *dir, const char *const *names, char **part, mr_error *e)
{
    *part = NULL;
    for (; *names; names++) {
        char *path = join(dir, *names);
        if (!path)
            return mr_fail(e, MR_ENOMEM, "no memory for a path");
        if (!is_folder(path)) {
            free(path);
        } else if (*part) {
            int status = mr_fail(e, MR_EINVAL, "both %s and %s are there", *part, path);
            free(path);
            return status;
        } else
            *part = path;
    }
    return 0;
}

int mr_dataset_layout(const char *dir, char **training, char **validation, char **testing, mr_error *e)
{
    static const char *const names[3][4] = {
        {"training", "train"}, {"validation", "val", "valid"}, {"testing", "test"}};
    char **parts[3] = {training, validation, testing};
    struct stat st;
    *training = *validation = *testing = NULL;
    if (stat(dir, &st) != 0)
        return mr_fail_errno(e, errno, "cannot open folder %s", dir);
    if (!S_ISDIR(st.st_mode))
        return mr_fail(e, MR_EINVAL, "%s is not a folder", dir);
    int status = 0;
    for (int i = 0; !status && i < 3; i++)
        status = find_part(dir, names[i], parts[i], e);
    if (!status && !*training && !*validation && !*testing && !(*training = strdup(dir)))
        status = mr_fail(e, MR_ENOMEM, "no memory for a path");
    for (int i = 0; status && i < 3; i++) {
        free(*parts[i]);
        *parts[i] = NULL;
    }
    return status;
}
