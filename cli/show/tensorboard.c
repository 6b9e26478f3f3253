/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/tensorboard.h"

#include <math.h>

int mr_tensorboard_open(mr_tensorboard *t, const char *dir, int epochs, mr_history_columns columns,
                        mr_error *e)
{
    *t = (mr_tensorboard){.columns = columns};
    return dir ? mr_event_file_create(&t->file, dir, epochs + 1, e) : 0;
}

static void add(void *context, const char *name, double value)
{
    if (!isnan(value)) /* the history has an empty field there */
        mr_event_file_add(context, name, value);
}

static int epoch_end(void *context, struct mr_trainer *trainer, const mr_epoch_record *r, bool *stop,
                     mr_error *e)
{
    (void)trainer, (void)stop, (void)e;
    mr_tensorboard *t = context;
    mr_history_visit(&t->columns, r, add, t->file);
    mr_event_file_write(t->file, r->epoch);
    return 0;
}

mr_callback mr_tensorboard_callback(mr_tensorboard *t)
{
    return (mr_callback){.name = "tensorboard", .context = t, .epoch_end = epoch_end};
}

int mr_tensorboard_close(mr_tensorboard *t, mr_error *e)
{
    int status = mr_event_file_close(t->file, e);
    t->file = NULL;
    return status;
}
