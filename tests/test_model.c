/* SPDX-License-Identifier: Apache-2.0 */
/* The real ring, queue and eventcount under the model checker (tests/model/checker.h): every order, every
 * value that C11 lets a load return, within the bounds in the table. And the checker under test: each memory
 * order that is stronger than relaxed is weakened in turn, and each step of the protocol left out, which some
 * program must notice. MILLRACE_LONG=1 takes the long programs too; MILLRACE_MODEL_TRACE=1 prints the run
 * that failed. */
#include "tests/shared.h"

#include "tests/model/queue_programs.h"

static const struct {
    queue_program program;
    int preemptions; /* most, or -1: any number */
    bool long_form;
} table[] = {
    {{"spsc, 4 items, close", &mr_ring_spsc, 1, 1, 0, 4, CLOSE}, -1, false},
    {{"spsc, 4 items, error", &mr_ring_spsc, 1, 1, 0, 4, CLOSE_ERROR}, -1, false},
    {{"spsc, 2 items, abort", &mr_ring_spsc, 1, 1, 1, 2, ABORT}, -1, false},
    {{"spsc, 1 item, two aborts", &mr_ring_spsc, 1, 1, 2, 1, ABORT}, 2, false},
    {{"mpmc, 2 to 1, 1 item each, error", &mr_ring_mpmc, 2, 1, 0, 1, CLOSE_ERROR}, -1, false},
    {{"mpmc, 1 to 2, 1 item, error", &mr_ring_mpmc, 1, 2, 0, 1, CLOSE_ERROR}, 2, false},
    {{"mpmc, 2 to 1, 2 items each, close", &mr_ring_mpmc, 2, 1, 0, 2, CLOSE}, 2, false},
    {{"mpmc, 2 to 1, 1 item each, abort", &mr_ring_mpmc, 2, 1, 1, 1, ABORT}, 2, false},
    {{"spsc, 7 items, error", &mr_ring_spsc, 1, 1, 0, 7, CLOSE_ERROR}, -1, true},
    {{"spsc, 4 items, abort", &mr_ring_spsc, 1, 1, 1, 4, ABORT}, -1, true},
    {{"mpmc, 1 to 2, 1 item, close", &mr_ring_mpmc, 1, 2, 0, 1, CLOSE}, -1, true},
    {{"mpmc, 1 to 2, 2 items, close", &mr_ring_mpmc, 1, 2, 0, 2, CLOSE}, 2, true},
    {{"mpmc, 2 to 1, 2 items each, error", &mr_ring_mpmc, 2, 1, 0, 2, CLOSE_ERROR}, 3, true},
    {{"mpmc, 1 to 2, 1 item, abort", &mr_ring_mpmc, 1, 2, 1, 1, ABORT}, 2, true},
    {{"mpmc, 2 to 2, 1 item each, close", &mr_ring_mpmc, 2, 2, 0, 1, CLOSE}, 2, true},
};
enum { PROGRAMS = sizeof table / sizeof *table, STALE = 2 };

static bool is_long(void)
{
    const char *set = getenv("MILLRACE_LONG");
    return set && *set;
}

static FILE *trace(void)
{
    return getenv("MILLRACE_MODEL_TRACE") ? stderr : NULL;
}

static void say(const char *name, const model_result *r)
{
    print_message("%s: %llu states, %llu runs, %llu steps%s%s\n", name, (unsigned long long)r->states,
                  (unsigned long long)r->runs, (unsigned long long)r->steps, *r->failure ? ": " : "",
                  r->failure);
}

static void every_order_is_right(void **state)
{
    (void)state;
    for (int i = 0; i < PROGRAMS; i++) {
        if (table[i].long_form && !is_long())
            continue;
        model_result r = check_queue(&table[i].program, NULL, STALE, table[i].preemptions, stderr);
        say(table[i].program.name, &r);
        assert_string_equal(r.failure, "");
        assert_true(r.complete);
    }
}

static void eventcount_wakes_and_publishes(void **state)
{
    (void)state;
    model_result r = check_eventcount(NULL, STALE, stderr);
    say("eventcount", &r);
    assert_string_equal(r.failure, "");
    assert_true(r.complete);
}

/* True where some program of the short form fails under the mutant. */
static bool is_caught(const model_mutant *m, const char *name)
{
    model_result r = check_eventcount(m, STALE, trace());
    if (*r.failure)
        say(name, &r);
    for (int i = 0; i < PROGRAMS && !*r.failure; i++) {
        if (table[i].long_form)
            continue;
        r = check_queue(&table[i].program, m, STALE, table[i].preemptions, trace());
        if (*r.failure)
            print_message("%s: %s: %s\n", name, table[i].program.name, r.failure);
    }
    if (!*r.failure)
        print_message("%s: not noticed\n", name);
    return *r.failure;
}

/* No order is stronger than it has to be, and the checker would see it if one were too weak. */
static void every_weaker_order_is_caught(void **state)
{
    (void)state;
    int weakened = 0, missed = 0;
    for (const model_site *s = model_sites(); s; s = s->next)
        for (int part = MODEL_ACQUIRE; part <= MODEL_RELEASE; part++) {
            if (!(s->orders & part))
                continue;
            char name[120];
            snprintf(name, sizeof name, "%s in %s without %s", s->kind, s->function,
                     part == MODEL_ACQUIRE ? "acquire" : "release");
            weakened++;
            missed += !is_caught(&(model_mutant){MODEL_WEAK, s->function, s->kind, part}, name);
        }
    assert_in_range(weakened, 8, 100);
    assert_int_equal(missed, 0);
}

static void every_missing_step_is_caught(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        model_mutant mutant;
    } mutants[] = {
        {"nobody is woken", {MODEL_NO_WAKE, "", NULL, 0}},
        {"sleep without a look at the epoch", {MODEL_BLIND_SLEEP, "", NULL, 0}},
        {"no second try", {MODEL_NO_RETRY, "", NULL, 0}},
        {"notify without a new epoch", {MODEL_LOST_ADD, "notify", "add", 0}},
        {"no announcement", {MODEL_LOST_ADD, "mr_eventcount_prepare", "add", 0}},
        {"no withdrawal", {MODEL_LOST_ADD, "mr_eventcount_cancel", "add", 0}},
        {"no end of the wait", {MODEL_LOST_ADD, "mr_eventcount_wait", "add", 0}},
        {"a producer that does not count itself off", {MODEL_LOST_ADD, "mr_queue_close", "add", 0}},
        {"two claims of one record", {MODEL_NO_CLAIM, "claim", "exchange", 0}},
        {"two winners of one position", {MODEL_NO_CLAIM, "win_position", "exchange", 0}},
        {"a close that undoes an abort", {MODEL_NO_CLAIM, "mr_queue_close", "exchange", 0}},
    };
    int missed = 0;
    for (size_t i = 0; i < sizeof mutants / sizeof *mutants; i++)
        missed += !is_caught(&mutants[i].mutant, mutants[i].name);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eventcount_wakes_and_publishes),
        cmocka_unit_test(every_order_is_right),
        cmocka_unit_test(every_weaker_order_is_caught),
        cmocka_unit_test(every_missing_step_is_caught),
    };
#ifdef MR_SANITIZED
    puts("1..0 # SKIP the checker changes stacks by itself, and no other thread runs");
    return 0;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
