/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of every kind that h5py has written, lists too long for one, and files that are there whole or
 * not at all. */
#include "tests/keras.h"

#include "base/durable.h"
#include "tests/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- attributes ----------------------------------------------------------- */

static void assert_names(hid_t object, const char *attribute, int count, const char *const *names)
{
    mr_names found;
    mr_error e = {0};
    if (mr_hdf5_read_names(&found, object, attribute, &e))
        fail_msg("%s", e.message);
    assert_int_equal(found.count, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(found.name[i], names[i]);
    mr_names_free(&found);
}

static void kinds_of_attributes(void **state)
{
    (void)state;
    static const char *const names[] = {"conv", "dense_layer", "\xc3\xa9"};
    static const char fixed[] = "conv\0\0\0\0\0\0\0dense_layer\xc3\xa9\0\0\0\0\0\0\0\0\0",
                      spaced[] = "conv       dense_layer\xc3\xa9         ";
    hsize_t three = 3, zero = 0, one = 1;
    hid_t file = keras_new_file(keras_temporary("attributes.h5"));
    hid_t vlen = keras_string_type(H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_UTF8),
          pad = keras_string_type(11, H5T_STR_NULLPAD, H5T_CSET_ASCII),
          term = keras_string_type(11, H5T_STR_NULLTERM, H5T_CSET_UTF8),
          space = keras_string_type(11, H5T_STR_SPACEPAD, H5T_CSET_ASCII);
    keras_write_attribute(file, "variable", vlen, H5Screate_simple(1, &three, NULL), names);
    keras_write_attribute(file, "padded", pad, H5Screate_simple(1, &three, NULL), fixed);
    keras_write_attribute(file, "spaces", space, H5Screate_simple(1, &three, NULL), spaced);
    keras_write_attribute(file, "empty", H5T_IEEE_F64LE, H5Screate_simple(1, &zero, NULL), NULL);
    keras_write_attribute(file, "null", vlen, H5Screate(H5S_NULL), NULL);
    keras_write_attribute(file, "scalar", vlen, H5Screate(H5S_SCALAR), names + 1);
    keras_write_attribute(file, "scalar_fixed", term, H5Screate(H5S_SCALAR), "text\0......");
    keras_write_attribute(file, "one", vlen, H5Screate_simple(1, &one, NULL), names + 1);
    keras_write_attribute(file, "number", H5T_NATIVE_INT, H5Screate_simple(1, &one, NULL), &(int){3});
    H5Fflush(file, H5F_SCOPE_LOCAL);
    assert_names(file, "variable", 3, names);
    assert_names(file, "padded", 3, names);
    assert_names(file, "spaces", 3, names);
    assert_names(file, "empty", 0, NULL);
    assert_names(file, "null", 0, NULL);
    mr_error e = {0};
    static const char *const scalars[] = {"scalar", "scalar_fixed", "one"}, *const wanted[] = {"dense_layer",
                                                                                               "text",
                                                                                               "dense_layer"};
    for (int i = 0; i < 3; i++) {
        char *text;
        assert_int_equal(mr_hdf5_read_text(&text, NULL, file, scalars[i], &e), 0);
        assert_string_equal(text, wanted[i]);
        free(text);
    }
    mr_names none;
    char *text;
    assert_int_equal(mr_hdf5_read_names(&none, file, "missing", NULL), MR_ENOTFOUND);
    assert_int_equal(mr_hdf5_read_names(&none, file, "number", NULL), MR_EFORMAT);
    assert_int_equal(mr_hdf5_read_text(&text, NULL, file, "variable", NULL), MR_EFORMAT);
    H5Tclose(vlen);
    H5Tclose(pad);
    H5Tclose(term);
    H5Tclose(space);
    keras_close_file(file);
}

/* A list that is too long for an object's header is cut into even parts. */
static void long_lists_are_split(void **state)
{
    (void)state;
    mr_names names = {0}, back;
    mr_error e = {0};
    char name[64];
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "block%d/convolution_with_a_name/kernel:0", i);
        assert_int_equal(mr_names_add(&names, name, &e), 0);
    }
    hid_t file = keras_new_file(keras_temporary("split.h5"));
    assert_int_equal(mr_hdf5_write_names(file, "weight_names", &names, &e), 0);
    H5Fflush(file, H5F_SCOPE_LOCAL);
    assert_int_equal(mr_hdf5_has_attribute(file, "weight_names", &e), 0);
    assert_int_equal(mr_hdf5_has_attribute(file, "weight_names0", &e), 1);
    assert_int_equal(mr_hdf5_has_names(file, "weight_names", &e), 1);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "weight_names%d", i);
        if (mr_hdf5_has_attribute(file, name, &e) == 1) {
            hid_t a = H5Aopen(file, name, H5P_DEFAULT);
            assert_true(H5Aget_storage_size(a) <= 64512 && H5Aget_storage_size(a) > 40000);
            H5Aclose(a);
        }
    }
    assert_int_equal(mr_hdf5_read_names(&back, file, "weight_names", &e), 0);
    assert_int_equal(back.count, names.count);
    for (size_t i = 0; i < names.count; i++)
        assert_string_equal(back.name[i], names.name[i]);
    keras_close_file(file);
    mr_names_free(&names);
    mr_names_free(&back);
}

