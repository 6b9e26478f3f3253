/* SPDX-License-Identifier: Apache-2.0 */
/* Rings, eventcount and queues. Built twice: as they are (test_queue), and from sources whose every shared
 * access is preceded by a random delay (test_queue_disturbed). Whatever would hang is ended by the alarm.
 * MILLRACE_QUEUE_ITEMS=N sends that many items in all through the queues that are stressed (make check-long:
 * 2e9). */
#include "tests/queue_tests.h"

enum { WATCHDOG_SECONDS = 240 };

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static const mr_ring_kind *const kinds[] = {&mr_ring_spsc, &mr_ring_mpmc};
#define FOR_KINDS(k)                                                                                         \
    for (size_t k##_i = 0; k##_i < 2; k##_i++)                                                               \
        for (const mr_ring_kind *k = kinds[k##_i]; k; k = NULL)

/* --- rings, one thread --- */

static void ring_is_a_fifo_at_every_fill(void **state)
{
    (void)state;
    FOR_KINDS(kind) for (size_t capacity = 1; capacity <= 9; capacity++)
    {
        mr_ring r;
        assert_int_equal(mr_ring_init(&r, kind, capacity, NULL), 0);
        size_t room = mr_ring_capacity(&r);
        assert_true(room >= capacity && room >= 2 && (room & (room - 1)) == 0);
        uintptr_t in = 0, out = 0;
        void *item;
        for (size_t fill = 0; fill <= room; fill++) /* many times around, at every depth */
            for (int round = 0; round < 3 * (int)room; round++) {
                while (in - out < fill)
                    assert_true(kind->push(&r, item_of(in++)));
                assert_int_equal(mr_ring_depth(&r), fill);
                assert_int_equal(kind->push(&r, item_of(in)), fill < room);
                in += fill < room;
                assert_true(kind->pop(&r, &item));
                assert_int_equal(number_of(item), out++);
            }
        while (out < in) {
            assert_true(kind->pop(&r, &item));
            assert_int_equal(number_of(item), out++);
        }
        assert_false(kind->pop(&r, &item));
        mr_ring_destroy(&r);
    }
}

/* The positions are unsigned and go around: from just below the top of size_t as from 0. */
static void ring_positions_wrap_around(void **state)
{
    (void)state;
    FOR_KINDS(kind)
    {
        mr_ring r;
        assert_int_equal(mr_ring_init(&r, kind, 4, NULL), 0);
        size_t start = (size_t)-8;
        atomic_store(&r.tail, start);
        atomic_store(&r.head, start);
        for (size_t i = 0; i < 4; i++)
            atomic_store(&r.cells[i].turn, start + i);
        void *item;
        for (uintptr_t n = 0; n < 40; n += 4) {
            for (uintptr_t i = 0; i < 4; i++)
                assert_true(kind->push(&r, item_of(n + i)));
            assert_false(kind->push(&r, item_of(99)));
            assert_int_equal(mr_ring_depth(&r), 4);
            for (uintptr_t i = 0; i < 4; i++) {
                assert_true(kind->pop(&r, &item));
                assert_int_equal(number_of(item), n + i);
            }
            assert_false(kind->pop(&r, &item));
        }
        mr_ring_destroy(&r);
    }
}

static void absurd_capacities_are_refused(void **state)
{
    (void)state;
    mr_queue q;
    mr_error e = {0};
    assert_int_equal(mr_queue_init(&q, &mr_ring_mpmc, 0, 1, &e), MR_EINVAL);
    mr_error_clear(&e);
    assert_int_equal(mr_queue_init(&q, &mr_ring_mpmc, (size_t)1 << 40, 1, &e), MR_EINVAL);
    mr_error_clear(&e);
    assert_int_equal(mr_queue_init(&q, &mr_ring_mpmc, 4, 0, &e), MR_EINVAL);
    mr_queue_destroy(&q);
}

/* --- ends, one thread --- */

static mr_error some_error(const char *text)
{
    mr_error e = {0};
    mr_fail(&e, MR_EIO, "%s", text);
    return e;
}

static void close_gives_the_rest_then_the_end(void **state)
{
    (void)state;
    FOR_KINDS(kind)
    {
        mr_queue q;
        void *item;
        mr_error e = {0};
        assert_int_equal(mr_queue_init(&q, kind, 4, 2, &e), 0);
        assert_int_equal(mr_queue_try_pop(&q, &item, &e), MR_QUEUE_WOULD_WAIT);
        assert_int_equal(mr_queue_push(&q, item_of(1), &e), 0);
        mr_queue_close(&q, NULL);
        assert_int_equal(mr_queue_push(&q, item_of(2), &e), 0); /* the other producer goes on */
        assert_int_equal(mr_queue_pop(&q, &item, &e), 1);
        assert_int_equal(mr_queue_pop(&q, &item, &e), 1);
        assert_int_equal(number_of(item), 2);
        assert_int_equal(mr_queue_try_pop(&q, &item, &e), MR_QUEUE_WOULD_WAIT);
        mr_queue_close(&q, NULL);
        assert_int_equal(mr_queue_pop(&q, &item, &e), 0);
        assert_int_equal(mr_queue_pop(&q, &item, &e), 0); /* and stays so */
        assert_int_equal(e.code, 0);
        mr_queue_destroy(&q);
    }
}

static void close_with_an_error_gives_it_last(void **state)
{
    (void)state;
    FOR_KINDS(kind)
    {
        mr_queue q;
        void *item;
        mr_error e = {0}, why = some_error("the disk"), later = some_error("later");
        assert_int_equal(mr_queue_init(&q, kind, 4, 2, &e), 0);
        assert_int_equal(mr_queue_push(&q, item_of(7), &e), 0);
        mr_queue_close(&q, &why);
        mr_queue_close(&q, &later);
        assert_int_equal(mr_queue_pop(&q, &item, &e), 1);
        assert_int_equal(number_of(item), 7);
        assert_int_equal(mr_queue_pop(&q, &item, &e), MR_EIO);
        assert_string_equal(e.message, "the disk");
        assert_int_equal(mr_queue_pop(&q, &item, NULL), MR_EIO);
        mr_queue_destroy(&q);
    }
}

static void abort_ends_at_once_in_each_phase(void **state)
{
    (void)state;
    FOR_KINDS(kind) for (int filled = 0; filled <= 4; filled += 2) for (int closed = 0; closed < 2; closed++)
    {
        mr_queue q;
        void *item;
        mr_error e = {0}, why = some_error("enough"), later = some_error("later");
        assert_int_equal(mr_queue_init(&q, kind, 4, 1, &e), 0);
        for (int i = 0; i < filled; i++)
            assert_int_equal(mr_queue_push(&q, item_of((uintptr_t)i), &e), 0);
        if (closed)
            mr_queue_close(&q, NULL);
        assert_false(mr_queue_aborted(&q));
        mr_queue_abort(&q, &why);
        mr_queue_abort(&q, &later);
        if (!closed)
            mr_queue_close(&q, NULL); /* changes nothing any more */
        assert_true(mr_queue_aborted(&q));
        assert_int_equal(mr_queue_push(&q, item_of(9), NULL), MR_EIO);
        assert_int_equal(mr_queue_pop(&q, &item, &e), MR_EIO);
        assert_string_equal(e.message, "enough");
        for (int i = 0; i < filled; i++) {
            assert_true(mr_queue_drain(&q, &item));
            assert_int_equal(number_of(item), i);
        }
        assert_false(mr_queue_drain(&q, &item));
        mr_queue_destroy(&q);
    }
}

static void abort_without_a_reason_is_a_cancellation(void **state)
{
    (void)state;
    mr_queue q;
    void *item;
    assert_int_equal(mr_queue_init(&q, &mr_ring_spsc, 4, 1, NULL), 0);
    mr_queue_abort(&q, NULL);
    assert_int_equal(mr_queue_pop(&q, &item, NULL), MR_ECANCELED);
    mr_queue_destroy(&q);
}

static void statistics_count(void **state)
{
    (void)state;
    mr_queue q;
    void *item;
    assert_int_equal(mr_queue_init(&q, &mr_ring_spsc, 4, 1, NULL), 0);
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(mr_queue_push(&q, item_of(i), NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mr_queue_pop(&q, &item, NULL), 1);
    mr_queue_stats s;
    mr_queue_stats_read(&q, &s);
    assert_int_equal(s.takes, 4);
    assert_float_equal((float)s.mean_depth, 2.5f, 0); /* 4, 3, 2, 1 */
    assert_int_equal(s.capacity, 4);
    assert_true(s.push_wait_seconds == 0 && s.pop_wait_seconds == 0);
    mr_queue_destroy(&q);
}

/* --- waiting threads that an end must wake --- */

typedef struct waiter {
    mr_queue *queue;
    bool pushes;
    int status;
    mr_error error;
    pthread_t thread;
} waiter;

static void *run_waiter(void *argument)
{
    waiter *w = argument;
    void *item;
    w->status =
        w->pushes ? mr_queue_push(w->queue, item_of(1), &w->error) : mr_queue_pop(w->queue, &item, &w->error);
    return NULL;
}

static void start_waiters(waiter *w, int count, mr_queue *q, bool pushes)
{
    for (int i = 0; i < count; i++) {
        w[i] = (waiter){.queue = q, .pushes = pushes, .status = 99};
        assert_int_equal(pthread_create(&w[i].thread, NULL, run_waiter, &w[i]), 0);
    }
}

static void expect_waiters(waiter *w, int count, int status)
{
    for (int i = 0; i < count; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].status, status);
    }
}

static void close_wakes_every_consumer(void **state)
{
    (void)state;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        mr_queue q;
        waiter w[3];
        mr_error why = some_error("the disk");
        assert_int_equal(mr_queue_init(&q, &mr_ring_mpmc, 2, 1, NULL), 0);
        start_waiters(w, 3, &q, false);
        if (repeat % 4 == 0)
            sleep_ms(1);
        mr_queue_close(&q, repeat % 2 ? &why : NULL);
        expect_waiters(w, 3, repeat % 2 ? MR_EIO : 0);
        for (int i = 0; i < 3; i++)
            assert_string_equal(w[i].error.message, repeat % 2 ? "the disk" : "");
        mr_queue_destroy(&q);
    }
}

static void abort_wakes_both_sides(void **state)
{
    (void)state;
    for (int repeat = 0; repeat < REPEATS; repeat++)
        for (int pushes = 0; pushes < 2; pushes++) {
            mr_queue q;
            waiter w[3];
            assert_int_equal(mr_queue_init(&q, &mr_ring_mpmc, 2, 1, NULL), 0);
            for (int i = 0; pushes && i < 2; i++)
                assert_int_equal(mr_queue_push(&q, item_of(0), NULL), 0);
            start_waiters(w, 3, &q, pushes);
            if (repeat % 4 == 0)
                sleep_ms(1);
            mr_queue_abort(&q, NULL);
            expect_waiters(w, 3, MR_ECANCELED);
            mr_queue_destroy(&q);
        }
}

/* A parked thread costs no processor time, and the time is counted as waiting. */
static void waiting_costs_nothing(void **state)
{
    (void)state;
    mr_queue q;
    waiter w[2];
    assert_int_equal(mr_queue_init(&q, &mr_ring_mpmc, 2, 1, NULL), 0);
    struct timespec before, after;
    start_waiters(w, 2, &q, false);
    sleep_ms(20);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    sleep_ms(300);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    mr_queue_close(&q, NULL);
    expect_waiters(w, 2, 0);
    double used = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used < 0.03);
    mr_queue_stats s;
    mr_queue_stats_read(&q, &s);
    assert_true(s.pop_wait_seconds > 0.3);
    mr_queue_destroy(&q);
}

