/* SPDX-License-Identifier: Apache-2.0 */
/* What libhdf5 and h5py write in all their ways is read, with the values that were written: every way to find
 * chunks, every order of filters, few and many links and attributes, user blocks, paged files, each in the
 * formats from the earliest to the latest. */
#include "tests/files.h"

#include "io/hdf5/array_stream.h"
#include "io/hdf5/arrays.h"
#include "io/hdf5/hdf5.h"

enum { ROWS = 23, COLUMNS = 17, MANY = 2100 };

static float value(size_t i)
{
    return (float)(i * 37 % 1009) - 500;
}

static const char *temporary(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/millrace-hdf5-read-%ld.h5", (long)getpid());
    return path;
}

/* --- writing --- */

struct shape {
    const char *name;
    hsize_t size[2], chunk[2], most[2];
    const char
        *filters; /* d: deflate, s: shuffle, f: fletcher32, x: one that nobody has; in the order of writing */
    bool early;   /* chunks are allocated before they are written */
};

#define FOREVER H5S_UNLIMITED
static const struct shape shapes[] = {
    {"contiguous", {ROWS, COLUMNS}, {0, 0}, {ROWS, COLUMNS}, "", false},
    {"single", {ROWS, COLUMNS}, {ROWS, COLUMNS}, {ROWS, COLUMNS}, "", false},
    {"single packed", {ROWS, COLUMNS}, {ROWS, COLUMNS}, {ROWS, COLUMNS}, "sd", false},
    {"implicit", {ROWS, COLUMNS}, {5, 4}, {ROWS, COLUMNS}, "", true},
    {"fixed", {ROWS, COLUMNS}, {5, 4}, {ROWS, 40}, "", false},
    {"fixed packed", {ROWS, COLUMNS}, {5, 4}, {ROWS, COLUMNS}, "sdf", false},
    {"fixed paged", {MANY, 2}, {1, 2}, {MANY, 2}, "", false},
    {"fixed paged, packed", {MANY, 2}, {1, 2}, {MANY, 2}, "d", false},
    {"extensible", {ROWS, COLUMNS}, {5, 4}, {FOREVER, COLUMNS}, "", false},
    {"extensible in the second", {ROWS, COLUMNS}, {5, 4}, {ROWS, FOREVER}, "d", false},
    {"extensible paged", {MANY, 2}, {1, 2}, {FOREVER, 2}, "", false},
    {"tree", {ROWS, COLUMNS}, {5, 4}, {FOREVER, FOREVER}, "", false},
    {"tree of levels", {MANY, 2}, {1, 2}, {FOREVER, FOREVER}, "", false},
    {"tree packed", {ROWS, COLUMNS}, {5, 4}, {FOREVER, FOREVER}, "fds", false},
    {"shuffle after deflate", {ROWS, COLUMNS}, {5, 4}, {ROWS, COLUMNS}, "ds", false},
    {"deflate twice", {ROWS, COLUMNS}, {5, 4}, {ROWS, COLUMNS}, "ddfs", false},
    {"four filters", {ROWS, COLUMNS}, {5, 4}, {ROWS, COLUMNS}, "sfds", false},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, LONG = 24 };

/* Thousands of chunks are slow: one file of each format has them. */
static bool has_shape(int i, int many)
{
    return many == LONG || shapes[i].size[0] != MANY;
}

static int count_shapes(int many)
{
    int count = 0;
    for (int i = 0; i < SHAPES; i++)
        count += has_shape(i, many);
    return count;
}

static hid_t creation_of(const struct shape *s)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (s->chunk[0])
        H5Pset_chunk(list, 2, s->chunk);
    if (s->early)
        H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
    for (const char *f = s->filters; *f; f++)
        assert_true((*f == 'd'   ? H5Pset_deflate(list, 4)
                     : *f == 's' ? H5Pset_shuffle(list)
                     : *f == 'f' ? H5Pset_fletcher32(list)
                                 : H5Pset_filter(list, 32000, H5Z_FLAG_OPTIONAL, 0, NULL)) >= 0);
    return list;
}

