/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/files.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct walk {
    unsigned marks;
    mr_cli_visit *visit;
    void *context;
};

static int show(const struct walk *w, const char *path, const char *option, unsigned traits)
{
    if (!path || !(traits & w->marks) || ((traits & MR_READS_JSON) && !mr_ends_with(path, ".json")))
        return 0;
    return w->visit(w->context, &(mr_cli_file){path, option, traits});
}

static int show_option(const struct walk *w, const mr_cli *c, const mr_option *o)
{
    const void *field = (const char *)c + o->field;
    int status = 0;
    if (o->type == MR_TEXT)
        return show(w, *(const char *const *)field, o->name, o->traits);
    const mr_list *list = field;
    for (int i = 0; o->type == MR_LIST && i < list->count && !status; i++)
        status = show(w, list->item[i], o->name, o->traits);
    return status;
}

/* What operand number I of C's command is. */
static unsigned operand_traits(const mr_cli *c, int i)
{
    for (int row = 0; row < mr_operand_count; row++) {
        const mr_operand *o = &mr_operands[row];
        if (!(o->traits & c->bit))
            continue;
        if (!o->count || i < o->count)
            return o->traits;
        i -= o->count;
    }
    return 0;
}

int mr_cli_each_file(const mr_cli *c, unsigned marks, mr_cli_visit *visit, void *context)
{
    const struct walk w = {marks, visit, context};
    int status = 0;
    for (int i = 0; i < mr_option_count && !status; i++)
        if (mr_options[i].traits & c->bit && mr_options[i].traits & marks)
            status = show_option(&w, c, &mr_options[i]);
    for (int i = 0; i < c->operands && !status; i++)
        status = show(&w, c->operand[i], NULL, operand_traits(c, i));
    return status;
}

const char *mr_cli_file_text(const mr_cli_file *f)
{
    static char text[4200];
    snprintf(text, sizeof text, "%s%s%s%s", f->option ? "--" : "", f->option ? f->option : "",
             f->option ? " " : "", *f->path ? f->path : "''");
    return text;
}
