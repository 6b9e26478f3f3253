/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/thresholds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int parse_share(const char *option, const char *text, float *out, mr_error *e)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1))
        return mr_fail(e, MR_EUSAGE, "--threshold: expected F or CLASS=F with F from 0 to 1, got '%s'", option);
    *out = (float)value;
    return 0;
}

static int find_class(const char *option, size_t length, const char *const *names, int classes, mr_error *e)
{
    for (int i = 0; i < classes; i++)
        if (strlen(names[i]) == length && !memcmp(names[i], option, length))
            return i;
    return mr_fail(e, MR_EUSAGE, "--threshold '%s': the model has no such class", option);
}

/* The last '=' divides: a class may have one in its name. */
static int take(mr_thresholds *t, float *of_class, const char *option, const char *const *names, int classes,
                mr_error *e)
{
    const char *equals = strrchr(option, '=');
    if (!equals)
        return parse_share(option, option, &t->least, e);
    int class = find_class(option, (size_t)(equals - option), names, classes, e);
    return class < 0 ? class : parse_share(option, equals + 1, &of_class[class], e);
}

int mr_cli_thresholds(mr_thresholds *t, float **of_class, const mr_list *given,
                      const char *const *class_names, int classes, mr_error *e)
{
    *t = (mr_thresholds){0};
    *of_class = NULL;
    if (!given->count)
        return 0;
    float *own = *of_class = malloc((size_t)classes * sizeof *own);
    if (!own)
        return mr_no_memory(e, "the thresholds");
    for (int i = 0; i < classes; i++)
        own[i] = NAN;
    int status = 0;
    for (int i = 0; i < given->count && !status; i++)
        status = take(t, own, given->item[i], class_names, classes, e);
    t->of_class = own;
    return status;
}