/* --- eventcount: two threads that take turns; one lost wake-up and both sleep for ever --- */

typedef struct ping_pong {
    mr_eventcount moved;
    _Atomic int turn;
} ping_pong;

static void await_turn(ping_pong *p, int mine)
{
    while (atomic_load_explicit(&p->turn, memory_order_acquire) != mine) {
        uint32_t key = mr_eventcount_prepare(&p->moved);
        if (atomic_load_explicit(&p->turn, memory_order_acquire) == mine) {
            mr_eventcount_cancel(&p->moved);
            return;
        }
        mr_eventcount_wait(&p->moved, key);
    }
}

static void play(ping_pong *p, int mine)
{
    for (int i = 0; i < ROUNDS; i++) {
        await_turn(p, mine);
        atomic_store_explicit(&p->turn, 1 - mine, memory_order_release);
        mr_eventcount_notify_one(&p->moved);
    }
}

static void *play_second(void *argument)
{
    play(argument, 1);
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    ping_pong p = {.turn = 0};
    mr_eventcount_init(&p.moved);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, play_second, &p), 0);
    play(&p, 0);
    pthread_join(other, NULL);
    assert_int_equal(p.turn, 0);
    assert_int_equal((uint32_t)p.moved.state, 0); /* nobody is left on the list of waiters */
}

