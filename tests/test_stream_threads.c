/* SPDX-License-Identifier: Apache-2.0 */
/* The public face with many threads: order, bounds, ends, and what is borrowed comes back. */
#include "tests/stream_files.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#ifdef MR_SANITIZED
enum { PUSHES = 400 };
#else
enum { PUSHES = 4000 };
#endif

/* --- many threads --------------------------------------------------------------------------------------- */

enum { PUSHERS = 4, RECEIVERS = 3 };

static struct crowd {
    mr_stream *s;
    _Atomic int pusher, released;
    _Atomic int seen[PUSHERS * PUSHES]; /* times each tag came back */
    uint64_t serial[PUSHERS * PUSHES];
} crowd;

static void count_release(void *context)
{
    (void)context;
    atomic_fetch_add(&crowd.released, 1);
}

static void *push_many(void *context)
{
    (void)context;
    int me = atomic_fetch_add(&crowd.pusher, 1);
    for (int i = 0; i < PUSHES; i++) {
        int file = (i * 7 + me) % FILES, tag = me * PUSHES + i;
        mr_input in = {.tag = (void *)(intptr_t)tag};
        if (i % 3 == 0)
            in.path = paths[file];
        else
            in.bytes = files[file].bytes, in.size = files[file].size;
        if (i % 3 == 1)
            in.release = count_release;
        int status;
        while ((status = mr_stream_push(crowd.s, &in, me % 2 ? -1 : 1, NULL)) == MR_EAGAIN)
            ;
        if (status)
            return (void *)1;
        if (i % 97 == 0)
            mr_stream_flush(crowd.s);
    }
    return NULL;
}

static void *receive_many(void *context)
{
    (void)context;
    mr_result *r;
    uint64_t last = 0;
    bool first = true, ordered = true;
    int status;
    while ((status = mr_stream_receive(crowd.s, &r, 50, NULL)) != 0) {
        if (status == MR_EAGAIN)
            continue;
        if (status < 0)
            return (void *)1;
        ordered = ordered && (first || r->serial > last) && !r->error;
        first = false;
        last = r->serial;
        crowd.serial[(intptr_t)r->tag] = r->serial;
        atomic_fetch_add(&crowd.seen[(intptr_t)r->tag], 1);
        mr_result_free(r);
    }
    return ordered ? NULL : (void *)1;
}

static void many_threads_push_and_receive(void **state)
{
    (void)state;
    pthread_t pusher[PUSHERS], receiver[RECEIVERS];
    void *failed;
    mr_stream_options o = small_options();
    o.capacity = 3 * BATCH;
    o.linger_ms = 1;
    crowd.s = open_stream(&o);
    for (int i = 0; i < PUSHERS; i++)
        pthread_create(&pusher[i], NULL, push_many, NULL);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_create(&receiver[i], NULL, receive_many, NULL);
    for (int i = 0; i < PUSHERS; i++) {
        pthread_join(pusher[i], &failed);
        assert_null(failed);
    }
    mr_stream_finish(crowd.s);
    for (int i = 0; i < RECEIVERS; i++) {
        pthread_join(receiver[i], &failed);
        assert_null(failed);
    }
    mr_stream_close(crowd.s);
    for (int i = 0; i < PUSHERS * PUSHES; i++) {
        assert_int_equal(crowd.seen[i], 1);
        assert_true(i % PUSHES == 0 || crowd.serial[i] > crowd.serial[i - 1]); /* each pusher's own order */
    }
    assert_int_equal(crowd.released, PUSHERS * ((PUSHES + 1) / 3));
}

/* --- bounds and ends ---------------------------------------------------------------------- */