/* Parts in any order in the header; what only looks like one is none. */
static void parts_are_joined_by_number(void **state)
{
    (void)state;
    mr_names back;
    mr_error e = {0};
    char name[32];
    hid_t file = keras_new_file(keras_temporary("parts.h5"));
    for (int i = 299; i >= 0; i--) {
        mr_names one = {0};
        snprintf(name, sizeof name, "weight_names%d", i);
        assert_int_equal(mr_names_add(&one, name, &e), 0);
        assert_int_equal(mr_hdf5_write_names(file, name, &one, &e), 0);
        mr_names_free(&one);
    }
    assert_int_equal(mr_hdf5_write_text(file, "weight_names007", "x", true, &e), 0);
    assert_int_equal(mr_hdf5_write_text(file, "weight_names301", "x", true, &e), 0);
    assert_int_equal(mr_hdf5_write_text(file, "weight_names_1", "x", true, &e), 0);
    H5Fflush(file, H5F_SCOPE_LOCAL);
    assert_int_equal(mr_hdf5_read_names(&back, file, "weight_names", &e), 0);
    assert_int_equal(back.count, 300);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "weight_names%d", i);
        assert_string_equal(back.name[i], name);
    }
    mr_names_free(&back);
    assert_int_equal(mr_hdf5_read_names(&back, file, "weight_names_", &e), MR_ENOTFOUND);
    keras_close_file(file);
}

/* --- walking a file --------------------------------------------------------------------------- */

enum { DIAMONDS = 40 };

