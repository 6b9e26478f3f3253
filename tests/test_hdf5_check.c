/* SPDX-License-Identifier: Apache-2.0 */
/* The check before libhdf5: what the library writes in all its ways is accepted or refused by name, and
 * damage that leads the library out of bounds is found. The files are made here, by the library itself. */
#include "tests/shared.h"

#include "io/hdf5/hdf5.h"
#include "io/hdf5/parse_internal.h"

struct bytes {
    uint8_t *at;
    size_t size;
};

/* --- files --- */

static void add_text(hid_t object, const char *name, const char *text)
{
    mr_error e = {0};
    assert_int_equal(mr_hdf5_write_text(object, name, text, true, &e), 0);
}

static void add_dataset(hid_t at, const char *name, int rank, const hsize_t *dims, const hsize_t *chunk)
{
    hid_t space = H5Screate_simple(rank, dims, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    float *values = calloc(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i % 97);
    if (chunk) {
        H5Pset_chunk(list, rank, chunk);
        H5Pset_shuffle(list);
        H5Pset_deflate(list, 4);
        H5Pset_fletcher32(list);
    }
    hid_t set = H5Dcreate2(at, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    free(values);
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
}

static void fill_file(hid_t file, int links)
{
    hsize_t dims[2] = {30, 20}, chunk[2] = {8, 8};
    mr_names names = {0};
    mr_error e = {0};
    hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    add_text(file, "text", "some text");
    add_text(group, "more", "more text");
    mr_names_add(&names, "first", &e);
    mr_names_add(&names, "second one", &e);
    assert_int_equal(mr_hdf5_write_names(group, "names", &names, &e), 0);
    mr_names_free(&names);
    add_dataset(group, "plain", 2, dims, NULL);
    add_dataset(group, "packed", 2, dims, chunk);
    H5Lcreate_soft("/group/plain", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/group/plain", file, "hard", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/", group, "circle", H5P_DEFAULT,
                   H5P_DEFAULT); /* a group inside itself is allowed */
    for (int i = 0; i < links; i++) {
        char name[24];
        snprintf(name, sizeof name, "link %d", i);
        H5Gclose(H5Gcreate2(group, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
    H5Gclose(group);
}

static struct bytes take_file(const char *path)
{
    struct bytes b;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    b.size = (size_t)ftell(f);
    rewind(f);
    b.at = malloc(b.size);
    assert_int_equal(fread(b.at, 1, b.size, f), b.size);
    fclose(f);
    return b;
}

/* LATEST: as libver="latest"; LINKS: that many groups more. */
static struct bytes make_file(bool latest, int links)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/millrace-check-%ld.h5", (long)getpid());
    mr_hdf5_lock();
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (latest)
        H5Pset_libver_bounds(list, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, list);
    assert_true(file >= 0);
    fill_file(file, links);
    H5Fclose(file);
    H5Pclose(list);
    mr_hdf5_unlock();
    struct bytes b = take_file(path);
    unlink(path);
    return b;
}

/* The place of the COUNT-th MARK. */
static uint8_t *find(const struct bytes *b, const char *mark, int count)
{
    size_t n = strlen(mark);
    for (size_t i = 0; i + n <= b->size; i++)
        if (!memcmp(b->at + i, mark, n) && --count == 0)
            return b->at + i;
    fail_msg("no %s in the file", mark);
    return NULL;
}

static void put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static int check_bytes(const void *bytes, size_t size, const char *what, mr_error *e)
{
    mr_h5_index *index;
    int status = mr_h5_index_bytes(&index, bytes, size, what, e);
    mr_h5_index_free(index);
    return status;
}

static int check_file(int fd, const char *what, mr_error *e)
{
    mr_h5_index *index;
    int status = mr_h5_index_file(&index, fd, what, e);
    mr_h5_index_free(index);
    return status;
}

static void assert_accepted(const struct bytes *b)
{
    mr_error e = {0};
    int status = check_bytes(b->at, b->size, "x.h5", &e);
    if (status)
        fail_msg("%s", e.message);
}

static void assert_refused(const struct bytes *b, const char *word)
{
    mr_error e = {0};
    assert_true(check_bytes(b->at, b->size, "x.h5", &e) < 0);
    if (!strstr(e.message, word) || !strstr(e.message, "'x.h5'"))
        fail_msg("'%s' does not say '%s'", e.message, word);
}

/* --- cases --- */

static void what_the_library_writes_is_accepted(void **state)
{
    (void)state;
    for (int links = 0; links <= 400; links += 100) { /* B-trees of several levels, too */
        struct bytes b = make_file(false, links);
        assert_accepted(&b);
        free(b.at);
    }
}

static void links_to_other_files_are_not_followed(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/millrace-check-%ld.h5", (long)getpid());
    mr_hdf5_lock();
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    add_dataset(file, "here", 1, (const hsize_t[]){5}, NULL);
    assert_true(H5Lcreate_external(path, "/here", file, "elsewhere", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
    mr_error e = {0};
    float values[5];
    assert_int_equal(mr_hdf5_open(&file, path, &e), 0);
    assert_int_equal(mr_hdf5_read_floats(values, 5, file, "here", &e), 0);
    assert_int_equal(mr_hdf5_read_floats(values, 5, file, "elsewhere", &e), MR_ENOTFOUND);
    mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    unlink(path);
}

/* A second opening of the same file is not checked again; a changed one is. */
static void a_changed_file_is_checked_again(void **state)
{
    (void)state;
    struct bytes b = make_file(false, 3);
    char path[64];
    snprintf(path, sizeof path, "/tmp/millrace-check-%ld.h5", (long)getpid());
    for (int damaged = 0; damaged < 2; damaged++) {
        hid_t file;
        mr_error e = {0};
        if (damaged)
            put(find(&b, "SNOD", 1) + 6, 999, 2);
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(b.at, 1, b.size, f), b.size);
        fclose(f);
        mr_hdf5_lock();
        for (int time = 0; time < 2; time++) {
            int status = mr_hdf5_open(&file, path, &e);
            assert_int_equal(status < 0, damaged);
            if (!status)
                mr_hdf5_close(file, path, NULL);
        }
        mr_hdf5_unlock();
        usleep(20000); /* the clock of files has ticks */
    }
    unlink(path);
    free(b.at);
}

static void files_and_bytes_are_checked_alike(void **state)
{
    (void)state;
    struct bytes b = make_file(false, 20);
    char path[64];
    snprintf(path, sizeof path, "/tmp/millrace-check-%ld.h5", (long)getpid());
    for (int damaged = 0; damaged < 2; damaged++) {
        mr_error from_file = {0}, from_bytes = {0};
        if (damaged)
            put(find(&b, "SNOD", 1) + 6, 999, 2);
        FILE *f = fopen(path, "wb+");
        assert_int_equal(fwrite(b.at, 1, b.size, f), b.size);
        fflush(f);
        int status = check_file(fileno(f), "x", &from_file);
        assert_int_equal(status, check_bytes(b.at, b.size, "x", &from_bytes));
        assert_int_equal(status < 0, damaged);
        assert_string_equal(from_file.message, from_bytes.message);
        fclose(f);
    }
    unlink(path);
    free(b.at);
}

/* One field of one structure set wrong, by what the library would do with it. */
static void damage_is_found_by_structure(void **state)
{
    static const struct {
        const char *mark;
        int nth, offset, bytes;
        uint64_t value;
        const char *word;
    } damages[] = {
        {"TREE", 1, 6, 2, 0xffff, "B-tree"},    /* entries: reads behind the node */
        {"TREE", 1, 5, 1, 200, "B-tree"},       /* level: recursion without end */
        {"TREE", 1, 24, 8, 1 << 20, "B-tree"},  /* a name outside of the heap */
        {"TREE", 1, 32, 8, 96, "symbol table"}, /* a child that is something else */
        {"SNOD", 1, 6, 2, 500, "symbol table"}, /* entries: writes behind the node */
        {"SNOD", 1, 8, 8, 1 << 20, "entry"},    /* a name outside of the heap */
        {"SNOD", 1, 16, 8, UINT64_MAX, "object header"},
        {"SNOD", 1, 24, 4, 9, "entry"},            /* cached as what does not exist */
        {"HEAP", 1, 8, 8, UINT64_MAX - 7, "heap"}, /* size */
        {"HEAP", 1, 16, 8, 1 << 16, "free list"},
        {"GCOL", 1, 8, 8, 1 << 30, "global heap"}, /* size of the collection */
        {"GCOL", 1, 8, 8, 16, "global heap"},
        {"GCOL", 1, 24, 8, 1 << 20, "global heap"}, /* size of an object */
        {"GCOL", 1, 16, 2, 77, "string"},           /* no object of the index that an attribute has */
        {"\x89HDF", 1, 40, 8, 1 << 30, "truncated"},
        {"\x89HDF", 1, 13, 1, 4, "superblock"},
        {"\x89HDF", 1, 64, 8, 1 << 30, "object header"},
    };
    (void)state;
    struct bytes b = make_file(false, 2);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint8_t *at = find(&b, damages[i].mark, damages[i].nth) + damages[i].offset;
        uint64_t right = get(at, damages[i].bytes);
        put(at, damages[i].value, damages[i].bytes);
        assert_refused(&b, damages[i].word);
        put(at, right, damages[i].bytes);
    }
    assert_accepted(&b);
    free(b.at);
}

/* Links and attributes in heaps, and each kind of index. */
static struct bytes make_newer_file(void)
{
    static const hsize_t size[2] = {6, 4}, chunk[2] = {2, 2};
    static const struct {
        const char *name;
        hsize_t most[2];
    } sets[] = {
        {"fixed", {6, 4}}, {"extensible", {H5S_UNLIMITED, 4}}, {"tree", {H5S_UNLIMITED, H5S_UNLIMITED}}};
    char path[64];
    snprintf(path, sizeof path, "/tmp/millrace-check-%ld.h5", (long)getpid());
    mr_hdf5_lock();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_chunk(list, 2, chunk);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    for (int i = 0; i < 3; i++) {
        float values[24] = {0};
        hid_t space = H5Screate_simple(2, size, sets[i].most),
              set = H5Dcreate2(file, sets[i].name, H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
        assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
        H5Dclose(set);
        H5Sclose(space);
    }
    for (int i = 0; i < 12; i++) {
        char name[24];
        snprintf(name, sizeof name, "name %d", i);
        H5Gclose(H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        add_text(file, name, "text");
    }
    H5Fclose(file);
    H5Pclose(list);
    H5Pclose(access);
    mr_hdf5_unlock();
    struct bytes b = take_file(path);
    unlink(path);
    return b;
}

static void set_sum(uint8_t *at, size_t length)
{
    put(at + length, mr_h5_checksum(at, length), 4);
}

/* Newer structures, with a right checksum over what is wrong; and with a wrong checksum over what is right.
 */
static void damage_behind_checksums_is_found(void **state)
{
    static const struct {
        const char *mark;
        size_t length; /* that the checksum is of */
        int offset, bytes;
        uint64_t value;
        const char *word;
    } damages[] = {
        {"\x89HDF", 44, 12, 8, 1 << 20, "superblock"},    /* base address behind the end */
        {"\x89HDF", 44, 28, 8, 1 << 30, "truncated"},     /* end of the file */
        {"\x89HDF", 44, 36, 8, 1 << 30, "object header"}, /* root */
        {"FRHP", 142, 5, 2, 9, "heap"},                   /* ids longer than the records have room for */
        {"FRHP", 142, 10, 4, UINT32_MAX, "heap"},         /* objects larger than any block */
        {"FRHP", 142, 22, 8, UINT64_MAX - 300, "heap"},   /* a tree of no objects: the library deletes it */
        {"FRHP", 142, 110, 2, 3, "heap"},                 /* width: no power of two */
        {"FRHP", 142, 112, 8, 0, "heap"},                 /* blocks of no size */
        {"FRHP", 142, 120, 8, (uint64_t)1 << 40, "heap"}, /* direct blocks of 1 TB */
        {"FRHP", 142, 128, 2, 4000, "heap"},              /* bits of an offset */
        {"FRHP", 142, 132, 8, 8, "heap"},                 /* a root block that is something else */
        {"FRHP", 142, 140, 2, 60000, "heap"},             /* rows of the root */
        {"BTHD", 34, 5, 1, 1, "B-tree"},                  /* of other records */
        {"BTHD", 34, 6, 4, 8, "B-tree"},                  /* nodes too small for a record */
        {"BTHD", 34, 10, 2, 1, "B-tree"},                 /* records of another size */
        {"BTHD", 34, 12, 2, 60000, "B-tree"},             /* depth */
        {"BTHD", 34, 24, 2, 40000, "B-tree"},             /* records of the root */
        {"BTHD", 34, 26, 8, UINT64_MAX, "B-tree"},        /* records of the whole */
        {"FAHD", 24, 6, 1, 200, "fixed array"},           /* size of an element */
        {"FAHD", 24, 8, 8, 3, "fixed array"},             /* fewer elements than there are chunks */
        {"FAHD", 24, 8, 8, UINT64_MAX, "fixed array"},    /* more than can be */
        {"EAHD", 68, 7, 1, 255, "extensible array"},      /* bits of its length */
        {"EAHD", 68, 9, 1, 3, "extensible array"},        /* least elements: no power of two */
        {"EAHD", 68, 10, 1, 0, "extensible array"},       /* no pointers */
        {"EAHD", 68, 44, 8, UINT64_MAX, "extensible array"}, /* elements that are set */
    };
    (void)state;
    struct bytes b = make_newer_file();
    assert_accepted(&b);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint8_t *start = find(&b, damages[i].mark, 1), *at = start + damages[i].offset;
        uint64_t right = get(at, damages[i].bytes);
        assert_int_equal(get(start + damages[i].length, 4), mr_h5_checksum(start, damages[i].length));
        put(at, damages[i].value, damages[i].bytes);
        set_sum(start, damages[i].length);
        assert_refused(&b, damages[i].word);
        put(at, right, damages[i].bytes);
        assert_refused(&b, "damaged"); /* the checksum of the damage */
        set_sum(start, damages[i].length);
    }
    assert_accepted(&b);
    free(b.at);
}

/* A deflate stream that gives too little: the library would copy what is not there. */
static void chunks_unpack_to_their_size(void **state)
{
    (void)state;
    struct bytes b = make_file(false, 0);
    for (size_t i = 0; i + 40 <= b.size; i++)
        if (!memcmp(b.at + i, "TREE\1\0", 6)) {
            uint8_t *stored = b.at + i + 24;
            uint64_t right = get(stored, 4);
            put(stored, right - 9, 4);
            assert_refused(&b, "chunk");
            put(stored, right, 4);
            put(stored + 4, 7, 4); /* all filters left out of this chunk */
            assert_refused(&b, "chunk");
            put(stored + 4, 0, 4);
            assert_accepted(&b);
            free(b.at);
            return;
        }
    fail_msg("no chunks in the file");
}

/* Of what a file claims but does not have, nothing is read. */
static void assert_unreadable(const struct bytes *b)
{
    hid_t file;
    mr_shape shape;
    mr_error e = {0};
    mr_hdf5_lock();
    if (!mr_hdf5_open_image(&file, b->at, b->size, "x.h5", &e)) {
        int plain = mr_hdf5_shape(&shape, file, "group/plain", NULL),
            packed = mr_hdf5_shape(&shape, file, "group/packed", &e);
        assert_true(plain < 0 || packed < 0);
        mr_hdf5_close(file, "x.h5", NULL);
    }
    mr_hdf5_unlock();
}

/* The shape of "plain" and "packed", 30 x 20: claims of more than the file holds are refused before anyone
 * allocates. */
static void absurd_shapes_are_refused(void **state)
{
    static const uint8_t shape[16] = {30, 0, 0, 0, 0, 0, 0, 0, 20};
    bool found = false;
    (void)state;
    struct bytes b = make_file(false, 0);
    for (size_t i = 0; i + sizeof shape <= b.size; i++)
        if (!memcmp(b.at + i, shape, sizeof shape)) {
            found = true;
            for (int bits = 30; bits <= 60; bits += 30) {
                put(b.at + i, (uint64_t)1 << bits, 8);
                put(b.at + i + sizeof shape, (uint64_t)1 << bits, 8); /* the largest that it may become */
                assert_unreadable(&b);
            }
            put(b.at + i, 30, 8);
            put(b.at + i + sizeof shape, 30, 8);
            i += 2 * sizeof shape - 1;
        }
    assert_true(found);
    assert_accepted(&b);
    free(b.at);
}

/* Each link of an old group says where its name is: all could say the same long one, and the index be larger
 * than the file by any factor. */
static void names_are_no_more_than_the_file(void **state)
{
    (void)state;
    static char name[3000];
    char path[64];
    memset(name, 'n', sizeof name - 1);
    snprintf(path, sizeof path, "/tmp/millrace-names-%ld.h5", (long)getpid());
    mr_hdf5_lock();
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 200; i++) {
        char link[24];
        snprintf(link, sizeof link, "link %d", i);
        assert_true(H5Lcreate_soft("x", file, link, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    }
    assert_true(H5Lcreate_soft("x", file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
    mr_hdf5_unlock();
    struct bytes b = take_file(path);
    unlink(path);
    assert_accepted(&b);
    uint64_t names = get(find(&b, "HEAP", 1) + 24, 8), at = (uint64_t)(find(&b, name, 1) - b.at) - names;
    for (size_t i = 0; i + 8 < b.size; i++)
        for (uint64_t k = 0; !memcmp(b.at + i, "SNOD", 4) && k < get(b.at + i + 6, 2); k++)
            put(b.at + i + 8 + 40 * k, at, 8);
    assert_refused(&b, "more names");
    free(b.at);
}

/* Endless: a heap's free block that follows itself, and a free object of no size in a collection. */
static void circles_end(void **state)
{
    (void)state;
    struct bytes b = make_file(false, 0);
    uint8_t *heap = find(&b, "HEAP", 1), *data = b.at + get(heap + 24, 8);
    put(heap + 16, 8, 8);
    put(data + 8, 8, 8);
    put(data + 16, 16, 8);
    assert_refused(&b, "free list");
    free(b.at);
    b = make_file(false, 0);
    uint8_t *collection = find(&b, "GCOL", 1), *object = collection + 16;
    while (get(object, 2))
        object += 16 + (get(object + 8, 8) + 7) / 8 * 8;
    put(object + 8, 0, 8);
    assert_refused(&b, "global heap");
    free(b.at);
}

static void walk_with_library(struct bytes b)
{
    hid_t file;
    mr_error e = {0};
    float values[600];
    mr_names names = {0};
    if (mr_hdf5_open_image(&file, b.at, b.size, "x.h5", &e))
        return;
    static const char *const sets[] = {"group/plain", "group/packed", "soft", "group/circle/hard"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        mr_hdf5_read_floats(values, 600, file, sets[i], NULL);
    if (!mr_hdf5_links(&names, file, NULL))
        mr_names_free(&names);
    char *text;
    if (!mr_hdf5_find_text(&text, NULL, file, "text", NULL))
        free(text);
    mr_hdf5_close(file, "x.h5", NULL);
}

static void every_truncation_is_survived(void **state)
{
    (void)state;
    struct bytes b = make_file(false, 0);
    for (size_t size = 0; size < b.size; size += 13) {
        struct bytes shorter = {malloc(size + 1), size};
        memcpy(shorter.at, b.at, size);
        assert_refused(&shorter, "HDF5 file");
        free(shorter.at);
    }
    free(b.at);
}

/* Each byte that is not a dataset's, set to 255, 0 and one more: the check and the library live. A sanitized
 * build gives each byte one of the three values in turn; `make check-long` and the plain build give it all of
 * them. */
static size_t values_per_byte(void)
{
#ifdef MR_SANITIZED
    const char *everything = getenv("MILLRACE_LONG");
    return everything && *everything ? 3 : 1;
#else
    return 3;
#endif
}

static void every_byte_may_be_wrong(void **state)
{
    (void)state;
    struct bytes b = make_file(false, 0), copy = {malloc(b.size), b.size};
    size_t accepted = 0, values = values_per_byte();
    mr_hdf5_lock();
    for (size_t i = 0; i < b.size; i++) {
        static const int how[] = {0xff, 0, -1};
        for (size_t turn = 0; turn < values; turn++) {
            int value = how[(i + turn) % 3];
            memcpy(copy.at, b.at, b.size);
            copy.at[i] = (uint8_t)(value < 0 ? b.at[i] + 1 : value);
            mr_error e = {0};
            if (check_bytes(copy.at, copy.size, "x.h5", &e) == 0 && ++accepted % 4 == 0)
                walk_with_library(copy);
        }
    }
    mr_hdf5_unlock();
    assert_true(accepted > b.size * values / 3); /* most bytes are data and padding */
    free(copy.at);
    free(b.at);
}

static void golden_files_are_accepted(void **state)
{
    (void)state;
    static const char *const files[] = {"golden/layers/mobilenet.h5", "golden/tutorial_resnet/start.h5",
                                        "golden/images/resize.h5",
                                        "models/mlcommons__tiny__pretrainedResnet.h5"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct bytes b = take_file(shared_or_skip(files[i]));
        assert_accepted(&b);
        free(b.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_library_writes_is_accepted),
        cmocka_unit_test(links_to_other_files_are_not_followed),
        cmocka_unit_test(a_changed_file_is_checked_again),
        cmocka_unit_test(files_and_bytes_are_checked_alike),
        cmocka_unit_test(damage_is_found_by_structure),
        cmocka_unit_test(damage_behind_checksums_is_found),
        cmocka_unit_test(chunks_unpack_to_their_size),
        cmocka_unit_test(absurd_shapes_are_refused),
        cmocka_unit_test(circles_end),
        cmocka_unit_test(names_are_no_more_than_the_file),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(every_byte_may_be_wrong),
        cmocka_unit_test(golden_files_are_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
