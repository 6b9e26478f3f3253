/* SPDX-License-Identifier: Apache-2.0 */
/* Depth-first search through all choices: who goes next, what a load reads, whom a wake-up wakes. */
#include "tests/model/internal.h"

#include <stdlib.h>
#include <string.h>

enum { CHOICES = 4000, NOTES = 4000 };

static struct choice {
    uint8_t taken, count;
} trail[CHOICES];
static int made, replayed; /* choices on the trail; of them, those this run has come past */

static struct note {
    int thread;
    const char *function, *what, *object;
    uint64_t value;
} notes[NOTES];
static int noted;

static model_result result;
static int current, preemptions; /* who ran last; how often it was taken off though it could go on */

int model_choose(int count)
{
    if (count == 1)
        return 0;
    if (replayed < made)
        return trail[replayed++].taken;
    if (made == CHOICES) {
        model_fail("more than %d choices in a run", CHOICES);
        return 0;
    }
    trail[made++] = (struct choice){0, (uint8_t)count};
    replayed = made;
    return 0;
}

/* The next run in order. False: there is none. */
static bool turn_trail(void)
{
    while (made > 0 && trail[made - 1].taken + 1 == trail[made - 1].count)
        made--;
    if (made == 0)
        return false;
    trail[made - 1].taken++;
    return true;
}

void model_point(int a)
{
    model_thread *t = &model_m.thread[model_m.running];
    int owner = model_m.atomic[a].owner;
    if (owner >= 0 && owner != model_m.running)
        model_fail("thread %d uses %s, which is thread %d's", model_m.running, model_m.atomic[a].name, owner);
    if (t->woken)
        t->woken = false;
    else if (owner < 0)
        model_pause();
    t->learnt = model_mix(t->learnt, 1); /* it has come further, whatever it will find */
    result.steps++;
}

void model_note(const model_site *site, const char *what, const char *object, uint64_t value)
{
    if (noted < NOTES)
        notes[noted++] = (struct note){model_m.running, site ? site->function : "", what, object, value};
}

static void print_notes(FILE *out)
{
    fprintf(out, "%s: %s\n", model_m.program->name, model_m.failure);
    for (int i = 0; i < noted; i++)
        fprintf(out, "  %*sthread %d %s %s %#llx (%s)\n", 24 * notes[i].thread, "", notes[i].thread,
                notes[i].what, notes[i].object, (unsigned long long)notes[i].value, notes[i].function);
}

/* --- states met --- */

static uint64_t *table; /* open addressing, at most half full; 0: free */
static uint64_t table_size;

static void put(uint64_t state)
{
    uint64_t i = state & (table_size - 1);
    while (table[i])
        i = (i + 1) & (table_size - 1);
    table[i] = state;
}

static void grow(uint64_t size)
{
    uint64_t *old = table, old_size = table_size;
    table = calloc(size, sizeof *table);
    if (!table)
        abort();
    table_size = size;
    for (uint64_t i = 0; i < old_size; i++)
        if (old[i])
            put(old[i]);
    free(old);
}

/* True for a new one. */
static bool remember(uint64_t state)
{
    state += state == 0;
    for (uint64_t i = state & (table_size - 1); table[i]; i = (i + 1) & (table_size - 1))
        if (table[i] == state)
            return false;
    if (2 * ++result.states > table_size)
        grow(2 * table_size);
    put(state);
    return true;
}

static bool is_new_state(void)
{
    uint64_t state = model_state();
    if (model_m.program->preemptions >= 0)
        state = model_mix(model_mix(state, (uint64_t)preemptions), (uint64_t)current);
    return remember(state);
}

/* --- one run --- */

static bool is_ready(int t)
{
    return t >= 0 && model_m.thread[t].status == READY;
}

/* Those that may go next, the one that ran last first. */
static int list_ready(int *ready)
{
    int count = 0;
    if (is_ready(current))
        ready[count++] = current;
    if (count && preemptions == model_m.program->preemptions)
        return count;
    for (int t = 0; t < model_m.program->threads; t++)
        if (t != current && is_ready(t))
            ready[count++] = t;
    return count;
}

static void schedule(const int *ready, int count)
{
    int next = ready[model_choose(count)];
    preemptions += is_ready(current) && next != current;
    current = next;
    model_resume(next);
}

static void end_run(void)
{
    for (int t = 0; t < model_m.program->threads; t++)
        if (model_m.thread[t].status == ASLEEP)
            model_fail("thread %d sleeps for ever", t);
    if (!*model_m.failure)
        model_m.program->finish();
}

static void begin_run(void)
{
    const model_program *p = model_m.program;
    model_m.atomics = model_m.plains = 0;
    model_m.running = -1;
    replayed = noted = preemptions = 0;
    current = -1;
    memset(model_m.thread, 0, sizeof model_m.thread);
    memset(&model_m.total, 0, sizeof model_m.total);
    p->setup();
    for (int t = 0; t < p->threads; t++) {
        model_m.thread[t].learnt = model_mix(1, (uint64_t)t);
        model_start_over(t, p->body);
        model_resume(t); /* to its first operation */
    }
}

static void run_once(void)
{
    int ready[MODEL_THREADS], count;
    begin_run();
    result.runs++;
    while (!*model_m.failure) {
        if (replayed == made && !is_new_state())
            return;
        if ((count = list_ready(ready)) == 0) {
            end_run();
            return;
        }
        schedule(ready, count);
    }
}

model_result model_check(const model_program *p, const model_mutant *mutant, FILE *trace)
{
    result = (model_result){0};
    model_m.program = p;
    model_m.mutant = mutant ? *mutant : (model_mutant){0};
    *model_m.failure = '\0';
    made = 0;
    grow(1 << 16);
    bool more = true;
    while (more && !*model_m.failure && (!p->states_max || result.states < p->states_max)) {
        run_once();
        more = turn_trail();
    }
    result.complete = !more && !*model_m.failure;
    memcpy(result.failure, model_m.failure, sizeof result.failure);
    if (*model_m.failure && trace)
        print_notes(trace);
    free(table);
    table = NULL;
    table_size = 0;
    return result;
}
