/* SPDX-License-Identifier: Apache-2.0 */
/* The normalising layers against their formulas in double, the moving statistics, and hard numbers: a large
 * mean, equal values, one row. */
#include "tests/call.h"
#include "tests/shared.h"

#include <math.h>

static mr_team *team;

static void make(tested *t, const char *class, const char *config, const char *shapes, int batch,
                 bool training, bool trainable)
{
    mr_error e = {0};
    if (tested_create(t, team, class, config, shapes, batch, batch, training, trainable, 77, &e))
        fail_msg("%s %s: %s", class, config, e.message);
}

/* Mean and biased variance of the numbers FIRST, FIRST+STEP, … below END. */
static void moments(const mr_real *x, size_t first, size_t step, size_t end, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t i = first; i < end; i += step, count++)
        sum += (double)x[i];
    *mean = sum / (double)count;
    for (size_t i = first; i < end; i += step)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *variance = squares / (double)count;
}

static void assert_near(double is, double should, double tolerance)
{
    if (!(fabs(is - should) <= tolerance))
        fail_msg("%.9g is not %.9g (within %g)", is, should, tolerance);
}

static void check_batch_normalization(const char *shapes, int batch, double offset)
{
    tested t;
    make(&t, "BatchNormalization", "{\"epsilon\":1e-3,\"momentum\":0.9}", shapes, batch, true, true);
    size_t channels = (size_t)t.in[0].dim[t.in[0].rank - 1], count = tested_in_count(&t, 0);
    mr_real *moved[4] = {NULL, NULL, calloc(channels, sizeof(mr_real)), calloc(channels, sizeof(mr_real))};
    for (size_t i = 0; i < count; i++)
        t.x[0][i] += (mr_real)offset;
    tested_forward(&t);
    tested_backward(&t); /* statistics are updated after it */
    memcpy(t.call.state_out, moved, sizeof moved);
    t.layer.class->update_state(&t.call);
    for (size_t c = 0; c < channels; c++) {
        double mean, variance;
        moments(t.x[0], c, channels, count, &mean, &variance);
        for (size_t i = c; i < count; i += channels) {
            double should =
                ((double)t.x[0][i] - mean) / sqrt(variance + 1e-3) * (double)t.w[0][c] + (double)t.w[1][c];
            assert_near((double)t.y[i], should, 2e-6 * (1 + fabs(offset) * 0.1));
        }
        assert_near((double)moved[2][c], (double)t.w[2][c] * 0.9 + mean * 0.1, 1e-6 * (1 + fabs(offset)));
        assert_near((double)moved[3][c], (double)t.w[3][c] * 0.9 + variance * 0.1, 1e-6);
    }
    free(moved[2]);
    free(moved[3]);
    tested_free(&t);
}

static void batch_normalization(void **state)
{
    (void)state;
    check_batch_normalization("7,9,3", 4, 0);
    check_batch_normalization("5,5,16", 3, 0);
    check_batch_normalization("30,20,70", 2, 0);
    check_batch_normalization("33", 5, 0);
    check_batch_normalization("3,2,5", 1, 0);
    check_batch_normalization("1", 1, 0);
    check_batch_normalization("20,20,3", 4,
                              1000); /* sums of squares in float32 would leave no digit of the variance */
}

/* Moving statistics: at inference, and in training where the layer is frozen; those are then not moved. */
static void moving_statistics(void **state)
{
    (void)state;
    for (int frozen = 0; frozen < 2; frozen++) {
        tested t;
        make(&t, "BatchNormalization", "{\"epsilon\":2e-5}", "4,3,6", 3, frozen, !frozen);
        tested_forward(&t);
        for (size_t i = 0; i < tested_out_count(&t); i++) {
            size_t c = i % 6;
            double inverse = 1 / sqrt((double)t.w[3][c] + 2e-5);
            assert_near((double)t.y[i],
                        ((double)t.x[0][i] - (double)t.w[2][c]) * inverse * (double)t.w[0][c] +
                            (double)t.w[1][c],
                        1e-6);
        }
        mr_real mean[6], variance[6];
        t.call.state_out[2] = mean;
        t.call.state_out[3] = variance;
        t.layer.class->update_state(&t.call);
        assert_memory_equal(mean, t.w[2], sizeof mean);
        assert_memory_equal(variance, t.w[3], sizeof variance);
        t.call.y = t.x[0]; /* in place */
        mr_real *y = malloc(tested_out_count(&t) * sizeof *y);
        memcpy(y, t.y, tested_out_count(&t) * sizeof *y);
        tested_forward(&t);
        assert_memory_equal(t.x[0], y, tested_out_count(&t) * sizeof *y);
        free(y);
        tested_free(&t);
    }
}

