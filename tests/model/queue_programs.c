/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/queue_programs.h"

#include <string.h>

enum { ITEMS_MAX = 8, CAPACITY = 2 };

static const queue_program *program;
static mr_queue queue;
/* What each thread has come to; written by it, judged at the end. */
static struct outcome {
    int status; /* of the last push or pop */
    mr_error error;
    uint32_t items; /* pushed or popped: bit producer*ITEMS_MAX + number */
} outcome[MODEL_THREADS];

/* --- the rings, with a second try that a mutant can leave out --- */

/* Inside mr_queue_push and mr_queue_pop, what a thread will do follows from its items, from how the try went
 * and the phase that it saw before, and, for the second try, from the key that prepare gave it: the rest can
 * be forgotten. */
static void settle_try(mr_eventcount *ec, bool done, void *item)
{
    uint64_t gotten = done ? (uintptr_t)item : 0, second = model_watching(&ec->state);
    uint64_t key = second ? model_last(&ec->state) >> 32 : 0;
    uint64_t local = model_mix(model_mix(gotten << 2 | second << 1 | done, key), model_last(&queue.phase));
    model_settle(model_mix(local, outcome[model_self()].items));
}

static bool push_or_not(mr_ring *r, void *item)
{
    bool done = !model_announced("mr_eventcount_prepare") && program->kind->push(r, item);
    settle_try(&queue.room, done, NULL);
    return done;
}

static bool pop_or_not(mr_ring *r, void **item)
{
    bool done = !model_announced("mr_eventcount_prepare") && program->kind->pop(r, item);
    if (model_self() >= 0)
        settle_try(&queue.items, done, *item);
    return done;
}

static const mr_ring_kind kind = {"checked", push_or_not, pop_or_not};

/* --- threads --- */

static mr_error reason(int code, int thread)
{
    mr_error e = {0};
    e.code = code;
    snprintf(e.message, sizeof e.message, "%d said so", thread);
    return e;
}

static void produce(int p)
{
    struct outcome *o = &outcome[p];
    for (uint32_t i = 0; i < (uint32_t)program->items && o->status == 0; i++) {
        uint32_t number = (uint32_t)p * ITEMS_MAX + i;
        o->status = mr_queue_push(&queue, (void *)(uintptr_t)(number + 1), &o->error);
        o->items |= (uint32_t)(o->status == 0) << number;
        model_settle(o->items | (uint64_t)(o->status != 0) << 32);
    }
    mr_error why = reason(MR_EIO, p);
    mr_queue_close(&queue, program->end == CLOSE_ERROR ? &why : NULL);
    model_settle(o->items);
}

static void note_item(struct outcome *o, void *item)
{
    uint32_t number = (uint32_t)(uintptr_t)item - 1;
    MODEL_REQUIRE(number < MODEL_THREADS * ITEMS_MAX);
    uint32_t later = (0xffu & ~0u << number % ITEMS_MAX) << (number - number % ITEMS_MAX);
    if (o->items & later)
        model_fail("item %u comes twice or out of order", number);
    o->items |= 1u << number;
}

static void consume(int c)
{
    struct outcome *o = &outcome[c];
    void *item;
    while ((o->status = mr_queue_pop(&queue, &item, &o->error)) == 1) {
        note_item(o, item);
        model_settle(o->items);
    }
    model_settle(o->items | (uint64_t)(o->status != 0) << 32 | (uint64_t)o->error.message[0] << 40);
}

static void interfere(int a)
{
    mr_error why = reason(MR_EFORMAT, a);
    mr_queue_abort(&queue, &why);
    model_settle(0);
}

static void body(int thread)
{
    if (thread < program->producers)
        produce(thread);
    else if (thread < program->producers + program->consumers)
        consume(thread);
    else
        interfere(thread);
}

/* --- the beginning --- */

static void tell_of_queue(void)
{
    model_atomic("tail", &queue.ring.tail, sizeof queue.ring.tail);
    model_atomic("head", &queue.ring.head, sizeof queue.ring.head);
    for (int i = 0; i < CAPACITY; i++) {
        model_atomic(i ? "turn 1" : "turn 0", &queue.ring.cells[i].turn, sizeof queue.ring.cells[i].turn);
        queue.ring.cells[i].item = NULL;
        model_plain(i ? "item 1" : "item 0", &queue.ring.cells[i].item, sizeof(void *));
    }
    model_atomic("items", &queue.items.state, sizeof queue.items.state);
    model_atomic("room", &queue.room.state, sizeof queue.room.state);
    model_atomic("phase", &queue.phase, sizeof queue.phase);
    model_atomic("producers", &queue.producers, sizeof queue.producers);
    model_atomic("close_claimed", &queue.close_claimed, sizeof queue.close_claimed);
    model_atomic("abort_claimed", &queue.abort_claimed, sizeof queue.abort_claimed);
    model_plain("close_error", &queue.close_error, 16); /* the code and who said so */
    model_plain("abort_error", &queue.abort_error, 16);
}

