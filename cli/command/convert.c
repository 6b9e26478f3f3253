/* SPDX-License-Identifier: Apache-2.0 */
/* millrace convert */
#include "cli/command/commands.h"
#include "cli/setup/claims.h"
#include "cli/setup/outputs.h"
#include "cli/process/terminal.h"
#include "base/json_read.h"
#include "io/model_file/model_file.h"
#include "nn/learn/optimizer.h"

#include <stdio.h>
#include <string.h>

static int find_dialect(int *dialect, const mr_cli *c, mr_error *e)
{
    static const char *const names[] = {[MR_DIALECT_KERAS_3] = "keras3", [MR_DIALECT_KERAS_2] = "keras2"};
    *dialect = MR_DIALECT_KERAS_3;
    if (!c->dialect)
        return 0;
    while (*dialect <= MR_DIALECT_KERAS_2 && strcmp(names[*dialect], c->dialect) != 0)
        ++*dialect;
    if (*dialect > MR_DIALECT_KERAS_2)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "unknown dialect '%s'", c->dialect), "use keras2 or keras3");
    if (*dialect == MR_DIALECT_KERAS_2 && mr_model_is_named_keras(c->operand[1]))
        return mr_hint(
            e, mr_fail(e, MR_EUSAGE, "--dialect keras2 and '%s' cannot be used together", c->operand[1]),
            "write an .h5: Keras 2 cannot read .keras files");
    return 0;
}

/* What of the optimizer it is, where that is known: a running average, say, is no fault of SGD's. */
static const char *why_dropped(const mr_model *m, mr_error *why)
{
    mr_optimizer *o = NULL;
    int status = mr_optimizer_create(&o, json_object_get(m->training, "optimizer_config"), why);
    mr_optimizer_free(o);
    return status ? why->message : "unsupported";
}

static void tell(const mr_cli *c, const mr_model *m)
{
    mr_error why = {0};
    const char *to = c->operand[1], *state = m->has_optimizer_state && !c->no_optimizer ? "kept" : "none";
    const char *class = mr_json_text(json_object_get(m->training, "optimizer_config"), "class_name");
    if (m->dropped_state && !c->no_optimizer)
        mr_print_line(stderr, "%s: %d layers; warning: optimizer state of %s dropped (%s)", to, m->graph->layers,
                      class ? class : "the optimizer", why_dropped(m, &why));
    else if (!c->quiet)
        mr_print_line(stderr, "%s: %d layers, optimizer state %s", to, m->graph->layers, state);
}

static int run(mr_cli *c, mr_error *e)
{
    mr_model *m = NULL;
    mr_save_options options = {.no_optimizer = c->no_optimizer, .iterations = -1};
    mr_claims claims = {0};
    int status = mr_cli_check_files(c, e), done = MR_EXIT_DONE;
    if (!status)
        status = mr_cli_claim(&claims, c, NULL, e);
    if (!status)
        status = find_dialect(&options.dialect, c, e);
    if (!status)
        status = mr_model_load(&m, c->operand[0], e);
    if (!status)
        status = mr_model_save(m, c->operand[1], &options, e);
    if (!status) {
        tell(c, m);
        done = m->dropped_state && !c->no_optimizer ? MR_EXIT_SKIPPED : MR_EXIT_DONE;
    }
    mr_cli_release(&claims);
    mr_model_free(m);
    return status ? mr_exit_status(status) : done;
}

const mr_command mr_command_convert = {
    .name = "convert",
    .options = MR_FOR_CONVERT,
    .operands = "IN OUT",
    .least = 2,
    .most = 2,
    .description = "rewrites a model file as .h5 or .keras",
    .details =
        "\n  millrace convert old_model.h5 model.keras\n\nThe format is taken from OUT's ending. The "
        "same file may be both:\n"
        "it is replaced when the new one is whole. --dialect keras2 writes an .h5 for\n"
        "Keras 2 and tf.keras; the default is for Keras 3, where the model has the\n"
        "same inputs and outputs as the original.\n\nOptimizer state that millrace cannot hold is dropped "
        "with a warning;\nthe exit status is then 3.\n",
    .run = run,
};
