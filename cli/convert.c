/* SPDX-License-Identifier: Apache-2.0 */
/* millrace convert */
#include "cli/commands.h"
#include "cli/outputs.h"
#include "cli/terminal.h"
#include "io/model_file.h"

#include <stdio.h>

static int run(mr_cli *c, mr_error *e)
{
    mr_model *m;
    const char *from = c->operand[0], *to = c->operand[1];
    mr_save_options options = {.no_optimizer = c->no_optimizer, .iterations = -1};
    int status = mr_cli_check_model_name(to, "convert", e);
    if (!status)
        status = mr_model_load(&m, from, e);
    if (status)
        return mr_exit_status(status);
    status = mr_model_save(m, to, &options, e);
    if (!status && !c->quiet)
        mr_print_line(stderr, "%s: %d layers, optimizer state %s", to, m->graph->layers,
                      m->has_optimizer_state && !c->no_optimizer ? "kept" : "none");
    mr_model_free(m);
    return status ? mr_exit_status(status) : MR_EXIT_DONE;
}

const mr_command mr_command_convert = {
    .name = "convert",
    .options = MR_FOR_CONVERT,
    .operands = "IN OUT",
    .least = 2,
    .most = 2,
    .description = "rewrites a model file as .h5 or .keras, in the dialect that every Keras opens",
    .details = "\n  millrace convert old_model.h5 model.keras\n\nThe format is taken from OUT's ending. The "
               "same file may be both:\n"
               "it is replaced when the new one is whole.\n",
    .run = run,
};
