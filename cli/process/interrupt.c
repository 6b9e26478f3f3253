/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

/* Terminals and job managers send one signal twice (to the process and to its group): what comes within this
 * time after the first is the first. */
static atomic_llong same_signal_ns = 50LL * 1000 * 1000;

static atomic_int caught;
static atomic_llong caught_at; /* CLOCK_MONOTONIC */
static atomic_bool asked;

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void (*before_end)(void);

static void end(int signal)
{
    int none = 0;
    long long now = now_ns();
    if (atomic_load(&caught) == 0)
        atomic_store(&caught_at, now); /* before `caught`: who finds that set finds the time too */
    if (!atomic_compare_exchange_strong(&caught, &none, signal) &&
        now - atomic_load(&caught_at) > atomic_load(&same_signal_ns)) {
        if (before_end)
            before_end();
        _exit(128 + signal);
    }
}

/* The signal's own action was restored (SA_RESETHAND); it comes again as soon as the handler returns. */
static void die(int signal)
{
    before_end();
    raise(signal);
}

static void ask(int signal)
{
    (void)signal;
    atomic_store(&asked, true);
}

static void install(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

/* nohup and the like: who had it ignored shall have it ignored. */
static void install_unless_ignored(int signal, void (*handler)(int))
{
    struct sigaction before;
    if (sigaction(signal, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        install(signal, handler);
}

void mr_before_fatal_signals(void (*act)(void))
{
    static const int fatal[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU, SIGALRM, SIGUSR2, SIGVTALRM, SIGPROF,
#ifndef MR_SANITIZED /* sanitizers report these */
                                SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
#endif
                                0};
    before_end = act;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; fatal[i]; i++) {
        struct sigaction before, action = {.sa_handler = die, .sa_flags = (int)SA_RESETHAND};
        sigemptyset(&action.sa_mask);
        if (sigaction(fatal[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(fatal[i], &action, NULL);
    }
}

void mr_catch_launcher_signals(void)
{
    install(SIGCONT, ask);
    atomic_store(&same_signal_ns, 3000LL * 1000 * 1000);
}

void mr_catch_interrupts(void)
{
    install(SIGINT, end);
    install(SIGTERM, end);
    install_unless_ignored(SIGHUP, end);
    install_unless_ignored(SIGXCPU, end);
    signal(SIGPIPE, SIG_IGN); /* a closed log does not end the run */
    install(SIGUSR1, ask);
}

int mr_interrupted(void)
{
    return atomic_load(&caught);
}

bool mr_checkpoint_asked(void)
{
    return atomic_exchange(&asked, false);
}
