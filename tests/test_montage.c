/* SPDX-License-Identifier: Apache-2.0 */
/* Montages read back: images where they belong, labels in their colours, nothing beside its card. */
#include "tests/shared.h"

#include "io/draw/montage.h"
#include <cairo.h>
#include <math.h>
#include <stdbool.h>

#define GROUND 0x121417u
#define CARD 0x24282eu
#define RIGHT 0x57c4a0u
#define WRONG 0xff7f79u

static char path[1024];
static cairo_surface_t *picture;

static uint32_t pixel(int x, int y)
{
    const unsigned char *row =
        cairo_image_surface_get_data(picture) + (ptrdiff_t)y * cairo_image_surface_get_stride(picture);
    return ((const uint32_t *)(const void *)row)[x] & 0xffffff;
}

static void draw(mr_montage_tile *tiles, int count, int columns, int size)
{
    mr_error e = {0};
    mr_montage m = {tiles, count, columns, size};
    assert_int_equal(mr_montage_write(&m, path, &e), 0);
    cairo_surface_destroy(picture);
    picture = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(picture), CAIRO_STATUS_SUCCESS);
}

/* Pixels of COLOR within a rectangle. */
static int count_color(int x0, int y0, int width, int height, uint32_t color)
{
    int found = 0;
    for (int y = y0; y < y0 + height; y++)
        for (int x = x0; x < x0 + width; x++)
            found += pixel(x, y) == color;
    return found;
}

/* Pixels of the label band at (X, Y) that are not the card's: how much is written there. */
static int ink(int x, int y, int width, int height)
{
    return width * height - count_color(x, y, width, height, CARD);
}

static uint8_t red[4 * 4 * 3], gray[8 * 2], bright[4 * 4 * 3];

static mr_montage_tile red_tile(const char *label, int class_index)
{
    return (mr_montage_tile){red, 4, 4, 3, label, class_index, NAN, NULL, false};
}

static void images_and_colors(void **state)
{
    (void)state;
    mr_montage_tile tiles[3] = {red_tile("Parasitized", 0), red_tile("Uninfected", 1), red_tile("Gray", 2)};
    tiles[2].pixels = gray;
    tiles[2].width = 8;
    tiles[2].height = 2;
    tiles[2].channels = 1;
    draw(tiles, 3, 0, 100);
    assert_int_equal(cairo_image_surface_get_width(picture), 10 + 2 * 110);
    int row = (cairo_image_surface_get_height(picture) - 10) / 2;
    assert_true(row > 120 && row < 150);
    assert_int_equal(count_color(10, 10, 100, 100, 0xc82814), 100 * 100);
    assert_int_equal(count_color(120, 10, 100, 100, 0xc82814), 100 * 100);
    assert_int_equal(count_color(10, 10 + row, 100, 37, 0), 100 * 37);
    assert_true(count_color(10, 10 + row + 38, 100, 24, 0x5a5a5a) == 100 * 24);
    for (int i = 0; i < 2; i++) {
        assert_true(count_color(10 + 110 * i, 113, 100, row - 113, mr_class_color(i)) > 30);
        assert_int_equal(count_color(10 + 110 * i, 110, 100, row - 110, mr_class_color(1 - i)), 0);
    }
    assert_int_equal(count_color(120, 10 + row, 110, row, GROUND), 110 * row); /* there is no fourth */
}

static void truth_gives_green_and_red(void **state)
{
    (void)state;
    mr_montage_tile tiles[2] = {red_tile("Parasitized", 0), red_tile("Uninfected", 1)};
    tiles[0].truth = tiles[1].truth = "Parasitized";
    tiles[0].correct = true;
    draw(tiles, 2, 2, 192);
    int height = cairo_image_surface_get_height(picture), second_line = 10 + 192 + 28;
    assert_true(count_color(10, 202, 192, height - 212, RIGHT) > 192 * 3 + 50);
    assert_int_equal(count_color(10, 202, 192, height - 212, WRONG), 0);
    assert_true(count_color(212, 202, 192, height - 212, WRONG) > 192 * 3 + 50);
    assert_int_equal(ink(10, second_line, 192, height - second_line - 10), 0);
    assert_true(ink(212, second_line, 192, height - second_line - 10) > 200);
}

