/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/callbacks.h"

#include "cli/option/keep.h"

#include <math.h>

/* What both early stopping and the plateau look at. */
static const char *monitored(const mr_cli *c, bool validates)
{
    return c->monitor ? c->monitor : validates ? "val_loss" : "loss";
}

static int check(const mr_cli *c, const mr_cli_keep *keep, bool constant, mr_error *e)
{
    if (c->monitor && !c->early_stopping && !c->reduce_lr_on_plateau && !keep->best)
        return mr_fail(e, MR_EUSAGE,
                       "--monitor is for --early-stopping, --reduce-lr-on-plateau and --keep best");
    if (c->reduce_lr_on_plateau && !constant)
        return mr_hint(
            e, mr_fail(e, MR_EUSAGE, "--reduce-lr-on-plateau needs a constant learning rate, not a schedule"),
            "leave --schedule out; --learning-rate F makes a model's own schedule constant");
    return 0;
}

/* Wrong names are wrong usage. */
static int monitor(mr_monitor *out, const char *metric, double min_delta, const mr_cli_epochs *epochs, mr_error *e)
{
    int status = mr_monitor_create(out, metric, min_delta, epochs->validates, epochs->columns, e);
    if (status && e)
        e->code = MR_EUSAGE;
    return status ? MR_EUSAGE : 0;
}

static double score(void *context, const mr_epoch_record *r)
{
    const mr_monitor *m = context;
    double value = mr_monitor_value(m, r);
    return m->larger ? -value : value;
}

static int begin_best(mr_cli_callbacks *b, const mr_cli *c, const mr_cli_keep *keep, mr_train_options *o,
                      const mr_cli_epochs *epochs, mr_says says, mr_error *e)
{
    bool restores = c->early_stopping && !c->no_restore_best && !keep->last;
    const char *metric = c->keep_best ? c->keep_best : monitored(c, epochs->validates);
    if (!c->keep_best && !restores && !keep->best)
        return 0;
    int status = monitor(&b->best.monitor, metric, 0, epochs, e);
    if (status)
        return status;
    b->best.checkpoints = o->checkpoints.dir;
    b->best.says = says;
    o->checkpoints.score = score;
    o->checkpoints.score_context = &b->best.monitor;
    b->list[o->callbacks++] = mr_best_weights_callback(&b->best);
    return 0;
}

static int begin_plateau(mr_cli_callbacks *b, const mr_cli *c, mr_train_options *o, const mr_cli_epochs *epochs, mr_says says, mr_error *e)
{
    if (!c->reduce_lr_on_plateau)
        return 0;
    double delta = mr_cli_given(c, "min-delta") ? c->min_delta : 1e-4; /* Keras's */
    b->plateau = (mr_plateau){.patience = c->reduce_lr_on_plateau,
                              .cooldown = c->plateau_cooldown,
                              .factor = c->plateau_factor,
                              .least = c->min_lr,
                              .says = says};
    int status = monitor(&b->plateau.monitor, monitored(c, epochs->validates), delta, epochs, e);
    if (!status)
        b->list[o->callbacks++] = mr_plateau_callback(&b->plateau);
    return status;
}

static int begin_stopping(mr_cli_callbacks *b, const mr_cli *c, mr_train_options *o, const mr_cli_epochs *epochs, mr_says says, mr_error *e)
{
    if (!c->early_stopping)
        return 0;
    b->stopping = (mr_early_stopping){.patience = c->early_stopping, .says = says};
    int status = monitor(&b->stopping.monitor, monitored(c, epochs->validates), c->min_delta, epochs, e);
    if (!status)
        b->list[o->callbacks++] = mr_early_stopping_callback(&b->stopping);
    return status;
}

int mr_cli_callbacks_begin(mr_cli_callbacks *b, const mr_cli *c, mr_train_options *o, const mr_cli_epochs *epochs, bool constant, mr_says says, mr_error *e)
{
    o->callback = b->list;
    o->callbacks = 0;
    mr_cli_keep keep;
    int status = mr_cli_keep_parse(&keep, c, e);
    if (!status)
        status = check(c, &keep, constant, e);
    if (!status)
        status = begin_best(b, c, &keep, o, epochs, says, e);
    if (!status)
        status = begin_plateau(b, c, o, epochs, says, e);
    return status ? status : begin_stopping(b, c, o, epochs, says, e);
}

void mr_cli_callbacks_close(mr_cli_callbacks *b)
{
    mr_best_weights_clear(&b->best);
    mr_tensorboard_close(&b->tensorboard, NULL);
}
