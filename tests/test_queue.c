/* SPDX-License-Identifier: Apache-2.0 */
/* Rings, eventcount and queues. Built twice: as they are (test_queue), and from sources whose every shared
 * access is preceded by a random delay (test_queue_disturbed). Whatever would hang is ended by the alarm.
 * MILLRACE_QUEUE_ITEMS=N sends that many items in all through the queues that are stressed (make check-long:
 * 2e9). */
#include "tests/shared.h"

#include "pipeline/queue.h"
#include "pipeline/stats.h"

#include <pthread.h>
#include <time.h>

#if defined MR_SCHEDULE_SHIM || defined MR_SANITIZED
enum { ITEMS = 4000, ROUNDS = 3000, REPEATS = 40 };
#else
enum { ITEMS = 100000, ROUNDS = 50000, REPEATS = 200 };
#endif
enum { THREADS_MAX = 4, WATCHDOG_SECONDS = 240 };

static void *item_of(uintptr_t n)
{
    return (void *)(n + 1); /* never NULL */
}

static uintptr_t number_of(void *item)
{
    return (uintptr_t)item - 1;
}

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

/* --- stress: every item exactly once, each producer's in its order --- */

typedef struct stress {
    mr_queue queue;
    int producers, consumers;
    _Atomic unsigned char *seen; /* [producers*ITEMS] */
    _Atomic int bad;
} stress;

typedef struct stress_thread {
    stress *shared;
    int number;
    pthread_t thread;
} stress_thread;

static void *produce(void *argument)
{
    stress_thread *t = argument;
    for (uintptr_t i = 0; i < ITEMS; i++)
        if (mr_queue_push(&t->shared->queue, item_of((uintptr_t)t->number * ITEMS + i), NULL))
            t->shared->bad++;
    mr_queue_close(&t->shared->queue, NULL);
    return NULL;
}

static void *consume(void *argument)
{
    stress_thread *t = argument;
    stress *s = t->shared;
    long last[THREADS_MAX] = {-1, -1, -1, -1};
    void *item;
    int status;
    while ((status = mr_queue_pop(&s->queue, &item, NULL)) == 1) {
        uintptr_t n = number_of(item);
        if (s->seen[n]++)
            s->bad++;
        long order = (long)(n % ITEMS);
        if (order <= last[n / ITEMS])
            s->bad++;
        last[n / ITEMS] = order;
    }
    if (status != 0)
        s->bad++;
    return NULL;
}

static void run_stress(const mr_ring_kind *kind, int producers, int consumers, size_t capacity)
{
    stress s = {.producers = producers, .consumers = consumers};
    stress_thread t[2 * THREADS_MAX];
    s.seen = calloc((size_t)producers * ITEMS, 1);
    assert_non_null(s.seen);
    assert_int_equal(mr_queue_init(&s.queue, kind, capacity, producers, NULL), 0);
    for (int i = 0; i < producers + consumers; i++) {
        t[i] = (stress_thread){.shared = &s, .number = i};
        assert_int_equal(pthread_create(&t[i].thread, NULL, i < producers ? produce : consume, &t[i]), 0);
    }
    for (int i = 0; i < producers + consumers; i++)
        pthread_join(t[i].thread, NULL);
    assert_int_equal(s.bad, 0);
    for (size_t i = 0; i < (size_t)producers * ITEMS; i++)
        assert_int_equal(s.seen[i], 1);
    mr_queue_stats stats;
    mr_queue_stats_read(&s.queue, &stats);
    assert_int_equal(stats.takes, (uint64_t)producers * ITEMS);
    assert_true(stats.mean_depth >= 1 && stats.mean_depth <= stats.capacity);
    mr_queue_destroy(&s.queue);
    free((void *)s.seen);
}

static void stress_one_to_one(void **state)
{
    (void)state;
    run_stress(&mr_ring_spsc, 1, 1, 2);
    run_stress(&mr_ring_spsc, 1, 1, 64);
}

static void stress_many_to_many(void **state)
{
    (void)state;
    run_stress(&mr_ring_mpmc, 1, 4, 8);
    run_stress(&mr_ring_mpmc, 4, 1, 8);
    run_stress(&mr_ring_mpmc, 3, 3, 2);
    run_stress(&mr_ring_mpmc, 4, 4, 64);
}

/* An abort in the middle of traffic: everything ends, nothing comes twice. */
static void *produce_until_stopped(void *argument)
{
    stress_thread *t = argument;
    for (uintptr_t i = 0; i < ITEMS; i++)
        if (mr_queue_push(&t->shared->queue, item_of((uintptr_t)t->number * ITEMS + i), NULL))
            return NULL;
    return NULL;
}

