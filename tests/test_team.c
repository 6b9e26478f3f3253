/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shared.h"

#include "base/team.h"

#include <stdatomic.h>

enum { MOST = 500 };

struct count {
    atomic_int hits[MOST];
    atomic_int thread_out_of_range;
    int size;
};

static void hit(void *argument, int task, int thread)
{
    struct count *c = argument;
    if (thread < 0 || thread >= c->size)
        atomic_fetch_add(&c->thread_out_of_range, 1);
    atomic_fetch_add(&c->hits[task], 1);
}

/* Thousands of short regions: a thread that wakes late must never run, or run twice, a task of another
 * region. */
static void every_task_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        mr_team *t;
        assert_int_equal(mr_team_create(&t, threads, NULL), 0);
        assert_int_equal(mr_team_size(t), threads);
        for (int round = 0; round < 3000; round++) {
            static struct count c;
            int tasks = round * 7 % MOST;
            memset(&c, 0, sizeof c);
            c.size = threads;
            mr_team_run(t, tasks, hit, &c);
            for (int i = 0; i < MOST; i++)
                assert_int_equal(atomic_load(&c.hits[i]), i < tasks);
            assert_int_equal(atomic_load(&c.thread_out_of_range), 0);
        }
        mr_team_destroy(t);
    }
}

static void cover(void *argument, size_t first, size_t end, int thread)
{
    unsigned char *seen = argument;
    (void)thread;
    for (size_t i = first; i < end; i++)
        seen[i]++;
}

static void ranges_cover_all(void **state)
{
    (void)state;
    mr_team *t;
    static unsigned char seen[100003];
    const size_t counts[] = {0, 1, 2, 15, 16, 17, 1000, 4096, 100003}, grains[] = {0, 1, 16, 1000, 200000};
    assert_int_equal(mr_team_create(&t, 3, NULL), 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t k = 0; k < sizeof grains / sizeof *grains; k++) {
            memset(seen, 0, sizeof seen);
            mr_team_ranges(t, counts[i], grains[k], cover, seen);
            for (size_t n = 0; n < sizeof seen; n++)
                assert_int_equal(seen[n], n < counts[i]);
        }
    mr_team_destroy(t);
}

static void impossible_sizes(void **state)
{
    (void)state;
    mr_team *t;
    mr_error e = {0};
    assert_int_equal(mr_team_create(&t, 0, &e), MR_EINVAL);
    assert_null(t);
    assert_non_null(strstr(e.message, "0 threads: out of range"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_once),
        cmocka_unit_test(ranges_cover_all),
        cmocka_unit_test(impossible_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