/* Groups with two links each to the next, and a last one with two links to itself. ADDRESS: of each. */
static void make_circles(const char *path, haddr_t *address)
{
    H5O_info_t info;
    hid_t file = keras_new_file(path), group = H5Gcreate2(file, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < DIAMONDS; i++) {
        assert_true(H5Oget_info2(group, &info, H5O_INFO_BASIC) >= 0);
        address[i] = info.addr;
        hid_t next = i < DIAMONDS - 1 ? H5Gcreate2(group, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) : group;
        if (next == group)
            assert_true(H5Lcreate_hard(group, ".", group, "a", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        assert_true(H5Lcreate_hard(next, ".", group, "b", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        if (next != group)
            H5Gclose(group);
        group = next;
    }
    H5Gclose(group);
    keras_close_file(file);
}

static int count_object(void *context, hid_t object, H5I_type_t type, const char *path, mr_error *e)
{
    (void)e;
    assert_int_equal(H5Iget_type(object), type);
    assert_true(type == H5I_GROUP);
    assert_int_equal(path[strspn(path, "a/.")], 0); /* by the first of each object's names */
    return ++*(int *)context > 2 * DIAMONDS ? MR_ELIMIT : 0;
}

/* Their headers say that one link leads to each, which is what H5Ovisit would go by. */
static void walks_end(void **state)
{
    (void)state;
    haddr_t address[DIAMONDS];
    size_t size = 0;
    int objects = 0;
    hid_t file;
    mr_error e = {0};
    const char *path = keras_temporary("circles.h5");
    make_circles(path, address);
    uint8_t *bytes = read_file(path, &size);
    assert_non_null(bytes);
    for (int i = 0; i < DIAMONDS; i++) {
        assert_int_equal(bytes[address[i] + 4], i == 0 ? 1 : i < DIAMONDS - 1 ? 2 : 4);
        bytes[address[i] + 4] = 1;
    }
    mr_hdf5_lock();
    if (mr_hdf5_open_image(&file, bytes, size, "circles", &e) ||
        mr_hdf5_visit(file, count_object, &objects, &e))
        fail_msg("%s", e.message);
    assert_int_equal(objects, DIAMONDS + 1);
    mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    free(bytes);
}

static void assert_paths(hid_t file, hid_t group)
{
    static const char *const there[] = {"one", "one/two", "one/two/three", "/one//two/", "soft/three"},
                             *const missing[] = {
                                 "",         "/",         "two",         "one/three", "one/two/three/four",
                                 "dangling", "elsewhere", "elsewhere/x", "soft/x",    "round/one"};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        if (!mr_hdf5_exists(file, there[i]))
            fail_msg("'%s' is missing", there[i]);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (mr_hdf5_exists(file, missing[i]))
            fail_msg("'%s' is there", missing[i]);
    assert_true(mr_hdf5_exists(group, "/one/two/three") && mr_hdf5_exists(group, "three"));
    assert_true(mr_hdf5_is_group(file, "soft") && !mr_hdf5_is_group(file, "soft/three"));
}

/* As libhdf5 finds them in a file that is written, and the index in one that is read, in the old and the new
 * format. */
static void paths_with_and_without_their_parts(void **state)
{
    (void)state;
    for (int latest = 0; latest < 2; latest++) {
        const char *path = keras_temporary(latest ? "new_paths.h5" : "paths.h5");
        hid_t list = H5Pcreate(H5P_FILE_ACCESS), group = -1;
        mr_error e = {0};
        mr_hdf5_lock();
        if (latest)
            H5Pset_libver_bounds(list, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
        hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, list);
        H5Pclose(list);
        assert_int_equal(mr_hdf5_make_group(&group, file, "one/two", &e), 0);
        assert_int_equal(mr_hdf5_write_int(group, "three", 3, &e), 0);
        assert_true(H5Lcreate_soft("/one/two", file, "soft", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        assert_true(H5Lcreate_soft("/nowhere", file, "dangling", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        assert_true(H5Lcreate_soft("round", file, "round", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        assert_true(H5Lcreate_external("/etc/passwd", "/x", file, "elsewhere", H5P_DEFAULT, H5P_DEFAULT) >=
                    0);
        assert_paths(file, group);
        mr_hdf5_release(group);
        assert_true(H5Fclose(file) >= 0);
        assert_int_equal(mr_hdf5_open(&file, path, &e), 0);
        assert_int_equal(mr_hdf5_open_group(&group, file, "one/two", &e), 0);
        assert_paths(file, group);
        mr_hdf5_release(group);
        assert_int_equal(mr_hdf5_close(file, path, &e), 0);
        mr_hdf5_unlock();
    }
}

/* The file is opened twice, by us and by the library; a second descriptor that is not to be had is no damage.
 */
static void a_lack_of_descriptors(void **state)
{
    (void)state;
    struct rlimit old, low;
    const char *path = keras_temporary("descriptors.h5");
    keras_close_file(keras_new_file(path));
    mr_hdf5_lock();
    int first = open("/dev/null", O_RDONLY); /* the lowest that is free */
    assert_true(first >= 0 && close(first) == 0 && getrlimit(RLIMIT_NOFILE, &old) == 0);
    for (int more = 0; more < 3; more++) {
        hid_t file;
        mr_error e = {0};
        low = (struct rlimit){(rlim_t)(first + more), old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        int status = mr_hdf5_open(&file, path, &e);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(status, more < 2 ? MR_EIO : 0);
        if (status && (!strstr(e.message, "Too many open files") || !strstr(e.message, path)))
            fail_msg("%s", e.message);
        if (!status)
            mr_hdf5_close(file, path, NULL);
    }
    mr_hdf5_unlock();
}

/* --- durable writes -------------------------------------------------------------------------- */

static int write_text(void *context, const char *temporary, mr_error *e)
{
    FILE *f = fopen(temporary, "w");
    if (!f)
        return mr_fail_errno(e, errno, "cannot create '%s'", temporary);
    fputs(context, f);
    fclose(f);
    return strstr(context, "fail") ? mr_fail(e, MR_EIO, "the writer failed") : 0;
}

static void assert_content(const char *path, const char *wanted)
{
    size_t size = 0;
    char *text = (char *)read_file(path, &size);
    assert_non_null(text);
    text[size] = '\0';
    assert_string_equal(text, wanted);
    free(text);
}

static void durable_writes(void **state)
{
    (void)state;
    const char *path = keras_temporary("durable");
    struct stat info;
    mr_error e = {0};
    assert_int_equal(mr_durable_write(path, write_text, "first", &e), 0);
    assert_content(path, "first");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(mr_durable_write(path, write_text, "second", &e), 0);
    assert_content(path, "second");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(mr_durable_write(path, write_text, "fail", &e), MR_EIO);
    assert_non_null(strstr(e.message, path));
    assert_non_null(strstr(e.message, "the writer failed"));
    assert_content(path, "second");
    mr_error_clear(&e);
    assert_true(mr_durable_write("/nowhere/at/all", write_text, "x", &e) < 0);
    assert_non_null(strstr(e.message, "/nowhere/at"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_of_attributes),
                                       cmocka_unit_test(long_lists_are_split),
                                       cmocka_unit_test(parts_are_joined_by_number),
                                       cmocka_unit_test(walks_end),
                                       cmocka_unit_test(paths_with_and_without_their_parts),
                                       cmocka_unit_test(a_lack_of_descriptors),
                                       cmocka_unit_test(durable_writes)};
    return cmocka_run_group_tests_name("hdf5 and durable files", tests, NULL, NULL);
}