/* Whatever the names' length, the gaps between the cards and the last pixels of the bands stay clean. */
static void long_names_stay_inside(void **state)
{
    (void)state;
    static const char name[] =
        "Canis lupus familiaris, called \xff dog\n, WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW";
    static const int sizes[] = {48, 64, 96, 144, 192, 512};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int side = sizes[k];
        mr_montage_tile tiles[4];
        for (int i = 0; i < 4; i++) {
            tiles[i] = red_tile(name, i);
            tiles[i].pixels = bright;
            tiles[i].confidence = i % 2 ? 1 : 0.5;
            tiles[i].truth = i > 1 ? name : NULL;
        }
        draw(tiles, 4, 2, side);
        int width = cairo_image_surface_get_width(picture), height = cairo_image_surface_get_height(picture);
        int row = (height - 10) / 2, band = row - side - 10;
        assert_int_equal(width, 10 + 2 * (side + 10));
        assert_int_equal(count_color(10 + side, 0, 10, height, GROUND), 10 * height);
        assert_int_equal(count_color(width - 10, 0, 10, height, GROUND), 10 * height);
        assert_int_equal(count_color(0, row, width, 10, GROUND), 10 * width);
        for (int i = 0; i < 4; i++) {
            int x = 10 + i % 2 * (side + 10), y = 10 + i / 2 * row + side + 3;
            assert_true(ink(x, y, side, band - 3) > 20);
            assert_int_equal(ink(x + side - 2, y, 2, band - 3), 0);
        }
    }
}

static void confidence_gives_way_to_the_name(void **state)
{
    (void)state;
    mr_montage_tile tiles[2] = {red_tile("cat", 0), red_tile("cat", 0)};
    tiles[1].confidence = 0.75;
    draw(tiles, 2, 2, 96);
    int height = cairo_image_surface_get_height(picture) - 10 - 96 - 3 - 10;
    assert_int_equal(ink(10 + 60, 109, 36, height), 0);
    assert_true(ink(116 + 60, 109, 36, height) > 20);
}

static void errors_are_told(void **state)
{
    (void)state;
    mr_montage_tile tile = red_tile("a", 0);
    mr_montage m = {&tile, 1, 0, 0};
    mr_error e = {0};
    assert_int_equal(mr_montage_write(&m, "/no/such/folder/m.png", &e), MR_ENOTFOUND);
    m.count = 0;
    assert_int_equal(mr_montage_write(&m, path, NULL), MR_EINVAL);
    m.count = MR_MONTAGE_MAX_TILES + 1;
    assert_int_equal(mr_montage_write(&m, path, NULL), MR_ELIMIT);
    m.count = 1;
    tile.channels = 2;
    assert_int_equal(mr_montage_write(&m, path, NULL), MR_EINVAL);
    tile.channels = 3;
    tile.width = 100000;
    assert_int_equal(mr_montage_write(&m, path, NULL), MR_ELIMIT);
}

static int make_folder(void **state)
{
    (void)state;
    for (int i = 0; i < 4 * 4 * 3; i++) {
        red[i] = (const uint8_t[]){0xc8, 0x28, 0x14}[i % 3];
        bright[i] = 255;
    }
    memset(gray, 0x5a, sizeof gray);
    strcpy(path, "/tmp/millrace-montage-XXXXXX");
    if (!mkdtemp(path))
        return -1;
    strcat(path, "/montage.png");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    cairo_surface_destroy(picture);
    unlink(path);
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_and_colors),      cmocka_unit_test(truth_gives_green_and_red),
        cmocka_unit_test(long_names_stay_inside), cmocka_unit_test(confidence_gives_way_to_the_name),
        cmocka_unit_test(errors_are_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
