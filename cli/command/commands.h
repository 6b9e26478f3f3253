/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: one file each, one row in cli/main.c. */
#ifndef MR_CLI_COMMANDS_H
#define MR_CLI_COMMANDS_H

#include "cli/option/command.h"

extern const mr_command mr_command_train, mr_command_evaluate, mr_command_predict, mr_command_summary, mr_command_convert,
    mr_command_verify, mr_command_sample;

#endif