/* What one thread alone uses. The counters' other readers only count. */
static void tell_of_owners(void)
{
    int first_consumer = program->producers, first_aborter = program->producers + program->consumers;
    if (program->producers == 1) {
        model_owned(&queue.ring.tail, 0);
        model_owned(&queue.producers, 0);
        model_owned(&queue.close_claimed, 0);
    }
    if (program->consumers == 1)
        model_owned(&queue.ring.head, first_consumer);
    if (program->aborters == 1)
        model_owned(&queue.abort_claimed, first_aborter);
}

/* Notifiers only add to an eventcount; waiters load it between the announcement and its end. */
static void tell_of_watchers(void)
{
    unsigned producers = (1u << program->producers) - 1, consumers = (1u << program->consumers) - 1;
    model_watched(&queue.room.state, producers);
    model_watched(&queue.items.state, consumers << program->producers);
    model_watched(&queue.producers, 0);
}

static void setup(void)
{
    mr_queue_destroy(&queue);
    memset(outcome, 0, sizeof outcome);
    MODEL_REQUIRE(mr_queue_init(&queue, &kind, CAPACITY, program->producers, NULL) == 0);
    tell_of_queue();
    tell_of_owners();
    tell_of_watchers();
}

/* --- the end --- */

/* What was pushed is what was popped or is still inside, once. */
static void judge_items(void)
{
    uint32_t pushed = 0, popped = 0;
    for (int t = 0; t < program->producers; t++)
        pushed |= outcome[t].items;
    for (int t = program->producers; t < program->producers + program->consumers; t++) {
        MODEL_REQUIRE(!(popped & outcome[t].items));
        popped |= outcome[t].items;
    }
    struct outcome rest = {0};
    void *item;
    while (mr_queue_drain(&queue, &item))
        note_item(&rest, item);
    MODEL_REQUIRE(!(popped & rest.items));
    if (program->end != ABORT)
        MODEL_REQUIRE(rest.items == 0);
    if ((popped | rest.items) != pushed)
        model_fail("pushed %#x, popped %#x, inside %#x", pushed, popped, rest.items);
}

/* The error of one of the threads FIRST to FIRST+COUNT-1, whole, and the same for all. */
static void judge_error(const mr_error *e, int code, int first, int count)
{
    static char told;
    int by = e->message[0] - '0';
    mr_error expected = reason(code, by);
    MODEL_REQUIRE(by >= first && by < first + count && memcmp(e, &expected, sizeof expected) == 0);
    told = e == &outcome[program->producers].error ? e->message[0] : told;
    if (program->end == CLOSE_ERROR)
        MODEL_REQUIRE(told == e->message[0]);
}

static void judge_thread(int t)
{
    const struct outcome *o = &outcome[t];
    bool consumer = t >= program->producers;
    if (program->end == ABORT && o->status != 0) /* the end can come before the abort */
        judge_error(&o->error, MR_EFORMAT, program->producers + program->consumers, program->aborters);
    else if (program->end == CLOSE_ERROR && consumer)
        judge_error(&o->error, MR_EIO, 0, program->producers);
    else
        MODEL_REQUIRE(o->status == 0);
}

static void finish(void)
{
    judge_items();
    for (int t = 0; t < program->producers + program->consumers; t++)
        judge_thread(t);
    MODEL_REQUIRE(mr_queue_aborted(&queue) == (program->aborters > 0));
    MODEL_REQUIRE((uint32_t)queue.items.state == 0 && (uint32_t)queue.room.state == 0);
}

model_result check_queue(const queue_program *p, const model_mutant *mutant, int stale, int preemptions,
                         FILE *trace)
{
    program = p;
    model_program m = {.name = p->name,
                       .threads = p->producers + p->consumers + p->aborters,
                       .setup = setup,
                       .body = body,
                       .finish = finish,
                       .stale = stale,
                       .preemptions = preemptions};
    return model_check(&m, mutant, trace);
}

/* --- the eventcount alone --- */

static mr_eventcount change;
static long data;

static void setup_eventcount(void)
{
    mr_eventcount_init(&change);
    data = 0;
    model_atomic("change", &change.state, sizeof change.state);
    model_plain("data", &data, sizeof data);
}

/* Thread 0 changes the data, once; the others wait for a notify and read it. */
static void wait_or_notify(int thread)
{
    if (thread == 0) {
        model_write(&data);
        data = 1;
        mr_eventcount_notify_all(&change);
        return;
    }
    uint32_t key = mr_eventcount_prepare(&change);
    if (key == 0)
        mr_eventcount_wait(&change, key);
    else
        mr_eventcount_cancel(&change);
    model_read(&data);
    MODEL_REQUIRE(data == 1);
}

static void finish_eventcount(void)
{
    MODEL_REQUIRE((uint32_t)change.state == 0);
}

model_result check_eventcount(const model_mutant *mutant, int stale, FILE *trace)
{
    model_program m = {.name = "eventcount, 2 waiters",
                       .threads = 3,
                       .setup = setup_eventcount,
                       .body = wait_or_notify,
                       .finish = finish_eventcount,
                       .stale = stale,
                       .interrupts = 2,
                       .preemptions = -1};
    return model_check(&m, mutant, trace);
}