static void *consume_until_stopped(void *argument)
{
    stress_thread *t = argument;
    void *item;
    int status;
    while ((status = mr_queue_pop(&t->shared->queue, &item, NULL)) == 1)
        if (t->shared->seen[number_of(item)]++)
            t->shared->bad++;
    if (status != MR_ECANCELED)
        t->shared->bad++;
    return NULL;
}

static void stress_abort_in_traffic(void **state)
{
    (void)state;
    for (int repeat = 0; repeat < REPEATS / 4; repeat++) {
        stress s = {.producers = 2, .consumers = 2};
        stress_thread t[4];
        s.seen = calloc(2 * ITEMS, 1);
        assert_non_null(s.seen);
        assert_int_equal(mr_queue_init(&s.queue, &mr_ring_mpmc, 4, 2, NULL), 0);
        for (int i = 0; i < 4; i++) {
            t[i] = (stress_thread){.shared = &s, .number = i};
            pthread_create(&t[i].thread, NULL, i < 2 ? produce_until_stopped : consume_until_stopped, &t[i]);
        }
        nanosleep(&(struct timespec){.tv_nsec = repeat * 50000L % 2000000}, NULL);
        mr_queue_abort(&s.queue, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(t[i].thread, NULL);
        assert_int_equal(s.bad, 0);
        mr_queue_destroy(&s.queue);
        free((void *)s.seen);
    }
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

/* --- the long form: so many items that no table of them fits --- */

typedef struct flood {
    mr_queue queue;
    int producers;
    uint64_t items; /* of each producer */
    _Atomic int thread, bad;
    _Atomic uint64_t popped, sum;
} flood;

static void *flood_in(void *argument)
{
    flood *f = argument;
    uint64_t producer = (uint64_t)atomic_fetch_add(&f->thread, 1);
    for (uint64_t i = 0; i < f->items; i++)
        if (mr_queue_push(&f->queue, item_of(i * THREADS_MAX + producer), NULL))
            f->bad++;
    mr_queue_close(&f->queue, NULL);
    return NULL;
}

/* Each producer's numbers rise here; counted and summed over all consumers, none can be lost or doubled. */
static void *flood_out(void *argument)
{
    flood *f = argument;
    uint64_t next[THREADS_MAX] = {0}, popped = 0, sum = 0;
    void *item;
    while (mr_queue_pop(&f->queue, &item, NULL) == 1) {
        uint64_t number = number_of(item) / THREADS_MAX, producer = number_of(item) % THREADS_MAX;
        if (number < next[producer])
            f->bad++;
        next[producer] = number + 1;
        popped++;
        sum += number;
    }
    f->popped += popped;
    f->sum += sum;
    return NULL;
}

static void run_flood(const mr_ring_kind *kind, int producers, int consumers, size_t capacity, uint64_t items)
{
    flood f = {.producers = producers, .items = items / (uint64_t)producers};
    pthread_t thread[2 * THREADS_MAX];
    assert_int_equal(mr_queue_init(&f.queue, kind, capacity, producers, NULL), 0);
    uint64_t start = mr_now_ns();
    for (int i = 0; i < producers + consumers; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, i < producers ? flood_in : flood_out, &f), 0);
    for (int i = 0; i < producers + consumers; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(f.bad, 0);
    assert_int_equal(f.popped, f.items * (uint64_t)producers);
    assert_int_equal(f.sum, f.items * (f.items - 1) / 2 * (uint64_t)producers);
    print_message("%s, %d to %d, room for %zu: %llu items in %.0f s\n", kind->name, producers, consumers,
                  capacity, (unsigned long long)f.popped, (double)(mr_now_ns() - start) * 1e-9);
    mr_queue_destroy(&f.queue);
}

static void long_stress(void **state)
{
    (void)state;
    const char *wanted = getenv("MILLRACE_QUEUE_ITEMS");
    uint64_t items = wanted ? (uint64_t)strtod(wanted, NULL) & ~UINT64_C(0xfffff) : 0;
    if (items == 0)
        skip();
#ifdef MR_SCHEDULE_SHIM
    items /= 1024; /* each access may be delayed */
#endif
    alarm(0);
    run_flood(&mr_ring_spsc, 1, 1, 2, items / 128);
    run_flood(&mr_ring_mpmc, 2, 2, 2, items / 128);
    run_flood(&mr_ring_mpmc, 1, 4, 8, items / 64);
    run_flood(&mr_ring_spsc, 1, 1, 64, items / 16);
    run_flood(&mr_ring_mpmc, 4, 4, 64, items / 16);
    run_flood(&mr_ring_mpmc, 4, 4, 4096, items / 4);
    run_flood(&mr_ring_spsc, 1, 1, 4096, items / 2);
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
