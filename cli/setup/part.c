/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/part.h"

#include "cli/option/run_options.h"
#include "io/files/held_out.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [MR_PART_TRAINING] = "training", [MR_PART_VALIDATION] = "validation", [MR_PART_ALL] = "all"};

int mr_cli_part(mr_part *out, const mr_cli *c, mr_error *e)
{
    *out = MR_PART_DEFAULT;
    for (int i = MR_PART_TRAINING; c->part && i <= MR_PART_ALL; i++)
        if (!strcmp(c->part, names[i]))
            *out = (mr_part)i;
    if (c->part && !*out)
        return mr_fail(e, MR_EUSAGE, "--part: unknown part '%s' (training, validation or all)", c->part);
    return c->part && c->arrays ? mr_fail(e, MR_EUSAGE, "--part and --arrays cannot be used together") : 0;
}

int mr_cli_part_folder(const char **out, const mr_cli_data *d, const mr_cli *c, mr_part part, mr_error *e)
{
    const char *training = d->owned[0], *validation = d->owned[1], *testing = d->owned[2];
    if (part == MR_PART_DEFAULT)
        *out = testing ? testing : validation ? validation : training;
    else if (part == MR_PART_VALIDATION)
        *out = validation ? validation : training;
    else
        *out = training;
    return *out ? 0 : mr_fail(e, MR_EINVAL, "%s has no folder of training images", c->data);
}

/* Where only few of the held-out files are there, it is unknown what the folder is. */
static int check_known(const mr_cli_data *d, const mr_held_out *h, mr_part part, mr_error *e)
{
    if (part == MR_PART_VALIDATION && !h->record && !d->owned[1])
        return mr_hint(e,
                       mr_fail(e, MR_EINVAL,
                               "%s: the model does not know which images were held out for validation",
                               d->evaluated),
                       "it must be trained on this folder with --validation-split");
    if (part != MR_PART_DEFAULT || !h->record || 2 * h->found >= h->files)
        return 0;
    mr_fail(e, MR_EINVAL, "%s: %zu of the %zu images that were held out of training are there", d->evaluated,
            h->found, h->files);
    return mr_hint(e, MR_EINVAL,
                   "give --part all for a folder that the model was not trained on, or --part validation");
}

static int note(mr_cli_data *d, const mr_held_out *h, mr_part part, mr_error *e)
{
    mr_text text = {0};
    size_t taken = d->training->count;
    mr_text_format(&text, "%s was split for the training of this model (--validation-split %g, seed %llu): ",
                   d->evaluated, h->fraction, (unsigned long long)h->seed);
    if (part == MR_PART_TRAINING)
        mr_text_format(&text, "evaluating the %zu images that were not held out", taken);
    else
        mr_text_format(&text, "evaluating the %zu images that were held out", taken);
    if (h->found < h->files)
        mr_text_format(&text, " (%zu of them are missing)", h->files - h->found);
    mr_text_append(&text, part == MR_PART_DEFAULT ? "; --part all evaluates all" : "");
    int status = mr_text_check(&text, "a message", e);
    d->note = text.data;
    return status;
}

/* In the place of d->training. */
static int keep(mr_cli_data *d, const bool *kept, mr_error *e)
{
    mr_dataset *part;
    int status = mr_dataset_take(d->training, kept, &part, e);
    if (status)
        return status;
    part->passed = d->training->passed;
    mr_dataset_free(d->training);
    d->training = part;
    return 0;
}

int mr_cli_take_part(mr_cli_data *d, mr_part part, const json_t *records, mr_error *e)
{
    mr_held_out h = {0};
    size_t count = d->training->count;
    if (d->evaluated != d->owned[0] || part == MR_PART_ALL)
        return 0;
    int status = mr_held_out_find(&h, records, d->training, e);
    if (!status)
        status = check_known(d, &h, part, e);
    for (size_t i = 0; !status && h.record && part == MR_PART_TRAINING && i < count; i++)
        h.held[i] = !h.held[i];
    if (!status && h.record)
        status = keep(d, h.held, e);
    if (!status && h.record)
        status = note(d, &h, part, e);
    d->split = status ? NULL : h.record;
    free(h.held);
    return status;
}

const char *mr_cli_part_name(const mr_cli_data *d, mr_part part)
{
    if (d->evaluated != d->owned[0])
        return d->testing ? "testing" : names[MR_PART_VALIDATION];
    if (part != MR_PART_DEFAULT)
        return names[part];
    return names[d->split ? MR_PART_VALIDATION : MR_PART_ALL];
}

json_t *mr_cli_part_json(const mr_cli_data *d, const mr_cli *c)
{
    return json_pack("{s:o, s:s, s:s, s:o}", c->arrays ? "arrays" : "folder",
                     mr_cli_text_json(c->arrays ? c->arrays : d->evaluated), "part", d->part, "chosen_by",
                     c->part ? "--part" : "default", "split", d->split ? mr_held_out_facts(d->split) : json_null());
}
