/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Two passes, as Keras's two expressions: "(.)([A-Z][a-z]+)" and "([a-z])([A-Z])", an underscore between the
 * parts. The first takes a word whole before it looks on, so "ABc" is cut once. */
void mr_keras_snake_case(char *out, size_t size, const char *class)
{
    char text[160];
    size_t n = 0, k = 0;
    for (size_t i = 0; class[i] && n + 3 < sizeof text;) {
        if (i && upper(class[i]) && lower(class[i + 1])) {
            text[n++] = '_';
            text[n++] = class[i++];
            while (lower(class[i]) && n + 3 < sizeof text)
                text[n++] = class[i++];
            if (class[i] &&
                n + 3 < sizeof text) /* this letter is the "." of the next match: no cut right after it */
                text[n++] = class[i++];
        } else {
            text[n++] = class[i++];
        }
    }
    text[n] = '\0';
    for (size_t i = 0; i < n && k + 2 < size; i++) {
        if (i && lower(text[i - 1]) && upper(text[i]))
            out[k++] = '_';
        out[k++] = (char)tolower((unsigned char)text[i]);
    }
    out[k] = '\0';
}

void mr_keras_counter_free(mr_keras_counter *c)
{
    free(c->count);
    memset(c, 0, sizeof *c);
}

int mr_keras_counter_next(mr_keras_counter *c, const char *class, int step, char *name, size_t size)
{
    char snake[80];
    size_t i = 0;
    mr_keras_snake_case(snake, sizeof snake, class);
    while (i < c->counts && strcmp(c->count[i].name, snake) != 0)
        i++;
    if (i == c->counts) {
        struct mr_keras_count *larger = realloc(c->count, (c->counts + 1) * sizeof *larger);
        if (!larger)
            return -1;
        c->count = larger;
        strcpy(c->count[i].name, snake);
        c->count[i].used = 0;
        c->counts++;
    }
    int number = c->count[i].used;
    c->count[i].used += step;
    if (number)
        snprintf(name, size, "%s_%d", snake, number);
    else
        snprintf(name, size, "%s", snake);
    return number;
}
