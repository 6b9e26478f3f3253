/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/finished.h"

#include "base/strings.h"
#include "cli/option/run_options.h"
#include "io/model_file/model_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The run that made a model, as its provenance tells it. */
struct past {
    json_t *provenance; /* NULL: none */
    char **argv;        /* [words] points into it */
    mr_cli cli;
};

static int read_command(struct past *p, mr_error *e)
{
    const json_t *command = json_object_get(p->provenance, "command");
    size_t words = json_array_size(command);
    bool known = words > 1;
    p->argv = calloc(words + 1, sizeof *p->argv);
    if (!p->argv)
        return mr_no_memory(e, "a command");
    for (size_t i = 0; i < words; i++) {
        p->argv[i] = (char *)json_string_value(json_array_get(command, i));
        known = known && p->argv[i];
    }
    if (!known)
        return mr_fail(e, MR_EFORMAT, "its provenance has no command");
    mr_cli_default(&p->cli);
    return mr_cli_parse(&p->cli, (int)words - 1, p->argv + 1, MR_FOR_TRAIN, e);
}

static void forget(struct past *p)
{
    mr_cli_free(&p->cli);
    free(p->argv);
    json_decref(p->provenance);
}

/* Data at another place may be other data: their contents are not compared here. */
static int compare_data(const mr_cli *c, const mr_cli *then, mr_error *e)
{
    for (int i = 0; i < mr_option_count; i++) {
        const mr_option *o = &mr_options[i];
        if (!c->given[i] || !mr_option_is_of_data(o))
            continue;
        const char *now = *(const char *const *)((const char *)c + o->field),
                   *before = *(const char *const *)((const char *)then + o->field);
        if (!before || strcmp(now, before) != 0)
            return mr_fail(e, MR_EUSAGE, "--%s %s: it was made with %s", o->name, now,
                           before ? before : "other data");
    }
    return 0;
}

/* What C says is what that run had, as on resuming. */
static int compare_options(const mr_cli *c, const mr_cli *then, mr_error *e)
{
    mr_strings *strings = mr_strings_create();
    json_t *settings = mr_cli_settings(then);
    mr_cli now = *c; /* takes over what is not given */
    now.given = malloc((size_t)mr_option_count);
    int status = strings && settings && now.given ? 0 : mr_no_memory(e, "the options of a run");
    if (!status) {
        memcpy(now.given, c->given, (size_t)mr_option_count);
        status = mr_cli_restore(&now, settings, strings, e);
    }
    free(now.given);
    json_decref(settings);
    if (strings)
        mr_strings_leave(strings);
    return status;
}

static int compare(const mr_cli *c, const struct past *p, mr_error *e)
{
    int done = (int)json_integer_value(json_object_get(p->provenance, "finished_epochs"));
    int status = compare_data(c, &p->cli, e);
    if (!status && mr_cli_given(c, "epochs") && c->epochs != p->cli.epochs)
        status = mr_fail(e, MR_EUSAGE, "--epochs %d: its run has done %d epoch%s already%s", c->epochs, done,
                         done == 1 ? "" : "s", c->epochs > done ? ", and its state is not kept" : "");
    return status ? status : compare_options(c, &p->cli, e);
}

static int refuse(const mr_cli *c, const mr_error *why, mr_error *e)
{
    if (why->code == MR_ENOMEM)
        return mr_fail_as(e, why);
    mr_fail(e, MR_EUSAGE,
            "--resume: there is no interrupted run, and %s is not the finished model of this one: %s",
            c->model, why->message);
    return mr_hint(e, MR_EUSAGE,
                   "give another --model, --from %s to train it further, or --overwrite to replace it",
                   c->model);
}

int mr_cli_is_finished(const mr_cli *c, int *epochs, mr_error *e)
{
    struct stat st;
    struct past p = {0};
    mr_error why = {0};
    if (c->overwrite || stat(c->model, &st) || !S_ISREG(st.st_mode) || !st.st_size)
        return 0;
    int status = mr_model_read_provenance(&p.provenance, c->model, &why);
    bool early = !status && json_is_false(json_object_get(p.provenance, "complete"));
    if (!status && !early && !p.provenance)
        status = mr_fail(&why, MR_EFORMAT, "it does not say how it was trained");
    if (!status && !early)
        status = read_command(&p, &why);
    if (!status && !early)
        status = compare(c, &p, &why);
    *epochs = (int)json_integer_value(json_object_get(p.provenance, "finished_epochs"));
    if (status)
        status = refuse(c, &why, e);
    forget(&p);
    return status ? status : !early;
}
