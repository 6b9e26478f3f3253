/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/provenance.h"

#include "cli/option/keep.h"
#include "cli/setup/model.h"
#include "cli/option/run_options.h"
#include "base/json_read.h"

#include <stdlib.h>
#include <string.h>

/* An option that has its part in what the weights become. */
static bool is_told(const mr_option *o)
{
    return (o->traits & MR_FOR_TRAIN) && !(o->traits & (MR_NO_WEIGHT | MR_OF_START));
}

/* --- the command --------------------------------------------------------------------- */

static void add_word(json_t *command, const char *name, json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
    json_t *flag = json_sprintf("--%s", name);
    json_array_append_new(command, flag);
    if (!json_is_boolean(value))
        json_array_append_new(command, text ? json_string(text) : json_incref(value));
    free(text);
}

static void add_option(json_t *command, const char *name, json_t *value)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value)) {
        add_word(command, name, value);
        return;
    }
    json_array_foreach (value, i, item)
        add_word(command, name, item);
}

/* All options that say what the weights become, in the order of --help: a list of words. */
static json_t *command_of(const mr_cli_run *run)
{
    mr_cli_keep keep = {0};
    json_t *command = json_pack("[s, s]", "millrace", "train"), *given = mr_cli_settings(run->c),
           *begun = run->resumed ? run->resumed->settings : NULL;
    for (int i = 0; command && given && i < mr_option_count; i++) {
        const mr_option *o = &mr_options[i];
        json_t *value = json_object_get(begun && mr_option_is_of_data(o) ? begun : given, o->name);
        if (value && is_told(o))
            add_option(command, o->name, value);
    }
    bool chosen = command && !mr_cli_keep_parse(&keep, run->c, NULL) && (keep.best || keep.last);
    json_t *kept = chosen ? json_string(keep.best ? "best" : "last") : NULL;
    if (kept)
        add_option(command, "keep", kept);
    json_decref(kept);
    json_decref(given);
    return command;
}

/* --- the facts ----------------------------------------------------------------------- */

static json_t *data_json(const mr_cli_run *run)
{
    const mr_cli *c = run->c;
    const mr_cli_data *d = run->data;
    json_t *v = json_pack("{s:I}", "training_samples", (json_int_t)mr_data_count(mr_cli_training(d)));
    if (d->has_validation)
        json_object_set_new(v, "validation_samples",
                            json_integer((json_int_t)mr_data_count(mr_cli_validation(d))));
    json_object_set_new(v, "training", mr_cli_text_json(d->from_arrays ? c->arrays : d->training_dir));
    if (d->has_validation && d->validation_dir)
        json_object_set_new(v, "validation", mr_cli_text_json(d->validation_dir));
    else if (d->has_validation && !d->from_arrays)
        json_object_set_new(v, "validation_split", json_real(c->validation_split));
    if (d->classes)
        json_object_set_new(v, "classes", json_integer(d->classes));
    return v;
}

static json_t *shape_json(const mr_shape *s)
{
    json_t *list = json_array();
    for (int i = 1; i < s->rank; i++)
        json_array_append_new(list, json_integer((json_int_t)s->dim[i]));
    return list;
}

static void set_model(json_t *out, const mr_cli_run *run)
{
    const mr_cli *c = run->c;
    const mr_graph *g = run->trainer->model->graph;
    json_int_t all = 0, trainable = 0;
    for (int i = 0; i < g->params; i++) {
        all += (json_int_t)g->param[i]->count;
        trainable += g->param[i]->trainable ? (json_int_t)g->param[i]->count : 0;
    }
    json_object_set_new(out, "architecture",
                        mr_cli_text_json(c->from   ? c->from
                                         : c->arch ? c->arch
                                                   : "resnet"));
    json_object_set_new(out, "input", shape_json(&g->node[g->input[0]].shape));
    json_object_set_new(out, "parameters", json_integer(all));
    json_object_set_new(out, "trainable_parameters", json_integer(trainable));
    json_object_set_new(out, "precision", json_string(g->mixed ? "mixed_bfloat16" : "float32"));
}

/* As the run begins: a schedule by its first rate, a rate that is reduced on a plateau as it was. */
static void set_training(json_t *out, const mr_cli_run *run)
{
    const mr_cli *c = run->c;
    const mr_trainer *t = run->trainer;
    int64_t count = (int64_t)mr_data_count(mr_cli_training(run->data));
    json_t *schedule = mr_schedule_config(t->optimizer->schedule);
    json_object_set_new(out, "loss", json_string(t->loss.class->name));
    json_object_set_new(out, "optimizer", json_string(t->optimizer->class->class_name));
    if (json_object_get(schedule, "class_name"))
        json_object_set(out, "schedule", json_object_get(schedule, "class_name"));
    json_object_set_new(
        out, "learning_rate",
        json_real(mr_schedule_rate(t->optimizer->schedule, run->resumed ? 0 : t->optimizer->iterations)));
    json_object_set_new(out, "batch_size", json_integer(c->batch_size));
    json_object_set_new(out, "epochs", json_integer(c->epochs));
    json_object_set_new(out, "steps_per_epoch", json_integer((count + c->batch_size - 1) / c->batch_size));
    json_object_set_new(out, "seed", json_integer(c->seed));
    json_decref(schedule);
}

/* Facts of the checkpoint that its run began with and that are no longer known. */
static void keep_earlier(json_t *out, const json_t *earlier)
{
    static const char *const kept[] = {"millrace", "data", "learning_rate", "schedule"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(earlier, kept[i]))
            json_object_set(out, kept[i], json_object_get(earlier, kept[i]));
}

