/* SPDX-License-Identifier: Apache-2.0 */
/* The real team under the model checker, as test_model.c has the queues: every order, every value that C11
 * lets a load return, within the bounds in the table; and each memory order that is stronger than relaxed
 * weakened in turn, each step left out, which some program must notice. MILLRACE_LONG=1 takes the long
 * programs too; MILLRACE_MODEL_TRACE=1 prints the run that failed. */
#include "tests/shared.h"

#include "tests/model/team_programs.h"

#include <stdlib.h>

static const struct {
    team_program program;
    int preemptions; /* most, or -1: any number */
    bool long_form;
} table[] = {
    {{"1 worker, 1 region of 2 tasks", 1, 1, 2}, -1, false},
    {{"1 worker, 2 regions of 2 tasks", 1, 2, 2}, 3, false},
    {{"2 workers, 1 region of 2 tasks", 2, 1, 2}, 1, false},
    {{"1 worker, 2 regions of 2 tasks", 1, 2, 2}, -1, true},
    {{"1 worker, 3 regions of 2 tasks", 1, 3, 2}, 3, true},
    {{"2 workers, 1 region of 3 tasks", 2, 1, 3}, 2, true},
    {{"2 workers, 2 regions of 2 tasks", 2, 2, 2}, 2, true},
};
enum { PROGRAMS = sizeof table / sizeof *table, STALE = 2 };

static bool is_long(void)
{
    const char *set = getenv("MILLRACE_LONG");
    return set && *set;
}

static void every_order_is_right(void **state)
{
    (void)state;
    for (int i = 0; i < PROGRAMS; i++) {
        if (table[i].long_form && !is_long())
            continue;
        model_result r = check_team(&table[i].program, NULL, STALE, table[i].preemptions, stderr);
        print_message("%s: %llu states, %llu steps\n", table[i].program.name, (unsigned long long)r.states,
                      (unsigned long long)r.steps);
        assert_string_equal(r.failure, "");
        assert_true(r.complete);
    }
}

/* True where some program of the short form fails under the mutant. */
static bool is_caught(const model_mutant *m, const char *name)
{
    model_result r = {0};
    for (int i = 0; i < PROGRAMS && !*r.failure; i++)
        if (!table[i].long_form) {
            r = check_team(&table[i].program, m, STALE, table[i].preemptions,
                           getenv("MILLRACE_MODEL_TRACE") ? stderr : NULL);
            if (*r.failure)
                print_message("%s: %s: %s\n", name, table[i].program.name, r.failure);
        }
    if (!*r.failure)
        print_message("%s: not noticed\n", name);
    return *r.failure;
}

/* Parts of orders that nothing would notice: those that sequential consistency brings along, and those of a
 * look before a sleep, which the futex repeats on the newest value (in the model as in the kernel). They
 * stay, so that C11 alone carries the argument: of two threads that each write one word and then read the
 * other's, one sees the other. */
static int not_needed(const model_site *s)
{
    static const struct {
        const char *kind, *function;
        int parts;
    } list[] = {
        {"add", "wait_for_region", MODEL_ACQUIRE | MODEL_RELEASE},
        {"load", "wait_for_region", MODEL_ACQUIRE | MODEL_TOTAL},
        {"store", "publish", MODEL_TOTAL},
        {"load", "publish", MODEL_ACQUIRE},
        {"add", "work", MODEL_ACQUIRE | MODEL_TOTAL},
        {"load", "work", MODEL_ACQUIRE},
        {"load", "mr_team_run", MODEL_TOTAL},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!strcmp(s->kind, list[i].kind) && !strcmp(s->function, list[i].function))
            return list[i].parts;
    return 0;
}

/* The checker would see it if an order were too weak. */
static void every_weaker_order_is_caught(void **state)
{
    (void)state;
    static const char *const parts[] = {
        [MODEL_ACQUIRE] = "acquire", [MODEL_RELEASE] = "release", [MODEL_TOTAL] = "sequential consistency"};
    int weakened = 0, missed = 0;
    for (const model_site *s = model_sites(); s; s = s->next)
        for (int part = MODEL_ACQUIRE; part <= MODEL_TOTAL; part *= 2) {
            if (!(s->orders & ~not_needed(s) & part))
                continue;
            char name[120];
            snprintf(name, sizeof name, "%s in %s without %s", s->kind, s->function, parts[part]);
            weakened++;
            missed += !is_caught(&(model_mutant){MODEL_WEAK, s->function, s->kind, part}, name);
        }
    assert_in_range(weakened, 9, 100);
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
        {"sleep without a look at the word", {MODEL_BLIND_SLEEP, "", NULL, 0}},
        {"two takers of one task", {MODEL_NO_CLAIM, "work", "exchange", 0}},
        {"a task that is not counted", {MODEL_LOST_ADD, "work", "add", 0}},
        {"a worker that parks without a word", {MODEL_LOST_ADD, "wait_for_region", "add", 0}},
    };
    int missed = 0;
    for (size_t i = 0; i < sizeof mutants / sizeof *mutants; i++)
        missed += !is_caught(&mutants[i].mutant, mutants[i].name);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
