/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/team_programs.h"

/* Its threads are ours here, so its insides are, too. */
#include "base/team.c"

static const team_program *program;
static mr_team team;
static struct worker workers[MODEL_THREADS];
/* How often each task has run. Plain: the team alone orders the accesses. */
static uint32_t runs[TEAM_TASKS];

/* A thread that is about to run a task knows its ticket and, a worker, the region that woke it. */
static void run_task(void *argument, int number, int thread)
{
    uint64_t region = (uintptr_t)argument;
    (void)thread;
    model_settle(model_mix(model_mix(region, (uint64_t)number), model_last(&team.region_word)));
    mr_will_write(&runs[number]);
    if (++runs[number] != region)
        model_fail("task %d of region %d is run %u times in all", number, (int)region, runs[number]);
}

static void call(void)
{
    for (uintptr_t region = 1; region <= (uintptr_t)program->regions; region++) {
        mr_team_run(&team, program->tasks, run_task, (void *)region);
        for (int i = 0; i < program->tasks; i++) {
            mr_will_read(&runs[i]);
            if (runs[i] != region)
                model_fail("region %d ends, task %d has run %u times", (int)region, i, runs[i]);
        }
        model_settle(region);
    }
    dismiss(&team);
}

static void body(int thread)
{
    if (thread)
        worker_main(&workers[thread - 1]);
    else
        call();
}

static void setup(void)
{
    static const char *const names[TEAM_TASKS] = {"result 0", "result 1", "result 2"};
    team = (mr_team){.size = program->workers + 1, .started = program->workers, .worker = workers};
    for (int i = 0; i < program->workers; i++)
        workers[i] = (struct worker){.team = &team, .index = i + 1};
    model_atomic("ticket", &team.ticket, sizeof team.ticket);
    model_atomic("done", &team.done, sizeof team.done);
    model_atomic("region_word", &team.region_word, sizeof team.region_word);
    model_atomic("parked", &team.parked, sizeof team.parked);
    model_atomic("caller_parked", &team.caller_parked, sizeof team.caller_parked);
    model_atomic("stop", &team.stop, sizeof team.stop);
    model_atomic("task", &team.task, sizeof team.task);
    model_atomic("argument", &team.argument, sizeof team.argument);
    for (int i = 0; i < program->tasks; i++) {
        runs[i] = 0;
        model_plain(names[i], &runs[i], sizeof runs[i]);
    }
}

static void finish(void)
{
    for (int i = 0; i < program->tasks; i++)
        MODEL_REQUIRE(runs[i] == (uint32_t)program->regions);
}

model_result check_team(const team_program *p, const model_mutant *mutant, int stale, int preemptions,
                        FILE *trace)
{
    program = p;
    model_program m = {.name = p->name,
                       .threads = p->workers + 1,
                       .setup = setup,
                       .body = body,
                       .finish = finish,
                       .stale = stale,
                       .preemptions = preemptions,
                       .interrupts = 1};
    return model_check(&m, mutant, trace);
}
