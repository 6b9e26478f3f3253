/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/source/path_set.h"

#include "base/path.h"
#include "base/checksum.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct mr_path_set {
    uint64_t *key; /* [mask + 1], open addressing; 0: free */
    size_t count, mask;
};

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "paths");
}

static uint64_t key_of(const void *bytes, size_t size)
{
    uint64_t key = mr_checksum(bytes, size);
    return key ? key : 1;
}

/* The name and which folder it is in; 0: there is no such folder. */
static uint64_t place_of(const char *path)
{
    struct {
        dev_t device;
        ino_t inode;
        uint64_t name;
    } place = {0};
    const char *name = mr_file_name(path);
    struct stat st;
    char *folder = mr_folder_of(path);
    bool there = folder && stat(folder, &st) == 0;
    free(folder);
    if (!there)
        return 0;
    place.device = st.st_dev;
    place.inode = st.st_ino;
    place.name = key_of(name, strlen(name));
    return key_of(&place, sizeof place);
}

static size_t find(const mr_path_set *s, uint64_t key)
{
    size_t at = key & s->mask;
    while (s->key[at] && s->key[at] != key)
        at = (at + 1) & s->mask;
    return at;
}

/* Twice the room. */
static int grow(mr_path_set *s, mr_error *e)
{
    mr_path_set larger = {.mask = s->mask ? 2 * s->mask + 1 : 1023, .count = s->count};
    larger.key = calloc(larger.mask + 1, sizeof *larger.key);
    if (!larger.key)
        return no_memory(e);
    for (size_t i = 0; s->key && i <= s->mask; i++)
        if (s->key[i])
            larger.key[find(&larger, s->key[i])] = s->key[i];
    free(s->key);
    *s = larger;
    return 0;
}

int mr_path_set_create(mr_path_set **out, mr_error *e)
{
    mr_path_set *s = *out = calloc(1, sizeof *s);
    int status = s ? grow(s, e) : no_memory(e);
    if (status) {
        mr_path_set_free(s);
        *out = NULL;
    }
    return status;
}

static int add(mr_path_set *s, uint64_t key, mr_error *e)
{
    int status = 4 * s->count > 3 * s->mask ? grow(s, e) : 0;
    if (status || s->key[find(s, key)])
        return status;
    s->key[find(s, key)] = key;
    s->count++;
    return 0;
}

int mr_path_set_add(mr_path_set *s, const char *path, mr_error *e)
{
    uint64_t place = place_of(path);
    int status = add(s, key_of(path, strlen(path)), e);
    return status || !place ? status : add(s, place, e);
}

bool mr_path_set_has(const mr_path_set *s, const char *path)
{
    uint64_t place = place_of(path);
    return s->key[find(s, key_of(path, strlen(path)))] || (place && s->key[find(s, place)]);
}

void mr_path_set_free(mr_path_set *s)
{
    if (!s)
        return;
    free(s->key);
    free(s);
}
