/* SPDX-License-Identifier: Apache-2.0 */
/* millrace sample */
#include "cli/command/commands.h"
#include "cli/process/terminal.h"
#include "io/demo/sample.h"

#include <stdio.h>

static int run(mr_cli *c, mr_error *e)
{
    mr_sample_split split = mr_sample_split_of(c->count);
    int status = mr_sample_write(c->operand[0], c->count, (uint64_t)c->seed, NULL, NULL, e);
    if (status)
        return mr_exit_status(status);
    if (!c->quiet)
        mr_print_line(stderr, "%s: %lld images for training, %lld for validation, %lld for testing, in 2 classes",
                      c->operand[0], (long long)split.training, (long long)split.validation, (long long)split.testing);
    return MR_EXIT_DONE;
}

const mr_command mr_command_sample = {
    .name = "sample",
    .options = MR_FOR_SAMPLE,
    .operands = "DIR",
    .least = 1,
    .most = 1,
    .description = "draws a small labelled set of cell images, for trying things out",
    .details = "\n  millrace sample cells --count 600\n",
    .run = run,
};