static void wait_returns_at_once_after_a_notify(void **state)
{
    (void)state;
    mr_eventcount ec;
    mr_eventcount_init(&ec);
    atomic_store(&ec.state, UINT64_C(0xffffffff) << 32); /* the epoch is about to go around */
    uint32_t key = mr_eventcount_prepare(&ec);
    mr_eventcount_notify_all(&ec);
    mr_eventcount_wait(&ec, key);
    assert_int_equal(ec.state, 0);
}

int main(void)
{
    alarm(WATCHDOG_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_is_a_fifo_at_every_fill),
        cmocka_unit_test(ring_positions_wrap_around),
        cmocka_unit_test(absurd_capacities_are_refused),
        cmocka_unit_test(close_gives_the_rest_then_the_end),
        cmocka_unit_test(close_with_an_error_gives_it_last),
        cmocka_unit_test(abort_ends_at_once_in_each_phase),
        cmocka_unit_test(abort_without_a_reason_is_a_cancellation),
        cmocka_unit_test(statistics_count),
        cmocka_unit_test(close_wakes_every_consumer),
        cmocka_unit_test(abort_wakes_both_sides),
        cmocka_unit_test(waiting_costs_nothing),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(wait_returns_at_once_after_a_notify),
        cmocka_unit_test(stress_one_to_one),
        cmocka_unit_test(stress_many_to_many),
        cmocka_unit_test(stress_abort_in_traffic),
        cmocka_unit_test(long_stress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
