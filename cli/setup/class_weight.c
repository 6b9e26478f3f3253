/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/class_weight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t label_of(const mr_array *y, size_t row)
{
    size_t width = mr_shape_sample(&y->shape), label = 0;
    if (width == 1)
        return y->bytes ? y->u8[row] : (size_t)y->f32[row];
    for (size_t k = 1; k < width; k++)
        if (y->bytes ? y->u8[row * width + k] > y->u8[row * width + label]
                     : y->f32[row * width + k] > y->f32[row * width + label])
            label = k;
    return label;
}

void mr_cli_class_counts(const mr_cli_data *d, size_t *counts)
{
    memset(counts, 0, (size_t)d->classes * sizeof *counts);
    if (!d->from_arrays)
        memcpy(counts, d->training->class_counts, (size_t)d->classes * sizeof *counts);
    else
        for (size_t i = 0; i < (size_t)d->y.shape.dim[0]; i++)
            counts[label_of(&d->y, i)]++;
}

static int balanced(double *out, const mr_cli_data *d, mr_error *e)
{
    size_t *counts = calloc((size_t)d->classes + 1, sizeof *counts), total = 0;
    if (!counts)
        return mr_no_memory(e, "the class weights");
    mr_cli_class_counts(d, counts);
    for (int i = 0; i < d->classes; i++)
        total += counts[i];
    for (int i = 0; i < d->classes; i++)
        out[i] = counts[i] ? (double)total / ((double)d->classes * (double)counts[i]) : 1;
    free(counts);
    return 0;
}

static int class_by_name(const mr_cli_data *d, const char *name, size_t length)
{
    for (int i = 0; i < d->classes; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        const char *known = d->class_names ? d->class_names[i] : number;
        if (strlen(known) == length && !memcmp(known, name, length))
            return i;
    }
    return -1;
}

/* One "NAME=F"; a name may itself hold '='. Returns what follows the comma behind it, or NULL and E. */
static const char *one_weight(double *out, const char *p, const mr_cli_data *d, mr_error *e)
{
    const char *comma = strchr(p, ','), *end = comma ? comma : p + strlen(p), *equals = end;
    char *stop;
    while (equals > p && *equals != '=')
        equals--;
    int class = class_by_name(d, p, (size_t)(equals - p));
    double weight = strtod(equals + 1, &stop);
    if (equals == p || stop != end || !(weight >= 0 && weight < 1e9)) {
        mr_fail(e, MR_EUSAGE, "--class-weight: expected NAME=F, got '%.*s'", (int)(end - p), p);
        return NULL;
    }
    if (class < 0) {
        mr_fail(e, MR_EUSAGE, "--class-weight: unknown class '%.*s'", (int)(equals - p), p);
        return NULL;
    }
    out[class] = weight;
    return comma ? comma + 1 : end;
}

int mr_cli_class_weights(double **out, const char *text, const mr_cli_data *d, mr_error *e)
{
    *out = NULL;
    if (!text)
        return 0;
    if (d->classes < 2)
        return mr_fail(e, MR_EUSAGE, "--class-weight: the targets are not class labels");
    *out = calloc((size_t)d->classes, sizeof **out);
    if (!*out)
        return mr_no_memory(e, "the class weights");
    if (!strcmp(text, "balanced"))
        return balanced(*out, d, e);
    for (int i = 0; i < d->classes; i++)
        (*out)[i] = 1;
    while (text && *text)
        text = one_weight(*out, text, d, e);
    return text ? 0 : e->code;
}

static void name_class(char *out, size_t size, const mr_cli_data *d, int class)
{
    if (d->class_names)
        snprintf(out, size, "'%.100s'", d->class_names[class]);
    else
        snprintf(out, size, "%d", class);
}

int mr_cli_imbalance(char *text, size_t size, const mr_cli_data *d, mr_error *e)
{
    enum { BAD = 5 };
    int least = 0, most = 0;
    char few[128], many[128];
    *text = '\0';
    size_t *counts = d->classes > 1 ? calloc((size_t)d->classes, sizeof *counts) : NULL;
    if (!counts)
        return d->classes > 1 ? mr_no_memory(e, "the classes") : 0;
    mr_cli_class_counts(d, counts);
    for (int i = 1; i < d->classes; i++) {
        least = counts[i] < counts[least] ? i : least;
        most = counts[i] > counts[most] ? i : most;
    }
    name_class(few, sizeof few, d, least);
    name_class(many, sizeof many, d, most);
    if (counts[most] >= BAD * counts[least])
        snprintf(text, size,
                 "the classes are unbalanced: %s has %zu samples, %s %zu; accuracy says little then, and "
                 "--class-weight balanced makes them count alike",
                 many, counts[most], few, counts[least]);
    free(counts);
    return 0;
}
