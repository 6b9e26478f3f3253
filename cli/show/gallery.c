/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/gallery.h"

#include "io/files/class_name.h"
#include "io/image/image.h"
#include "io/draw/montage.h"
#include "base/random.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THUMBNAIL = 384, FILE_MOST = 256 << 20 }; /* pixels of a side kept of an image; bytes of a file read */

typedef struct picked {
    char *path;
    uint64_t id;
    int predicted, truth; /* truth: by the folder that the file came from; -1: unknown */
    float confidence;
    uint8_t *pixels;
} picked;

struct mr_gallery {
    picked *pick; /* [count] */
    int count, filled;
    uint64_t seen, seed;
    const char *const *class_names;
    int classes;
};

int mr_gallery_create(mr_gallery **out, int count, uint64_t seed, const char *const *class_names, int classes,
                      mr_error *e)
{
    mr_gallery *g = *out = calloc(1, sizeof *g);
    if (g && (g->pick = calloc((size_t)count, sizeof *g->pick))) {
        g->count = count;
        g->seed = seed;
        g->class_names = class_names;
        g->classes = classes;
        return 0;
    }
    free(g);
    *out = NULL;
    return mr_no_memory(e, "the montage");
}

/* Reservoir sampling (Vitter's algorithm R): the place of the next row, or -1. */
static int draw_place(mr_gallery *g)
{
    uint64_t n = g->seen++;
    if (g->filled < g->count)
        return g->filled++;
    mr_philox p;
    mr_philox_init(&p, g->seed, MR_DRAW_SAMPLE, 0, n);
    uint64_t place = (uint64_t)(mr_philox_double(&p) * (double)(n + 1));
    return place < (uint64_t)g->count ? (int)place : -1;
}

/* The class that PATH's folder is named after, or -1. */
static int truth_of(const mr_gallery *g, const char *path)
{
    const char *end = strrchr(path, '/'), *begin = end;
    while (begin && begin > path && begin[-1] != '/')
        begin--;
    char *folder = end ? strndup(begin, (size_t)(end - begin)) : NULL;
    char *name = folder ? mr_class_name_of(folder) : NULL;
    int truth = -1;
    for (int i = 0; name && truth < 0 && i < g->classes; i++)
        truth = strcmp(g->class_names[i], name) ? -1 : i;
    free(name);
    free(folder);
    return truth;
}

void mr_gallery_offer(mr_gallery *g, const mr_sink_row *row, const char *place, uint64_t id)
{
    if (row->error || row->predicted < 0)
        return;
    int at = draw_place(g);
    if (at < 0)
        return;
    picked *p = &g->pick[at];
    free(p->path);
    *p = (picked){.path = strdup(place),
                  .id = id,
                  .predicted = row->predicted,
                  .truth = truth_of(g, row->path),
                  .confidence = row->confidence};
}

/* --- reading again ------------------------------------------------------------------ */

/* The whole file, malloc'ed, or NULL. */
static void *read_whole(const char *path, size_t *size)
{
    struct stat st;
    char *bytes = NULL;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MOST)
        bytes = malloc((size_t)st.st_size + 1);
    *size = 0;
    for (ssize_t n = 1; bytes && n > 0 && *size<(size_t)st.st_size; *size += n> 0 ? (size_t)n : 0)
        n = read(fd, bytes + *size, (size_t)st.st_size - *size);
    if (fd >= 0)
        close(fd);
    return bytes;
}

/* Sides of at most THUMBNAIL, in proportion. */
static void shrink(const mr_image *image, int *width, int *height)
{
    int longest = image->width > image->height ? image->width : image->height;
    double scale = longest > THUMBNAIL ? (double)THUMBNAIL / longest : 1;
    *width = (int)(image->width * scale);
    *height = (int)(image->height * scale);
    *width = *width < 1 ? 1 : *width;
    *height = *height < 1 ? 1 : *height;
}

static bool load(picked *p, mr_decoder *d, mr_montage_tile *tile)
{
    mr_preprocess pre = mr_preprocess_default();
    mr_image image;
    size_t size;
    void *bytes = read_whole(p->path, &size);
    bool loaded = bytes && mr_decode(d, bytes, size, &pre, &image, NULL) == 0;
    if (loaded) {
        shrink(&image, &tile->width, &tile->height);
        tile->channels = image.channels;
        p->pixels = malloc((size_t)tile->width * (size_t)tile->height * (size_t)image.channels);
        loaded =
            p->pixels && mr_resize(d, &image, tile->width, tile->height, MR_BILINEAR, p->pixels, NULL) == 0;
        tile->pixels = p->pixels;
    }
    free(bytes);
    return loaded;
}

static int in_input_order(const void *a, const void *b)
{
    uint64_t x = ((const picked *)a)->id, y = ((const picked *)b)->id;
    return (x > y) - (x < y);
}

int mr_gallery_write(mr_gallery *g, const char *file, mr_error *e)
{
    mr_decoder *d = NULL;
    mr_montage m = {0};
    mr_montage_tile *tile = calloc((size_t)g->count, sizeof *tile);
    int status = tile ? mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 178956970}, e)
                      : mr_no_memory(e, "the montage");
    qsort(g->pick, (size_t)g->filled, sizeof *g->pick, in_input_order);
    for (int i = 0; i < g->filled && !status; i++) {
        picked *p = &g->pick[i];
        mr_montage_tile *t = &tile[m.count];
        if (!load(p, d, t))
            continue;
        t->label = g->class_names[p->predicted];
        t->class_index = p->predicted;
        t->confidence = (double)p->confidence;
        t->truth = p->truth >= 0 ? g->class_names[p->truth] : NULL;
        t->correct = p->truth == p->predicted;
        m.count++;
    }
    m.tiles = tile;
    if (!status && m.count)
        status = mr_montage_write(&m, file, e);
    mr_decoder_destroy(d);
    free(tile);
    return status;
}

void mr_gallery_free(mr_gallery *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->count; i++) {
        free(g->pick[i].path);
        free(g->pick[i].pixels);
    }
    free(g->pick);
    free(g);
}
