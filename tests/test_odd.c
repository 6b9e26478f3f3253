/* SPDX-License-Identifier: Apache-2.0 */
/* The odd and broken files of ../shared/odd against what Pillow makes of them (tests/data/odd.tsv, written by
 * tests/odd_table.py): the same pixels, or both refuse. */
#include "tests/files.h"

#include "io/image/image.h"

#include <zlib.h>

typedef struct expectation {
    char name[256], size[32], rgb[64], gray[64];
} expectation;

/* "WxH CRC", or "refused". */
static void outcome(mr_decoder *d, const uint8_t *bytes, size_t size, mr_color_mode mode, char *out,
                    size_t room)
{
    mr_preprocess pre = mr_preprocess_default();
    mr_image image;
    mr_error e = {0};
    pre.color_mode = mode;
    int status = mr_decode(d, bytes, size, &pre, &image, &e);
    assert_int_equal(status, e.code);
    if (status) {
        assert_true(e.message[0] != '\0');
        snprintf(out, room, "refused");
        return;
    }
    assert_int_equal(image.channels, mode);
    unsigned long crc = crc32(0, image.pixels, (unsigned)(image.width * image.height * image.channels));
    snprintf(out, room, "%dx%d %08lx", image.width, image.height, crc);
}

/* Returns 1 where millrace and Pillow differ. */
static int compare(mr_decoder *d, const expectation *x, mr_color_mode mode)
{
    char path[512], got[64], wanted[128];
    size_t size;
    snprintf(path, sizeof path, "odd/%s", x->name);
    uint8_t *bytes = read_file(shared_path(path), &size);
    if (!bytes)
        return 0;
    if (strcmp(x->size, "refused") == 0)
        snprintf(wanted, sizeof wanted, "refused");
    else
        snprintf(wanted, sizeof wanted, "%s %s", x->size, mode == MR_COLOR_RGB ? x->rgb : x->gray);
    outcome(d, bytes, size, mode, got, sizeof got);
    free(bytes);
    if (strcmp(got, wanted) == 0)
        return 0;
    print_error("%s (%s): Pillow %s, millrace %s\n", x->name, mr_color_mode_name(mode), wanted, got);
    return 1;
}

static void as_pillow(void **state)
{
    (void)state;
    char path[1024], line[1024];
    expectation x;
    int files = 0, differences = 0;
    mr_error e = {0};
    mr_decoder *d;
    shared_or_skip("odd/list.tsv");
    snprintf(path, sizeof path, "%s/tests/data/odd.tsv", getenv("MILLRACE_SRC"));
    FILE *table = fopen(path, "r");
    assert_non_null(table);
    assert_int_equal(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 178956970}, &e), 0);
    while (fgets(line, sizeof line, table)) {
        assert_true(sscanf(line, "%255[^\t]\t%31[^\t\n]\t%63[^\t\n]\t%63[^\t\n]", x.name, x.size, x.rgb,
                           x.gray) >= 3);
        differences += compare(d, &x, MR_COLOR_RGB) + compare(d, &x, MR_COLOR_GRAYSCALE);
        files++;
    }
    fclose(table);
    mr_decoder_destroy(d);
    assert_true(files > 250);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pillow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
