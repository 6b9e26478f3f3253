/* SPDX-License-Identifier: Apache-2.0 */
/* What training alone does: dropout, noise, augmentation. Draws are functions of seed, node, step and place;
 * where the range of a draw is a point, the result is known. */
#include "nn/layers/draw.h"
#include "tests/call.h"
#include "tests/shared.h"

#include <math.h>

static mr_team *team;

static void make(tested *t, const char *class, const char *config, const char *shapes, int batch)
{
    mr_error e = {0};
    if (tested_create(t, team, class, config, shapes, batch, batch, true, true, 77, &e))
        fail_msg("%s %s: %s", class, config, e.message);
}

/* --- dropout --------------------------------------------------------------- */

static void dropout(void **state)
{
    (void)state;
    tested t;
    make(&t, "Dropout", "{\"rate\":0.3}", "20,30,11", 3);
    size_t count = tested_out_count(&t), dropped = 0;
    uint32_t *words = malloc((count + 4) * sizeof *words);
    mr_draw_words(&t.call, 0, count / 4 + 1, words);
    tested_forward(&t);
    tested_backward(&t);
    for (size_t i = 0; i < count; i++) {
        bool drop = (double)words[i] < 0.3 * 0x1p32;
        assert_true(drop ? t.y[i] == 0 : fabs((double)t.y[i] - (double)t.x[0][i] / 0.7) < 1e-6);
        assert_true(drop ? t.dx[0][i] == 0 : fabs((double)t.dx[0][i] - (double)t.dy[i] / 0.7) < 1e-6);
        dropped += drop;
    }
    assert_true(fabs((double)dropped / (double)count - 0.3) < 0.01);
    mr_real *first = malloc(count * sizeof *first);
    memcpy(first, t.y, count * sizeof *first);
    t.call.step++; /* another step: other draws; the same step again: the same */
    tested_forward(&t);
    assert_memory_not_equal(first, t.y, count * sizeof *first);
    t.call.step--;
    t.call.node++;
    tested_forward(&t);
    assert_memory_not_equal(first, t.y, count * sizeof *first);
    t.call.node--;
    tested_forward(&t);
    assert_memory_equal(first, t.y, count * sizeof *first);
    free(first);
    free(words);
    tested_free(&t);
}

static void whole_channels(void **state)
{
    (void)state;
    tested t;
    make(&t, "SpatialDropout2D", "{\"rate\":0.4}", "3,5,50", 20);
    int dropped = 0;
    tested_forward(&t);
    for (size_t n = 0; n < 20; n++)
        for (size_t c = 0; c < 50; c++) {
            bool drop = t.y[n * 750 + c] == 0;
            for (size_t p = 0; p < 15; p++)
                assert_true((t.y[(n * 15 + p) * 50 + c] == 0) == drop);
            dropped += drop;
        }
    assert_true(abs(dropped - 400) < 60);
    tested_free(&t);
}

static void noise_moments(const char *class, const char *config, double mean, double deviation)
{
    tested t;
    make(&t, class, config, "40,50,10", 3);
    double sum = 0, squares = 0, count = (double)tested_out_count(&t);
    for (size_t i = 0; i < tested_out_count(&t); i++)
        t.x[0][i] = 1;
    tested_forward(&t);
    for (size_t i = 0; i < tested_out_count(&t); i++)
        sum += (double)t.y[i];
    for (size_t i = 0; i < tested_out_count(&t); i++)
        squares += ((double)t.y[i] - sum / count) * ((double)t.y[i] - sum / count);
    assert_true(fabs(sum / count - mean) < 0.01);
    assert_true(fabs(sqrt(squares / count) - deviation) < 0.01);
    tested_free(&t);
}

static void noise(void **state)
{
    (void)state;
    noise_moments("GaussianNoise", "{\"stddev\":0.4}", 1, 0.4);
    noise_moments("GaussianDropout", "{\"rate\":0.2}", 1, 0.5);
}

/* It keeps mean 0 and variance 1. */
static void alpha_dropout(void **state)
{
    (void)state;
    tested t;
    make(&t, "AlphaDropout", "{\"rate\":0.3}", "40,50,10", 3);
    double sum = 0, squares = 0, count = (double)tested_out_count(&t);
    mr_call other = {.seed = 5, .team = team};
    mr_draw_normals(&other, 0, tested_out_count(&t) / 4, t.x[0]);
    tested_forward(&t);
    for (size_t i = 0; i < tested_out_count(&t); i++) {
        sum += (double)t.y[i];
        squares += (double)t.y[i] * (double)t.y[i];
    }
    assert_true(fabs(sum / count) < 0.02);
    assert_true(fabs(squares / count - 1) < 0.03);
    tested_free(&t);
}

