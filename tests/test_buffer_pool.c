/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that threads share: the reader's pool of file buffers, and allowances. */
#include "base/allowance.h"
#include "base/error.h"
#include "io/files/buffer_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MEMORY = 64 << 20 };

/* After the first round over sizes every take finds a buffer. */
static void pool_is_steady(void **state)
{
    (void)state;
    mr_buffer_pool *pool = mr_buffer_pool_create(MEMORY);
    uint8_t *held[8];
    size_t after_first = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++) {
            assert_int_equal(mr_buffer_take(pool, (size_t)1 << (i + 10), false, &held[i]), 1);
            assert_int_equal((uintptr_t)held[i] % 64, 0);
            memset(held[i], round, (size_t)1 << (i + 10));
        }
        for (int i = 0; i < 8; i++)
            mr_buffer_give(pool, held[i]);
        if (round == 0)
            after_first = mr_buffer_pool_count(pool);
        assert_int_equal(mr_buffer_pool_count(pool), after_first);
    }
    uint8_t *large;
    assert_int_equal(mr_buffer_take(pool, MR_POOLED_BYTES + 1, false, &large), 1);
    assert_int_equal(mr_buffer_pool_count(pool), after_first + 1);
    mr_buffer_give(pool, large);
    assert_int_equal(mr_buffer_pool_count(pool), after_first);
    assert_int_equal(mr_buffer_take(pool, SIZE_MAX / 2, false, &large), MR_ENOMEM);
    mr_buffer_take(pool, 100, false, &large); /* never given back: freed with the pool */
    mr_buffer_pool_destroy(pool);
}

static void pool_is_bounded(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    mr_buffer_pool *pool = mr_buffer_pool_create(4 * MIB);
    uint8_t *one, *two, *more;
    assert_int_equal(mr_buffer_take(pool, 2 * MIB, false, &one), 1);
    assert_int_equal(mr_buffer_take(pool, 2 * MIB, false, &two), 1);
    assert_int_equal(mr_buffer_take(pool, 1, false, &more), 0);
    mr_buffer_give(pool, one);
    /* what lies idle is freed for a buffer of another size */
    assert_int_equal(mr_buffer_take(pool, 1 * MIB, false, &more), 1);
    assert_int_equal(mr_buffer_pool_count(pool), 2);
    /* a buffer over the limit comes alone */
    assert_int_equal(mr_buffer_take(pool, 8 * MIB, false, &one), 0);
    mr_buffer_give(pool, two);
    assert_int_equal(mr_buffer_take(pool, 8 * MIB, false, &one), 0);
    mr_buffer_give(pool, more);
    assert_int_equal(mr_buffer_take(pool, 8 * MIB, false, &one), 1);
    assert_int_equal(mr_buffer_pool_count(pool), 1);
    mr_buffer_pool_stop(pool);
    assert_int_equal(mr_buffer_take(pool, 1, true, &two), MR_ECANCELED);
    mr_buffer_give(pool, one);
    mr_buffer_pool_destroy(pool);
}

enum { TAKERS = 4, TAKES = 2000, SHARED = 1000 };

static void *take_often(void *argument)
{
    mr_allowance *a = argument;
    for (unsigned i = 0; i < TAKES; i++) {
        uint64_t bytes = i * 7919u % 1200u; /* now and then more than there is */
        mr_allowance_take(a, bytes);
        mr_allowance_give(a, bytes);
    }
    return NULL;
}

/* Every request is met in the end, and never more is out than there is, or one piece alone. */
static void allowance(void **state)
{
    (void)state;
    mr_allowance *a;
    pthread_t thread[TAKERS];
    assert_int_equal(mr_allowance_create(&a, SHARED, NULL), 0);
    for (int i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_often, a), 0);
    for (int i = 0; i < TAKERS; i++)
        pthread_join(thread[i], NULL);
    assert_true(mr_allowance_peak(a) < 1200);
    mr_allowance_take(a, SHARED);
    mr_allowance_destroy(a);
    mr_allowance_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_is_steady),
        cmocka_unit_test(pool_is_bounded),
        cmocka_unit_test(allowance),
    };
    return cmocka_run_group_tests_name("buffers", tests, NULL, NULL);
}