static void write_set(hid_t at, const struct shape *s)
{
    size_t count = (size_t)(s->size[0] * s->size[1]);
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = value(i);
    hid_t space = H5Screate_simple(2, s->size, s->most), list = creation_of(s);
    hid_t set = H5Dcreate2(at, s->name, H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0 && H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
    free(values);
}

/* Numbers with a fill value, of which nothing is written. */
static void leave_unwritten(hid_t at, const char *name, hsize_t rows, bool chunked)
{
    struct shape s = {name, {rows, COLUMNS}, {chunked, chunked}, {rows, COLUMNS}, "", false};
    float fill = 2.5f;
    hid_t space = H5Screate_simple(2, s.size, s.most), list = creation_of(&s);
    H5Pset_fill_value(list, H5T_NATIVE_FLOAT, &fill);
    hid_t set = H5Dcreate2(at, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Pclose(list);
    H5Sclose(space);
}

static const char *text_of(int i)
{
    static char text[6000];
    memset(text, 'a' + i % 26, sizeof text);
    text[i % 50 == 49 ? 5500 : i % 200] = '\0';
    return text;
}

/* Attributes of fixed length, the largest too large for the blocks of a heap, and of variable length. */
static void write_attributes(hid_t at, int count)
{
    mr_error e = {0};
    for (int i = 0; i < count; i++) {
        char name[24];
        mr_names one = {0};
        snprintf(name, sizeof name, "attribute %d", i);
        if (i % 2)
            mr_names_add(&one, text_of(i), &e);
        assert_int_equal(i % 2 ? mr_hdf5_write_names(at, name, &one, &e)
                               : mr_hdf5_write_text(at, name, text_of(i), true, &e),
                         0);
        mr_names_free(&one);
    }
}

static void fill_file(hid_t file, int many)
{
    hid_t order = H5Pcreate(H5P_GROUP_CREATE);
    if (many % 2)
        H5Pset_link_creation_order(order, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, order, H5P_DEFAULT), type = H5Tcopy(H5T_IEEE_F64LE);
    for (int i = 0; i < many; i++) {
        char name[24];
        snprintf(name, sizeof name, "link %d", i);
        H5Gclose(H5Gcreate2(group, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
    for (int i = 0; i < SHAPES; i++)
        if (has_shape(i, many))
            write_set(group, &shapes[i]);
    leave_unwritten(group, "unwritten", ROWS, false);
    leave_unwritten(group, "unwritten chunks", ROWS, true);
    write_attributes(group, many);
    H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR),
          set = H5Dcreate2(file, "of a named type", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
          attribute = H5Acreate2(set, "named", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &(double){7.25}) >= 0);
    assert_true(H5Awrite(attribute, H5T_NATIVE_DOUBLE, &(double){1}) >= 0);
    H5Aclose(attribute);
    H5Dclose(set);
    H5Sclose(space);
    H5Tclose(type);
    H5Gclose(group);
    H5Pclose(order);
}

/* --- reading --- */

static void check_set(hid_t at, const struct shape *s)
{
    size_t count = (size_t)(s->size[0] * s->size[1]);
    float *values = malloc(count * sizeof *values);
    mr_error e = {0};
    if (mr_hdf5_read_floats(values, count, at, s->name, &e))
        fail_msg("%s: %s", s->name, e.message);
    for (size_t i = 0; i < count; i++)
        if (values[i] != value(i))
            fail_msg("%s: %g at %zu", s->name, (double)values[i], i);
    free(values);
}

static void check_unwritten(hid_t at, const char *name)
{
    float values[ROWS * COLUMNS];
    mr_error e = {0};
    if (mr_hdf5_read_floats(values, ROWS * COLUMNS, at, name, &e))
        fail_msg("%s", e.message);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        assert_true(values[i] == 2.5f);
}

static void check_attributes(hid_t at, int count)
{
    mr_names names;
    mr_error e = {0};
    assert_int_equal(mr_hdf5_attributes(&names, at, &e), 0);
    assert_int_equal(names.count, count);
    for (int i = 0; i < count; i++) {
        char name[24], *text;
        snprintf(name, sizeof name, "attribute %d", i);
        assert_true(mr_names_find(&names, name) >= 0);
        if (mr_hdf5_read_text(&text, NULL, at, name, &e))
            fail_msg("%s", e.message);
        assert_string_equal(text, text_of(i));
        free(text);
    }
    assert_int_equal(mr_hdf5_has_attribute(at, "attribute", &e), 0);
    mr_names_free(&names);
}

static void check_links(hid_t at, int count)
{
    mr_names names;
    mr_error e = {0};
    assert_int_equal(mr_hdf5_links(&names, at, &e), 0);
    assert_int_equal(names.count, count + count_shapes(count) + 2);
    for (size_t i = 0; i < names.count; i++)
        assert_true(mr_hdf5_exists(at, names.name[i]));
    mr_names_free(&names);
}

static void check_file(const char *path, int many)
{
    hid_t file, group;
    double number = 0;
    mr_error e = {0};
    mr_hdf5_lock();
    if (mr_hdf5_open(&file, path, &e) || mr_hdf5_open_group(&group, file, "group", &e))
        fail_msg("%s", e.message);
    for (int i = 0; i < SHAPES; i++)
        if (has_shape(i, many))
            check_set(group, &shapes[i]);
    check_unwritten(group, "unwritten");
    check_unwritten(group, "unwritten chunks");
    check_attributes(group, many);
    check_links(group, many);
    assert_int_equal(mr_hdf5_read_double(&number, file, "of a named type", &e), 0);
    assert_true(number == 7.25);
    mr_hdf5_release(group);
    mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
}

/* PAGED: the file's space is handed out by the page, and what is free is kept. */
static void round_trip(H5F_libver_t low, int many, hsize_t user_block, bool paged)
{
    mr_hdf5_lock();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_libver_bounds(access, low, H5F_LIBVER_LATEST);
    if (user_block)
        H5Pset_userblock(creation, user_block);
    if (paged)
        H5Pset_file_space_strategy(creation, H5F_FSPACE_STRATEGY_PAGE, true, 1);
    hid_t file = H5Fcreate(temporary(), H5F_ACC_TRUNC, creation, access);
    assert_true(file >= 0);
    fill_file(file, many);
    H5Fclose(file);
    H5Pclose(access);
    H5Pclose(creation);
    mr_hdf5_unlock();
    check_file(temporary(), many);
    unlink(temporary());
}

/* --- cases --- */

static void the_earliest_format(void **state)
{
    (void)state;
    round_trip(H5F_LIBVER_EARLIEST, 3, 0, false);
    round_trip(H5F_LIBVER_EARLIEST, LONG, 0, false);
}

static void the_formats_of_hdf5_1_8_and_2_0(void **state)
{
    (void)state;
    round_trip(H5F_LIBVER_V18, 3, 0, false);
    round_trip(H5F_LIBVER_V18, 61, 0, false);
}

static void the_latest_format(void **state)
{
    (void)state;
    round_trip(H5F_LIBVER_LATEST, 3, 0, false);
    round_trip(H5F_LIBVER_LATEST, LONG, 0, false);
    round_trip(H5F_LIBVER_LATEST, 601, 0, false); /* indirect blocks, and B-trees of several levels */
}

static void user_blocks(void **state)
{
    (void)state;
    round_trip(H5F_LIBVER_EARLIEST, 12, 512, false);
    round_trip(H5F_LIBVER_LATEST, 12, 2048, false);
}

static void paged_files(void **state)
{
    (void)state;
    round_trip(H5F_LIBVER_EARLIEST, 12, 0, true);
    round_trip(H5F_LIBVER_LATEST, 61, 0, true);
}

/* tests/data/hdf5, as h5wasm, MATLAB and netCDF write: dense links and attributes in HDF5 2's default format,
 * a user block, named types; a shuffle after deflate; a data set of 15 GB of which nothing was written beside
 * the one that is read. */
static void files_of_other_programs(void **state)
{
    static const char *const files[] = {"h5wasm_many", "matlab73", "nc_many", "filter2", "prealloc2"};
    const double right = 377.8535016333917; /* the same numbers in each */
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        mr_array a;
        mr_error e = {0};
        double sum = 0;
        snprintf(path, sizeof path, "%s/tests/data/hdf5/%s.h5", getenv("MILLRACE_SRC"), files[i]);
        if (mr_array_read(&a, path, "input_0", &e))
            fail_msg("%s", e.message);
        for (size_t k = 0; k < mr_shape_count(&a.shape); k++)
            sum += (double)a.f32[k] * (double)(1 + k % 97);
        if (!(sum - right < 1e-3 && right - sum < 1e-3))
            fail_msg("%s: %g instead of %g", files[i], sum, right);
        mr_array_free(&a);
    }
}

static void groups_nested_deep(void **state)
{
    (void)state;
    char path[2 * 300 + 1] = "";
    float values[ROWS * COLUMNS];
    mr_error e = {0};
    mr_hdf5_lock();
    hid_t file = H5Fcreate(temporary(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
          group = H5Gopen2(file, "/", H5P_DEFAULT);
    for (int i = 0; i < 290; i++) {
        hid_t next = H5Gcreate2(group, "d", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Gclose(group);
        group = next;
        strcat(path, "d/");
    }
    write_set(group, &shapes[0]);
    strcat(path, shapes[0].name);
    H5Gclose(group);
    H5Fclose(file);
    if (mr_hdf5_open(&file, temporary(), &e) || mr_hdf5_read_floats(values, ROWS * COLUMNS, file, path, &e))
        fail_msg("%s", e.message);
    assert_true(values[100] == value(100));
    mr_hdf5_close(file, temporary(), NULL);
    mr_hdf5_unlock();
    unlink(temporary());
}

/* Each opening that adds an attribute adds a piece to the object's header. */
static void headers_of_many_pieces(void **state)
{
    (void)state;
    mr_error e = {0};
    char name[24], *text;
    mr_hdf5_lock();
    H5Fclose(H5Fcreate(temporary(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    for (int i = 0; i < 600; i++) {
        hid_t file = H5Fopen(temporary(), H5F_ACC_RDWR, H5P_DEFAULT);
        snprintf(name, sizeof name, "attribute %d", i);
        assert_int_equal(mr_hdf5_write_text(file, name, text_of(i % 7), true, &e), 0);
        H5Fclose(file);
    }
    hid_t file;
    if (mr_hdf5_open(&file, temporary(), &e) || mr_hdf5_read_text(&text, NULL, file, name, &e))
        fail_msg("%s", e.message);
    assert_string_equal(text, text_of(599 % 7));
    free(text);
    mr_hdf5_close(file, temporary(), NULL);
    mr_hdf5_unlock();
    unlink(temporary());
}

/* The elements behind the first 131,000 or so of such an array are in pages. */
static void pages_of_an_extensible_array(void **state)
{
    enum { PLACE = 135000, SIZE = 140000 };
    static const struct shape pad = {"pad", {50000, 2}, {0, 0}, {50000, 2}, "", false};
    static const hsize_t size[1] = {SIZE}, most[1] = {FOREVER}, one[1] = {1}, place[1] = {PLACE};
    (void)state;
    mr_error e = {0};
    float values[20];
    mr_array_reader *reader;
    mr_hdf5_lock();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), list = H5Pcreate(H5P_DATASET_CREATE),
          space = H5Screate_simple(1, size, most), memory = H5Screate_simple(1, one, NULL);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    H5Pset_chunk(list, 1, one);
    hid_t file = H5Fcreate(temporary(), H5F_ACC_TRUNC, H5P_DEFAULT, access),
          set = H5Dcreate2(file, "x", H5T_STD_I16LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, place, NULL, one, NULL) >= 0);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, &(float){7}) >= 0);
    write_set(file, &pad);
    H5Dclose(set);
    H5Sclose(space);
    H5Sclose(memory);
    H5Pclose(list);
    H5Pclose(access);
    H5Fclose(file);
    mr_hdf5_unlock();
    if (mr_array_reader_open(&reader, temporary(), "x", &e) ||
        mr_array_reader_rows(reader, PLACE - 10, 20, 1, 0, values, &e))
        fail_msg("%s", e.message);
    for (int i = 0; i < 20; i++)
        assert_true(values[i] == (i == 10 ? 7.0f : 0.0f));
    mr_array_reader_close(reader);
    unlink(temporary());
}

/* Beside what can be read a file may have what cannot. */
static void what_cannot_be_read_is_unsupported(void **state)
{
    static const struct shape packed = {"packed", {ROWS, COLUMNS}, {5, 4}, {ROWS, COLUMNS}, "sx", false};
    (void)state;
    mr_error e = {0};
    mr_shape shape;
    mr_hdf5_lock();
    hid_t file = H5Fcreate(temporary(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write_set(file, &shapes[0]);
    write_set(file, &packed);
    leave_unwritten(file, "sparse", 10000000, false);
    leave_unwritten(file, "sparse chunks", 300000, true);
    H5Fclose(file);
    if (mr_hdf5_open(&file, temporary(), &e))
        fail_msg("%s", e.message);
    check_set(file, &shapes[0]);
    static const char *const names[] = {"packed", "sparse", "sparse chunks"};
    for (int i = 0; i < 3; i++) {
        mr_error_clear(&e);
        assert_int_equal(mr_hdf5_shape(&shape, file, names[i], &e), MR_EUNSUPPORTED);
        if (!strstr(e.message, "unsupported") || !strstr(e.message, names[i]) ||
            (i == 0 && !strstr(e.message, "LZF")))
            fail_msg("%s", e.message);
    }
    mr_hdf5_close(file, temporary(), NULL);
    mr_hdf5_unlock();
    unlink(temporary());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_format),
        cmocka_unit_test(the_formats_of_hdf5_1_8_and_2_0),
        cmocka_unit_test(the_latest_format),
        cmocka_unit_test(user_blocks),
        cmocka_unit_test(paged_files),
        cmocka_unit_test(files_of_other_programs),
        cmocka_unit_test(groups_nested_deep),
        cmocka_unit_test(headers_of_many_pieces),
        cmocka_unit_test(pages_of_an_extensible_array),
        cmocka_unit_test(what_cannot_be_read_is_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
