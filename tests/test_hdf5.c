/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of every kind that h5py has written, lists too long for one, and files that are there whole or
 * not at all. */
#include "tests/keras.h"

#include "io/durable.h"
#include "tests/files.h"

#include <sys/stat.h>

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
    assert_string_equal(e.message, "the writer failed");
    assert_content(path, "second");
    mr_error_clear(&e);
    assert_true(mr_durable_write("/nowhere/at/all", write_text, "x", &e) < 0);
    assert_non_null(strstr(e.message, "/nowhere/at"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_of_attributes),
                                       cmocka_unit_test(long_lists_are_split),
                                       cmocka_unit_test(durable_writes)};
    return cmocka_run_group_tests_name("hdf5 and durable files", tests, NULL, NULL);
}
