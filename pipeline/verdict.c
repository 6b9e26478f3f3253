/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/verdict.h"

#include <string.h>

int mr_classes_of_width(size_t width)
{
    return width == 1 ? 2 : (int)width;
}

static mr_verdict of_one(float p, float *probability)
{
    probability[0] = 1 - p;
    probability[1] = p;
    int predicted = p > .5f;
    return (mr_verdict){predicted, probability[predicted]};
}

mr_verdict mr_judge(const float *output, size_t width, float *probability)
{
    if (width == 1)
        return of_one(output[0], probability);
    size_t at = 0;
    memcpy(probability, output, width * sizeof *output);
    for (size_t i = 1; i < width; i++)
        if (output[i] > output[at])
            at = i;
    return (mr_verdict){(int)at, output[at]};
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