static void push_is_bounded(void **state)
{
    (void)state;
    mr_stream_options o = small_options();
    o.capacity = 2 * BATCH + 1;
    o.linger_ms = 0;
    mr_stream *s = open_stream(&o);
    int pushed = 0;
    mr_error e = {0};
    while (mr_stream_push(s, &(mr_input){.path = paths[pushed % FILES]}, 0, &e) == 0)
        pushed++;
    assert_int_equal(pushed, o.capacity);
    assert_int_equal(e.code, MR_EAGAIN);
    assert_int_equal(mr_stream_push(s, &(mr_input){.path = paths[0]}, 20, NULL), MR_EAGAIN);
    mr_result_free(receive(s));
    assert_int_equal(mr_stream_push(s, &(mr_input){.path = paths[0]}, 0, NULL), 0);
    mr_stream_finish(s);
    for (int i = 0; i < o.capacity; i++)
        mr_result_free(receive(s));
    mr_stream_close(s);
}

static void batches_wait_for_a_flush(void **state)
{
    (void)state;
    mr_stream_options o = small_options();
    o.linger_ms = -1;
    mr_stream *s = open_stream(&o);
    mr_result *r;
    for (int i = 0; i < 3; i++)
        push(s, (mr_input){.path = paths[i]});
    assert_int_equal(mr_stream_receive(s, &r, 100, NULL), MR_EAGAIN);
    mr_stream_flush(s);
    for (int i = 0; i < 3; i++)
        mr_result_free(receive(s));
    for (int i = 0; i < BATCH; i++) /* a full one goes by itself */
        push(s, (mr_input){.path = paths[i]});
    for (int i = 0; i < BATCH; i++)
        mr_result_free(receive(s));
    mr_stream_flush(s);
    mr_stream_flush(s); /* of nothing: nothing */
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result_free(receive(s));
    assert_int_equal(mr_stream_receive(s, &r, -1, NULL), 0);
    assert_int_equal(mr_stream_push(s, &(mr_input){.path = paths[0]}, -1, NULL), MR_EINVAL);
    mr_stream_close(s);
}

static void count_one(void *context)
{
    ++*(_Atomic int *)context;
}

/* Borrowed data come back once each, whether they were computed or lie somewhere inside when all ends. */
static void close_gives_everything_back(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        static _Atomic int released;
        released = 0;
        mr_stream_options o = small_options();
        o.linger_ms = round % 3 - 1;
        mr_stream *s = open_stream(&o);
        int pushed = 0;
        for (; pushed < 4 * round; pushed++)
            push(s, (mr_input){.bytes = files[pushed % FILES].bytes,
                               .size = files[pushed % FILES].size,
                               .release = count_one,
                               .release_context = &released});
        if (round % 2)
            mr_stream_finish(s);
        if (round % 4 == 3)
            mr_result_free(receive(s));
        mr_stream_close(s);
        assert_int_equal(released, pushed);
    }
}

static void *push_until_refused(void *context)
{
    int status;
    while ((status = mr_stream_push(context, &(mr_input){.path = paths[0]}, -1, NULL)) == 0)
        ;
    return (void *)(intptr_t)status;
}

static void *receive_until_refused(void *context)
{
    mr_result *r;
    int status;
    while ((status = mr_stream_receive(context, &r, -1, NULL)) == 1)
        mr_result_free(r);
    return (void *)(intptr_t)status;
}

static void stop_wakes_those_who_wait(void **state)
{
    (void)state;
    for (int pushing = 0; pushing < 2; pushing++) {
        mr_stream_options o = small_options();
        mr_stream *s = open_stream(&o);
        pthread_t thread[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&thread[i], NULL, pushing ? push_until_refused : receive_until_refused, s);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        mr_stream_stop(s);
        for (int i = 0; i < 2; i++) {
            void *status;
            pthread_join(thread[i], &status);
            assert_int_equal((intptr_t)status, MR_ECANCELED);
        }
        mr_stream_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_push_and_receive), cmocka_unit_test(push_is_bounded),
        cmocka_unit_test(batches_wait_for_a_flush),      cmocka_unit_test(close_gives_everything_back),
        cmocka_unit_test(stop_wakes_those_who_wait),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
