/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int caught;

static void handle(int signal)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&caught, &none, signal))
        _exit(128 + signal);
}

void mr_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int mr_interrupted(void)
{
    return atomic_load(&caught);
}
