/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of a run. SIGINT, SIGTERM, SIGHUP and SIGXCPU: the first asks the run to end after the step in
 * hand, another one ends the process at once. SIGUSR1 asks for a checkpoint and nothing else. */
#ifndef MR_CLI_INTERRUPT_H
#define MR_CLI_INTERRUPT_H

#include <stdbool.h>

/* Under mpirun or srun. A signal to the job reaches a rank by two ways, and on a busy machine seconds apart: for that long
 * the second one is the first. SIGCONT asks for a checkpoint too: Open MPI's mpirun, told to end, sends it at once, SIGTERM
 * only odls_base_sigkill_timeout later, and SIGKILL as long after that. */
void mr_catch_launcher_signals(void);
/* Installs the handlers. */
void mr_catch_interrupts(void);
/* ACT (async-signal-safe) runs before a signal ends the process: a second one of those above, one of those that end a program
 * which does not catch them, or a crash. SIGXFSZ is ignored: a write that exceeds the limit on files' size fails instead. */
void mr_before_fatal_signals(void (*act)(void));
/* The signal that came, or 0. */
int mr_interrupted(void);
/* Was a checkpoint asked for since the last call? */
bool mr_checkpoint_asked(void);

#endif
