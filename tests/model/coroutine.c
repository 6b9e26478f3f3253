/* SPDX-License-Identifier: Apache-2.0 */
/* Threads as coroutines: made with ucontext, switched with _setjmp and _longjmp, which ask nothing of the
 * kernel. A thread that a run leaves unfinished begins the next run by a jump back to its entry. */
#include "tests/model/internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK = 128 << 10 };

static struct coroutine {
    ucontext_t first;
    jmp_buf entry, here;
    bool made, fresh; /* fresh: to begin at its entry */
    void (*body)(int thread);
    _Alignas(16) char stack[STACK];
} coroutine[MODEL_THREADS];
static jmp_buf scheduler;

static void enter(int thread)
{
    struct coroutine *c = &coroutine[thread];
    _setjmp(c->entry);
    c->body(thread);
    model_m.thread[thread].status = ENDED;
    _longjmp(scheduler, 1);
}

static void make(int thread)
{
    struct coroutine *c = &coroutine[thread];
    if (getcontext(&c->first))
        abort();
    c->first.uc_stack.ss_sp = c->stack;
    c->first.uc_stack.ss_size = STACK;
    makecontext(&c->first, (void (*)(void))enter, 1, thread);
}

void model_start_over(int thread, void (*body)(int thread))
{
    coroutine[thread].body = body;
    coroutine[thread].fresh = true;
}

void model_resume(int thread)
{
    struct coroutine *c = &coroutine[thread];
    model_m.running = thread;
    if (_setjmp(scheduler) == 0) {
        bool fresh = c->fresh;
        c->fresh = false;
        if (fresh && c->made)
            _longjmp(c->entry, 1);
        if (!fresh)
            _longjmp(c->here, 1);
        make(thread);
        c->made = true;
        setcontext(&c->first);
    }
    model_m.running = -1;
}

void model_pause(void)
{
    if (_setjmp(coroutine[model_m.running].here) == 0)
        _longjmp(scheduler, 1);
}