int mr_cli_set_provenance(const mr_cli_run *run, mr_error *e)
{
    mr_model *m = run->trainer->model;
    json_t *out = json_pack("{s:s, s:o, s:o}", "millrace", mr_version(), "command", command_of(run), "data",
                            data_json(run));
    if (!out)
        return mr_no_memory(e, "the model's provenance");
    set_model(out, run);
    set_training(out, run);
    if (run->resumed)
        keep_earlier(out, m->provenance);
    json_decref(m->provenance);
    m->provenance = out;
    return 0;
}

/* --- as text -------------------------------------------------------------------------- */

static const char *text_at(const json_t *v, const char *key)
{
    const char *text = mr_json_text(v, key);
    return text ? text : "?";
}

static long long number_at(const json_t *v, const char *key)
{
    return (long long)json_integer_value(json_object_get(v, key));
}

static void add_data(mr_text *out, const json_t *p)
{
    const json_t *d = json_object_get(p, "data");
    if (!d)
        return;
    mr_text_format(out, "Data: %s (%lld samples)", text_at(d, "training"), number_at(d, "training_samples"));
    if (json_object_get(d, "validation"))
        mr_text_format(out, ", validation %s (%lld)", text_at(d, "validation"),
                       number_at(d, "validation_samples"));
    else if (json_object_get(d, "validation_split"))
        mr_text_format(out, ", validation %g of each class (%lld)",
                       json_number_value(json_object_get(d, "validation_split")),
                       number_at(d, "validation_samples"));
    else if (json_object_get(d, "validation_samples"))
        mr_text_format(out, ", validation x_val (%lld)", number_at(d, "validation_samples"));
    else
        mr_text_append(out, ", no validation");
    if (json_object_get(d, "classes"))
        mr_text_format(out, ", %lld classes", number_at(d, "classes"));
    mr_text_append_char(out, '\n');
}

static void add_model(mr_text *out, const json_t *p)
{
    size_t i;
    const json_t *size;
    if (!json_object_get(p, "architecture"))
        return;
    mr_text_format(out, "Network: %s, input ", text_at(p, "architecture"));
    json_array_foreach (json_object_get(p, "input"), i, size)
        mr_text_format(out, "%s%lld", i ? "x" : "", (long long)json_integer_value(size));
    mr_text_format(out, ", %lld parameters (%lld trainable), %s\n", number_at(p, "parameters"),
                   number_at(p, "trainable_parameters"), text_at(p, "precision"));
}

static void add_training(mr_text *out, const json_t *p)
{
    const json_t *finished = json_object_get(p, "finished_epochs");
    if (!json_object_get(p, "optimizer"))
        return;
    mr_text_format(out, "Training: %lld epochs of %lld steps, batch size %lld, %s, learning rate %g",
                   number_at(p, "epochs"), number_at(p, "steps_per_epoch"), number_at(p, "batch_size"),
                   text_at(p, "optimizer"), json_number_value(json_object_get(p, "learning_rate")));
    if (json_object_get(p, "schedule"))
        mr_text_format(out, " (%s)", text_at(p, "schedule"));
    else
        mr_text_append(out, " (constant)");
    mr_text_format(out, ", loss %s, seed %lld", text_at(p, "loss"), number_at(p, "seed"));
    if (json_is_false(json_object_get(p, "complete")))
        mr_text_format(out, "; ended early, after %lld whole epochs",
                       (long long)json_integer_value(finished));
    else if (finished && json_integer_value(finished) != number_at(p, "epochs"))
        mr_text_format(out, "; ended after %lld epochs", (long long)json_integer_value(finished));
    mr_text_append_char(out, '\n');
}

/* Words that a shell would take apart stand in quotes. */
static void add_command(mr_text *out, const json_t *p)
{
    size_t i;
    const json_t *word;
    if (!json_object_get(p, "command"))
        return;
    mr_text_append(out, "Command:");
    json_array_foreach (json_object_get(p, "command"), i, word) {
        const char *text = json_string_value(word) ? json_string_value(word) : "?";
        bool plain = *text && !text[strcspn(text, " \t\n\\\"'`$&|;<>()*?[]{}!#~")];
        mr_text_format(out, plain ? " %s" : " '%s'", text);
    }
    mr_text_append_char(out, '\n');
}

void mr_cli_provenance_text(mr_text *out, const json_t *provenance)
{
    add_data(out, provenance);
    add_model(out, provenance);
    add_training(out, provenance);
    add_command(out, provenance);
}

void mr_cli_tell_run(mr_progress *p, const mr_cli *c, const json_t *provenance)
{
    mr_text text = {0};
    int threads = mr_cli_threads(c), decoders = mr_cli_decode_threads(c);
    add_data(&text, provenance);
    add_model(&text, provenance);
    add_training(&text, provenance);
    mr_text_format(&text, "Threads: %d that compute, %d that decode images", threads, decoders);
    json_t *facts = json_copy((json_t *)provenance);
    json_object_set_new(facts, "threads", json_integer(threads));
    json_object_set_new(facts, "decode_threads", json_integer(decoders));
    char *json = facts ? mr_json_dump(facts) : NULL;
    mr_progress_run(p, json ? json : "null", mr_text_string(&text));
    free(json);
    json_decref(facts);
    mr_text_destroy(&text);
}
