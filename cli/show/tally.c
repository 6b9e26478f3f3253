/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/tally.h"

#include <stdlib.h>
#include <string.h>

/* Copies what fits, without cutting a UTF-8 character in two. */
static void copy_text(char to[MR_TALLY_LENGTH], const char *text)
{
    size_t n = strnlen(text, MR_TALLY_LENGTH);
    if (n == MR_TALLY_LENGTH)
        for (n--; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    memcpy(to, text, n);
    to[n] = '\0';
}

void mr_tally_add(mr_tally *t, const char *text, uint64_t count)
{
    char cut[MR_TALLY_LENGTH];
    copy_text(cut, text);
    for (int i = 0; i < t->texts; i++)
        if (!strcmp(t->row[i].text, cut)) {
            t->row[i].count += count;
            return;
        }
    if (t->texts == MR_TALLY_TEXTS) {
        t->others += count;
        return;
    }
    strcpy(t->row[t->texts].text, cut);
    t->row[t->texts++].count = count;
}

static int by_count(const void *a, const void *b)
{
    const struct row {
        char text[MR_TALLY_LENGTH];
        uint64_t count;
    } *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->text, y->text);
}

void mr_tally_text(mr_text *out, mr_tally *t, int most)
{
    uint64_t others = t->others;
    qsort(t->row, (size_t)t->texts, sizeof *t->row, by_count);
    for (int i = 0; i < t->texts; i++) {
        if (i >= most) {
            others += t->row[i].count;
            continue;
        }
        mr_text_format(out, "%s%llu ", i ? ", " : "", (unsigned long long)t->row[i].count);
        mr_text_append_clean(out, t->row[i].text);
    }
    if (others)
        mr_text_format(out, ", %llu others", (unsigned long long)others);
}
