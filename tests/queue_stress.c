/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic through the queues: many items by many threads, an abort in its midst, and the long form. */
#include "tests/queue_tests.h"

enum { THREADS_MAX = 4 };

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

void stress_one_to_one(void **state)
{
    (void)state;
    run_stress(&mr_ring_spsc, 1, 1, 2);
    run_stress(&mr_ring_spsc, 1, 1, 64);
}

void stress_many_to_many(void **state)
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

void stress_abort_in_traffic(void **state)
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

void long_stress(void **state)
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
