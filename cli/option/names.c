/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/names.h"

#include "cli/option/schedules.h"
#include "io/image/preprocess.h"
#include "nn/arch/arch.h"
#include "nn/learn/loss.h"
#include "nn/learn/optimizer.h"
#include "pipeline/augment/augment.h"
#include "pipeline/trainer/history.h"

#include <stdio.h>
#include <string.h>

/* --- the tables: the Ith name, or NULL ------------------------------------------------------------- */

static const char *arch(int i)
{
    return mr_archs[i] ? mr_archs[i]->name : NULL;
}

/* What --image-size is where nothing else is said. */
static const char *size(int i)
{
    static char text[64];
    if (!mr_archs[i])
        return NULL;
    snprintf(text, sizeof text, "%s %dx%d", mr_archs[i]->name, mr_archs[i]->default_size, mr_archs[i]->default_size);
    return text;
}

static const char *loss(int i)
{
    const mr_loss_class *class = mr_loss_class_at(i);
    return class ? class->name : NULL;
}

static const char *optimizer(int i)
{
    return mr_optimizer_classes[i] ? mr_optimizer_classes[i]->name : NULL;
}

static const char *fill_mode(int i)
{
    return mr_fill_mode_name((mr_fill_mode)i);
}

static const char *interpolation(int i)
{
    return mr_interpolation_name((mr_interpolation)i);
}

struct nth {
    int left;
    char name[64];
};

static void take_nth(void *context, const char *name, double value)
{
    struct nth *n = context;
    (void)value;
    if (n->left-- == 0)
        snprintf(n->name, sizeof n->name, "%s", name);
}

static bool is_measured(const char *column)
{
    return strstr(column, "loss") || strstr(column, "accuracy") || strchr(column, '/');
}

/* The history's columns that say how good the model is. */
static const char *metric(int i)
{
    static struct nth n;
    char class_name[] = "CLASS";
    char *names[] = {class_name};
    const mr_history_columns columns = {.classes = 1, .class_names = names};
    for (int column = 0, found = 0;; column++) {
        n = (struct nth){.left = column};
        mr_history_visit(&columns, NULL, take_nth, &n);
        if (n.left >= 0)
            return NULL;
        if (is_measured(n.name) && found++ == i)
            return n.name;
    }
}

static const struct {
    const char *option;
    const char *(*name)(int i);
} tables[] = {
    {"arch", arch},           {"image-size", size},           {"loss", loss},           {"optimizer", optimizer},
    {"schedule", mr_cli_schedule_name}, {"fill-mode", fill_mode}, {"interpolation", interpolation}, {"monitor", metric},
    {"keep-best", metric},
};

/* --- lists ------------------------------------------------------------------------------------------ */

const char *mr_cli_names(const char *option, char *text)
{
    const char *name;
    size_t n = 0;
    *text = '\0';
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (int i = 0; !strcmp(tables[t].option, option) && (name = tables[t].name(i)) && n < MR_NAMES_TEXT; i++)
            n += (size_t)snprintf(text + n, MR_NAMES_TEXT - n, "%s%s", i ? ", " : "", name);
    return text;
}

int mr_cli_unknown_name(const char *option, const char *value, mr_error *e)
{
    char known[MR_NAMES_TEXT];
    return mr_fail(e, MR_EUSAGE, "--%s '%.100s': unknown name (known: %s)", option, value, mr_cli_names(option, known));
}