/* --- augmentation ---------------------------------------------------------- */

enum { SIDE = 6, CHANNELS = 2, IMAGES = 40 };

static mr_real *at(mr_real *images, size_t n, int row, int column)
{
    return images + ((n * SIDE + (size_t)row) * SIDE + (size_t)column) * CHANNELS;
}

static bool is_flipped(tested *t, size_t n, bool down, bool across)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            if (memcmp(at(t->y, n, i, j), at(t->x[0], n, down ? SIDE - 1 - i : i, across ? SIDE - 1 - j : j),
                       CHANNELS * sizeof(mr_real)))
                return false;
    return true;
}

static void count_flips(const char *mode, int seen[4])
{
    tested t;
    char config[64];
    snprintf(config, sizeof config, "{\"mode\":\"%s\"}", mode);
    make(&t, "RandomFlip", config, "6,6,2", IMAGES);
    tested_forward(&t);
    for (size_t n = 0; n < IMAGES; n++) {
        int kind = 0;
        while (kind < 4 && !is_flipped(&t, n, kind & 2, kind & 1))
            kind++;
        assert_true(kind < 4);
        seen[kind]++;
    }
    tested_free(&t);
}

static void flips(void **state)
{
    (void)state;
    int across[4] = {0}, down[4] = {0}, both[4] = {0};
    count_flips("horizontal", across);
    count_flips("vertical", down);
    count_flips("horizontal_and_vertical", both);
    assert_true(across[0] > 8 && across[1] > 8 && across[2] == 0 && across[3] == 0);
    assert_true(down[0] > 8 && down[1] == 0 && down[2] > 8 && down[3] == 0);
    assert_true(both[0] > 2 && both[1] > 2 && both[2] > 2 && both[3] > 2);
}

/* A quarter turn, counter-clockwise: the right edge becomes the top. */
static void quarter_turn(void **state)
{
    (void)state;
    tested t;
    make(&t, "RandomRotation", "{\"factor\":[0.25,0.25]}", "6,6,2", 2);
    tested_forward(&t);
    for (size_t n = 0; n < 2; n++)
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++)
                for (int c = 0; c < CHANNELS; c++)
                    assert_true(
                        fabs((double)at(t.y, n, i, j)[c] - (double)at(t.x[0], n, j, SIDE - 1 - i)[c]) < 1e-5);
    tested_free(&t);
}

/* What lies in an image moved down by two and right by one, in each way of filling. */
static double moved(tested *t, const char *fill, int i, int j)
{
    int row = i - 2, column = j - 1;
    if (!strcmp(fill, "constant") && (row < 0 || column < 0))
        return 0.5;
    if (!strcmp(fill, "reflect"))
        return (double)*at(t->x[0], 0, row < 0 ? -1 - row : row, column < 0 ? -1 - column : column);
    if (!strcmp(fill, "wrap"))
        return (double)*at(t->x[0], 0, (row + SIDE) % SIDE, (column + SIDE) % SIDE);
    return (double)*at(t->x[0], 0, row < 0 ? 0 : row, column < 0 ? 0 : column);
}

static void translation(void **state)
{
    (void)state;
    static const char *const fills[] = {"constant", "reflect", "wrap", "nearest"};
    static const char *const interpolations[] = {"bilinear", "nearest"};
    for (int k = 0; k < 8; k++) {
        char config[256];
        tested t;
        snprintf(config, sizeof config,
                 "{\"height_factor\":[%.17g,%.17g],\"width_factor\":[%.17g,%.17g],\"fill_mode\":\"%s\","
                 "\"fill_value\":0.5,"
                 "\"interpolation\":\"%s\"}",
                 2.0 / SIDE, 2.0 / SIDE, 1.0 / SIDE, 1.0 / SIDE, fills[k / 2], interpolations[k % 2]);
        make(&t, "RandomTranslation", config, "6,6,2", 1);
        tested_forward(&t);
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++)
                assert_true(fabs((double)*at(t.y, 0, i, j) - moved(&t, fills[k / 2], i, j)) < 1e-5);
        tested_free(&t);
    }
}

