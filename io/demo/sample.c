/* SPDX-License-Identifier: Apache-2.0 */
#include "io/demo/sample.h"

#include "io/demo/cell.h"
#include "io/demo/jpeg_write.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Paths below are put together in buffers of PATH_MAX: mr_sample_write leaves room for the longest name below
 * the directory. A longer name that is found there already is cut, and then is none of ours. */
#define SPLITS 3
static const char *const split_names[SPLITS] = {"training", "validation", "testing"};
static const char *const class_names[MR_CELL_CLASSES] = {"Parasitized", "Uninfected"};

mr_sample_split mr_sample_split_of(int64_t count)
{
    /* Even numbers, so that the classes are balanced in every part. */
    int64_t part = (count * 15 / 100 + 1) / 2 * 2;
    part = part > MR_CELL_CLASSES ? part : MR_CELL_CLASSES;
    return (mr_sample_split){count - 2 * part, part, part};
}

static int split_of(int64_t index, int64_t count)
{
    mr_sample_split s = mr_sample_split_of(count);
    return index < s.training ? 0 : index < s.training + s.validation ? 1 : 2;
}

/* The path of image INDEX below the directory. */
static void image_name(char name[64], int64_t index, int64_t count)
{
    snprintf(name, 64, "%s/%s/cell_%06lld.jpg", split_names[split_of(index, count)],
             class_names[index % MR_CELL_CLASSES], (long long)index);
}

/* --- what is there already ----------------------------------------------------- */

static int refuse(const char *directory, const char *name, mr_error *e)
{
    int code =
        mr_fail(e, MR_EINVAL, "%s is not empty: it holds %s, which is not of this sample", directory, name);
    return mr_hint(e, code, "give a new or empty directory, or remove this one first");
}

/* Where this sample's own entries are at DEPTH: a split's name, a class's name, an image's name. PATH is the
 * entry's path below the directory. */
static bool is_own(const char *path, int depth, int64_t count)
{
    if (depth == 2) {
        const char *number = strrchr(path, '_');
        long long index = number ? strtoll(number + 1, NULL, 10) : -1;
        char wanted[64];
        if (index < 0 || index >= count)
            return false;
        image_name(wanted, index, count);
        return strcmp(path, wanted) == 0;
    }
    const char *name = depth ? strrchr(path, '/') + 1 : path;
    const char *const *known = depth ? class_names : split_names;
    for (int i = 0; i < (depth ? (int)MR_CELL_CLASSES : SPLITS); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

static int check_content(const char *directory, const char *below, int depth, int64_t count, mr_error *e);

static int check_entry(const char *directory, const char *below, const char *name, int depth, int64_t count,
                       mr_error *e)
{
    char *path;
    if (asprintf(&path, "%s%s%s", below, *below ? "/" : "", name) < 0)
        return mr_no_memory(e, "looking into %s", directory);
    int status = MR_OK;
    if (!is_own(path, depth, count))
        status = refuse(directory, path, e);
    else if (depth < 2)
        status = check_content(directory, path, depth + 1, count, e);
    free(path);
    return status;
}

/* Looks through DIRECTORY/BELOW for anything that this sample would not write itself. What is not there is
 * fine. */
static int check_content(const char *directory, const char *below, int depth, int64_t count, mr_error *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s%s", directory, *below ? "/" : "", below);
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT ? MR_OK : mr_fail_errno(e, errno, "cannot look into %s", path);
    int status = MR_OK;
    for (struct dirent *entry; !status && (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = check_entry(directory, below, entry->d_name, depth, count, e);
    closedir(d);
    return status;
}

/* --- writing --------------------------------------------------------------------- */

static int make_folder(const char *path, mr_error *e)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return MR_OK;
    return mr_fail_errno(e, errno, "cannot make the folder %s", path);
}

static int make_folders(const char *directory, mr_error *e)
{
    int status = make_folder(directory, e);
    for (int s = 0; s < SPLITS && !status; s++)
        for (int c = -1; c < MR_CELL_CLASSES && !status; c++) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/%s%s%s", directory, split_names[s], c < 0 ? "" : "/",
                     c < 0 ? "" : class_names[c]);
            status = make_folder(path, e);
        }
    return status;
}

static int write_file(const char *path, const mr_text *bytes, mr_error *e)
{
    FILE *f = fopen(path, "wbe");
    if (!f)
        return mr_fail_errno(e, errno, "cannot create %s", path);
    bool written = fwrite(bytes->data, 1, bytes->length, f) == bytes->length;
    int why = errno;
    if (fclose(f) != 0 && written) {
        written = false;
        why = errno;
    }
    return written ? MR_OK : mr_fail_errno(e, why, "cannot write %s", path);
}

/* Draws and writes one image; IMAGE and BYTES are scratch. */
static int write_image(const char *directory, int64_t index, int64_t count, uint64_t seed,
                       mr_cell_image *image, mr_text *bytes, mr_error *e)
{
    char name[64], path[PATH_MAX];
    image_name(name, index, count);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int status = mr_cell_draw(image, seed, (uint64_t)index, e);
    mr_text_clear(bytes);
    if (!status)
        status = mr_jpeg_encode(bytes, image->rgb, image->width, image->height, MR_SAMPLE_QUALITY, path, e);
    return status ? status : write_file(path, bytes, e);
}

static int write_images(const char *directory, int64_t count, uint64_t seed, mr_sample_progress progress,
                        void *context, mr_error *e)
{
    mr_text bytes = {0};
    mr_cell_image *image = malloc(sizeof *image);
    int status = image ? MR_OK : mr_no_memory(e, "a sample image");
    for (int64_t k = 0; k < count && !status; k++) {
        status = write_image(directory, k, count, seed, image, &bytes, e);
        if (!status && progress && !progress(context, k + 1, count))
            status = mr_fail(e, MR_ECANCELED, "stopped after %lld of %lld images", (long long)k + 1,
                             (long long)count);
    }
    free(image);
    mr_text_destroy(&bytes);
    return status;
}

int mr_sample_write(const char *directory, int64_t count, uint64_t seed, mr_sample_progress progress,
                    void *context, mr_error *e)
{
    if (count < MR_SAMPLE_MIN_COUNT || count > MR_SAMPLE_MAX_COUNT)
        return mr_fail(e, MR_EINVAL, "a sample has %d to %d images, not %lld", MR_SAMPLE_MIN_COUNT,
                       MR_SAMPLE_MAX_COUNT, (long long)count);
    if (strlen(directory) > PATH_MAX - 128)
        return mr_fail(e, MR_EINVAL, "%.200s…: the path is too long", directory);
    int status = check_content(directory, "", 0, count, e);
    if (!status)
        status = make_folders(directory, e);
    return status ? status : write_images(directory, count, seed, progress, context, e);
}
