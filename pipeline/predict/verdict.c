/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/verdict.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum group { ANY, OWN_THRESHOLD, NO_THRESHOLD };

static bool belongs(const float *probability, int i, const mr_thresholds *t, enum group group)
{
    if (group == ANY)
        return true;
    float own = t->of_class[i];
    return group == NO_THRESHOLD ? isnan(own) : probability[i] >= own; /* no comparison with NaN is true */
}

/* The most probable class of a group, the first of equal ones; -1: it is empty. */
static int most_probable(const float *probability, int classes, const mr_thresholds *t, enum group group)
{
    int most = -1;
    for (int i = 0; i < classes; i++)
        if (belongs(probability, i, t, group) && (most < 0 || probability[i] > probability[most]))
            most = i;
    return most;
}

mr_verdict mr_judge(const float *probability, int classes, const mr_thresholds *t)
{
    int any = most_probable(probability, classes, t, ANY), predicted = any;
    bool own = t && t->of_class;
    if (own)
        predicted = most_probable(probability, classes, t, OWN_THRESHOLD);
    bool reached = own && predicted >= 0;
    if (own && !reached)
        predicted = most_probable(probability, classes, t, NO_THRESHOLD);
    if (t && !reached && predicted >= 0 && !(probability[predicted] >= t->least))
        predicted = -1;
    return (mr_verdict){predicted, probability[predicted >= 0 ? predicted : any]};
}

/* Insertion into the K best so far: K is small. */
void mr_top_classes(const float *probability, int classes, int k, int *out)
{
    int found = 0;
    for (int i = 0; i < classes; i++) {
        int place = found;
        while (place > 0 && probability[i] > probability[out[place - 1]])
            place--;
        if (place == k)
            continue;
        int moved = (found < k ? found : k - 1) - place;
        memmove(out + place + 1, out + place, (size_t)moved * sizeof *out);
        out[place] = i;
        found += found < k;
    }
}