/* Zooming out by the factor 1 (to twice): pixel (i, j) reads 2i - 2.5. */
static void zoom(void **state)
{
    (void)state;
    tested t;
    make(&t, "RandomZoom", "{\"height_factor\":[1,1],\"fill_mode\":\"constant\",\"fill_value\":0}", "6,6,2",
         1);
    tested_forward(&t);
    for (int i = 2; i < 4; i++)
        for (int j = 2; j < 4; j++) {
            int a = 2 * i - 3, b = 2 * j - 3;
            double mean = ((double)*at(t.x[0], 0, a, b) + (double)*at(t.x[0], 0, a + 1, b) +
                           (double)*at(t.x[0], 0, a, b + 1) + (double)*at(t.x[0], 0, a + 1, b + 1)) /
                          4;
            assert_true(fabs((double)*at(t.y, 0, i, j) - mean) < 1e-6);
        }
    assert_true(*at(t.y, 0, 0, 0) == 0 && *at(t.y, 0, 5, 3) == 0);
    tested_free(&t);
}

static void colours(void **state)
{
    (void)state;
    tested t;
    make(&t, "RandomBrightness", "{\"factor\":[0.1,0.1],\"value_range\":[-1,1]}", "6,6,2", 2);
    tested_forward(&t);
    for (size_t i = 0; i < tested_out_count(&t); i++)
        assert_true(fabs((double)t.y[i] - fmin(1, (double)t.x[0][i] + 0.2)) < 1e-6);
    tested_free(&t);
    make(&t, "RandomContrast", "{\"factor\":[0.5,-0.5],\"value_range\":[-1,1]}", "6,6,2", 1);
    tested_forward(&t);
    for (size_t c = 0; c < CHANNELS; c++) {
        double mean = 0;
        for (size_t i = c; i < SIDE * SIDE * CHANNELS; i += CHANNELS)
            mean += (double)t.x[0][i] / (SIDE * SIDE);
        for (size_t i = c; i < SIDE * SIDE * CHANNELS; i += CHANNELS)
            assert_true(fabs((double)t.y[i] - (((double)t.x[0][i] - mean) * 0.5 + mean)) < 1e-6);
    }
    tested_free(&t);
}

/* One place for the whole batch, different from step to step; in the middle when not training. */
static void random_crop(void **state)
{
    (void)state;
    tested t;
    int seen[9] = {0}, places = 0;
    make(&t, "RandomCrop", "{\"height\":4,\"width\":4}", "6,6,2", 2);
    for (int k = 0; k < 60; k++) {
        int found = -1;
        t.call.step = (uint64_t)k;
        tested_forward(&t);
        for (int place = 0; place < 9; place++)
            if (!memcmp(t.y, at(t.x[0], 0, place / 3, place % 3), CHANNELS * sizeof(mr_real)))
                found = place;
        assert_true(found >= 0);
        assert_memory_equal(t.y + 32, at(t.x[0], 1, found / 3, found % 3), CHANNELS * sizeof(mr_real));
        seen[found]++;
    }
    for (int place = 0; place < 9; place++)
        places += seen[place] > 0;
    assert_true(places >= 8);
    tested_free(&t);
    make(&t, "CenterCrop", "{\"height\":4,\"width\":2}", "6,6,2", 2);
    tested_forward(&t);
    assert_memory_equal(t.y, at(t.x[0], 0, 1, 2), CHANNELS * sizeof(mr_real));
    tested_free(&t);
}

/* Each image of the batch is drawn for itself. */
static void images_differ(void **state)
{
    (void)state;
    mr_philox a, b;
    mr_call c = {.seed = 3, .node = 4, .step = 5};
    for (size_t n = 0; n < 50; n++) {
        mr_draw_sample(&c, n, &a);
        mr_draw_sample(&c, n + 1, &b);
        assert_int_not_equal(mr_philox_u32(&a), mr_philox_u32(&b));
    }
}

static int create_team(void **state)
{
    (void)state;
    return mr_team_create(&team, 3, NULL);
}

static int destroy_team(void **state)
{
    (void)state;
    mr_team_destroy(team);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropout),       cmocka_unit_test(whole_channels), cmocka_unit_test(noise),
        cmocka_unit_test(alpha_dropout), cmocka_unit_test(flips),          cmocka_unit_test(quarter_turn),
        cmocka_unit_test(translation),   cmocka_unit_test(zoom),           cmocka_unit_test(colours),
        cmocka_unit_test(random_crop),   cmocka_unit_test(images_differ),
    };
    return cmocka_run_group_tests(tests, create_team, destroy_team);
}