/* All values the same: the variance is 0, not a small negative number. */
static void equal_values(void **state)
{
    (void)state;
    static const char *const classes[] = {"BatchNormalization", "LayerNormalization", "GroupNormalization"};
    for (int k = 0; k < 3; k++) {
        tested t;
        make(&t, classes[k], "{\"groups\":2}", "9,7,6", 3, true, true);
        for (size_t i = 0; i < tested_in_count(&t, 0); i++)
            t.x[0][i] = (mr_real)0.3;
        tested_forward(&t);
        tested_backward(&t);
        for (size_t i = 0; i < tested_out_count(&t); i++) {
            size_t gamma = (size_t)t.layer.param[1].count;
            assert_near((double)t.y[i], (double)t.w[1][i % gamma], 1e-5);
            assert_true(isfinite(t.dx[0][i]));
        }
        tested_free(&t);
    }
}

static void layer_normalization(void **state)
{
    (void)state;
    static const char *const configs[] = {"{}", "{\"axis\":[2,3]}"};
    static const size_t lengths[] = {37, 4 * 37};
    for (int k = 0; k < 2; k++) {
        tested t;
        make(&t, "LayerNormalization", configs[k], "3,4,37", 2, k, true);
        for (size_t first = 0; first < tested_in_count(&t, 0); first += lengths[k]) {
            double mean, variance;
            if (first == 0)
                tested_forward(&t);
            moments(t.x[0], first, 1, first + lengths[k], &mean, &variance);
            for (size_t i = 0; i < lengths[k]; i++) {
                double should =
                    ((double)t.x[0][first + i] - mean) / sqrt(variance + 1e-3) * (double)t.w[0][i] +
                    (double)t.w[1][i];
                assert_near((double)t.y[first + i], should, 2e-6);
            }
        }
        tested_free(&t);
    }
}

static void group_normalization(void **state)
{
    (void)state;
    enum { PIXELS = 12, CHANNELS = 6, GROUPS = 3, SIZE = CHANNELS / GROUPS };
    tested t;
    make(&t, "GroupNormalization", "{\"groups\":3}", "3,4,6", 2, false, true);
    tested_forward(&t);
    for (size_t n = 0; n < 2; n++)
        for (size_t g = 0; g < GROUPS; g++) {
            mr_real values[PIXELS * SIZE];
            double mean, variance;
            for (size_t i = 0; i < PIXELS * SIZE; i++)
                values[i] = t.x[0][(n * PIXELS + i / SIZE) * CHANNELS + g * SIZE + i % SIZE];
            moments(values, 0, 1, PIXELS * SIZE, &mean, &variance);
            for (size_t i = 0; i < PIXELS * SIZE; i++) {
                size_t c = g * SIZE + i % SIZE;
                double should = ((double)values[i] - mean) / sqrt(variance + 1e-3) * (double)t.w[0][c] +
                                (double)t.w[1][c];
                assert_near((double)t.y[(n * PIXELS + i / SIZE) * CHANNELS + c], should, 2e-6);
            }
        }
    tested_free(&t);
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
        cmocka_unit_test(batch_normalization), cmocka_unit_test(moving_statistics),
        cmocka_unit_test(equal_values),        cmocka_unit_test(layer_normalization),
        cmocka_unit_test(group_normalization),
    };
    return cmocka_run_group_tests(tests, create_team, destroy_team);
}
