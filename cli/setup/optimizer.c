/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/optimizer.h"

#include "base/json_read.h"
#include "cli/setup/model.h"
#include "cli/option/names.h"
#include "cli/setup/schedule.h"
#include "nn/learn/optimizer.h"

#include <string.h>

/* Puts the options of the optimizer's own parameters into CONFIG, under Keras's names. */
static void own_parameters(json_t *config, const mr_cli *c)
{
    for (int i = 0; i < mr_option_count; i++) {
        const mr_option *o = &mr_options[i];
        const void *field = (const char *)c + o->field;
        char key[64];
        size_t n = 0;
        if (!c->given[i] || strcmp(o->group, "Optimizer") != 0 || !strcmp(o->name, "optimizer") ||
            !strcmp(o->name, "learning-rate") || !strcmp(o->name, "decay"))
            continue;
        for (; o->name[n] && n + 1 < sizeof key; n++)
            key[n] = o->name[n] == '-' ? '_' : o->name[n];
        key[n] = '\0';
        json_object_set_new(config, key,
                            o->type == MR_FLAG ? json_boolean(*(const bool *)field)
                                               : json_real(*(const double *)field));
    }
}

static json_t *inverse_time(double rate, double decay)
{
    return json_pack("{s:s, s:s, s:{s:f, s:i, s:f, s:b, s:s}, s:n}", "module", "keras.optimizers.schedules",
                     "class_name", "InverseTimeDecay", "config", "initial_learning_rate", rate, "decay_steps",
                     1, "decay_rate", decay, "staircase", 0, "name", "InverseTimeDecay", "registered_name");
}

/* The rate that a learning rate starts from: itself, or its schedule's first; -1 where there is none. */
static double first_rate(const json_t *rate)
{
    const json_t *initial = json_object_get(json_object_get(rate, "config"), "initial_learning_rate");
    return json_is_number(rate)      ? json_number_value(rate)
           : json_is_number(initial) ? json_number_value(initial)
                                     : -1;
}

/* How CLASS is used where nothing is said: as the architecture has it, as the tutorial has SGD, or as Keras has it. */
static mr_arch_training usual_training(const mr_cli *c, const mr_optimizer_class *class)
{
    mr_arch_training t = mr_cli_arch_training(c);
    if (strcmp(class->name, t.optimizer) != 0)
        t = mr_arch_find("resnet")->training;
    if (strcmp(class->name, t.optimizer) != 0)
        t = (mr_arch_training){.optimizer = class->name, .learning_rate = class->learning_rate};
    return t;
}

/* OWN: the learning rate that is there, or NULL. USUAL's rate changes over the run unless the options say how it does. */
static int set_rate(json_t *config, const mr_cli *c, const mr_arch_training *usual, const json_t *own,
                    int64_t steps_per_epoch, mr_error *e)
{
    bool given = c->learning_rate >= 0, changes = !own && !given && c->decay < 0 && !c->reduce_lr_on_plateau;
    double start = first_rate(own) >= 0 ? first_rate(own) : usual->learning_rate;
    double rate = given ? c->learning_rate : start, decay = c->decay >= 0 ? c->decay : 0;
    bool keeps = changes || (!own && given && rate > 0 && c->decay < 0 && !c->reduce_lr_on_plateau);
    const char *schedule = !c->schedule && keeps ? usual->schedule : c->schedule; /* from RATE on */
    json_t *out = NULL;
    int status = 0;
    if (c->schedule && c->decay >= 0)
        return mr_fail(e, MR_EUSAGE, "--decay and --schedule cannot be used together");
    if (changes)
        decay = usual->decay / c->epochs;
    if (own && !given && c->decay < 0 && !c->schedule)
        return mr_cli_check_no_schedule(c, e);
    if (schedule)
        status = mr_cli_schedule(&out, c, schedule, rate, steps_per_epoch, e);
    else if (!(status = mr_cli_check_no_schedule(c, e)))
        out = decay > 0 ? inverse_time(rate, decay) : json_real(rate);
    if (!status)
        json_object_set_new(config, "learning_rate", out);
    return status;
}

bool mr_cli_own_optimizer(const mr_cli *c, const mr_model *m)
{
    return m && !c->optimizer && json_is_object(json_object_get(m->training, "optimizer_config"));
}

/* What the options ask of CLASS is possible: where it is not, the command line is wrong, not a file. */
static int check_parameters(const mr_cli *c, const mr_optimizer_class *class, mr_error *e)
{
    json_t *asked = json_object();
    mr_optimizer *o = NULL;
    own_parameters(asked, c);
    json_t *trial = json_pack("{s:s, s:o}", "class_name", class->class_name, "config", asked);
    int status = trial ? mr_optimizer_create(&o, trial, e) : mr_no_memory(e, "an optimizer");
    mr_optimizer_free(o);
    json_decref(trial);
    return status && status != MR_ENOMEM ? (e->code = MR_EUSAGE) : status;
}

/* A model's own optimizer may do what is not done here. */
static int check_own(const json_t *config, mr_error *e)
{
    mr_optimizer *o = NULL;
    int status = mr_optimizer_create(&o, config, e);
    mr_optimizer_free(o);
    return status == MR_EUNSUPPORTED ? mr_hint(e, status, "give --optimizer NAME: its state starts anew") : status;
}

int mr_cli_optimizer(json_t **out, const mr_cli *c, const mr_model *m, int64_t steps_per_epoch, mr_error *e)
{
    const json_t *own = mr_cli_own_optimizer(c, m) ? json_object_get(m->training, "optimizer_config") : NULL;
    const char *name = own            ? mr_json_text(own, "class_name")
                       : c->optimizer ? c->optimizer
                                      : mr_cli_arch_training(c).optimizer;
    const mr_optimizer_class *class = name ? mr_optimizer_class_find(name) : NULL;
    *out = NULL;
    if (!class && !own)
        return mr_cli_unknown_name("optimizer", name, e);
    if (!class)
        return mr_hint(e, mr_fail(e, MR_EUNSUPPORTED, "unsupported optimizer of the model: '%s'", name ? name : ""),
                       "give --optimizer NAME: its state starts anew");
    int status = check_parameters(c, class, e);
    if (status)
        return status;
    json_t *config = own ? json_deep_copy(json_object_get(own, "config")) : json_object();
    if (!config)
        config = json_object();
    const mr_arch_training usual = usual_training(c, class);
    if (!own && usual.momentum > 0)
        json_object_set_new(config, "momentum", json_real(usual.momentum));
    own_parameters(config, c);
    status =
        set_rate(config, c, &usual, own ? json_object_get(config, "learning_rate") : NULL, steps_per_epoch, e);
    *out = json_pack("{s:s, s:o}", "class_name", class->class_name, "config", config);
    if (!status && !*out)
        status = mr_no_memory(e, "the optimizer");
    if (!status && own)
        status = check_own(*out, e);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}
