/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT and SIGTERM: the first asks the run to end after the step in hand, the second ends the process at once. */
#ifndef MR_CLI_INTERRUPT_H
#define MR_CLI_INTERRUPT_H

/* Installs the handlers. */
void mr_catch_interrupts(void);
/* The signal that came, or 0. */
int mr_interrupted(void);

#endif
