/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/extensions.h"

#include <ctype.h>
#include <string.h>

static void count(mr_endings *s, const char *text, size_t n)
{
    s->total += n;
    for (int i = 0; i < s->rows; i++)
        if (!strcmp(s->row[i].text, text)) {
            s->row[i].count += n;
            return;
        }
    if (s->rows == MR_ENDINGS) {
        s->others += n;
        return;
    }
    strcpy(s->row[s->rows].text, text);
    s->row[s->rows++].count = n;
}

void mr_endings_add(mr_endings *s, const char *name)
{
    char text[MR_ENDING_LENGTH] = "";
    const char *dot = strrchr(name, '.');
    size_t n = dot && dot != name ? strlen(dot) : 0;
    bool plain = n < sizeof text;
    for (size_t i = 0; plain && i < n; i++) {
        text[i] = (char)tolower((unsigned char)dot[i]);
        plain = i == 0 || isalnum((unsigned char)dot[i]);
    }
    if (plain) {
        count(s, text, 1);
    } else {
        s->total++;
        s->others++;
    }
}

/* Whether row A comes before row B: the more frequent, of equal ones by name, those without ending last. */
static bool comes_first(const mr_endings *s, int a, int b)
{
    if (s->row[a].count != s->row[b].count)
        return s->row[a].count > s->row[b].count;
    return *s->row[a].text && (!*s->row[b].text || strcmp(s->row[a].text, s->row[b].text) < 0);
}

void mr_endings_text(const mr_endings *s, mr_text *out)
{
    bool told[MR_ENDINGS] = {false};
    for (int k = 0; k < s->rows; k++) {
        int most = -1;
        for (int i = 0; i < s->rows; i++)
            if (!told[i] && (most < 0 || comes_first(s, i, most)))
                most = i;
        told[most] = true;
        mr_text_format(out, "%s%zu %s", k ? ", " : "", s->row[most].count,
                       *s->row[most].text ? s->row[most].text : "without ending");
    }
    if (s->others)
        mr_text_format(out, "%s%zu others", s->rows ? ", " : "", s->others);
}
