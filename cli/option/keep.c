/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/keep.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_CHECKPOINTS = 3, MOST_CHECKPOINTS = 1 << 30 };

static int wrong(const char *item, mr_error *e)
{
    return mr_hint(
        e, mr_fail(e, MR_EUSAGE, "--keep: expected a number of checkpoints, best or last, got '%s'", item),
        "--keep 3, --keep best, or both: --keep 3,best");
}

/* One word of N bytes; ITEM: all of the argument. */
static int take_word(mr_cli_keep *k, const char *word, size_t n, const char *item, mr_error *e)
{
    char *end;
    if (n == 4 && !strncmp(word, "best", n))
        k->best = true;
    else if (n == 4 && !strncmp(word, "last", n))
        k->last = true;
    else {
        long count = strtol(word, &end, 10);
        if (end != word + n || n == 0 || count < 1 || count > MOST_CHECKPOINTS)
            return wrong(item, e);
        k->checkpoints = (int)count;
        k->counted = true;
    }
    return 0;
}

static int take_item(mr_cli_keep *k, const char *item, mr_error *e)
{
    int status = 0;
    for (const char *word = item; !status && word;) {
        size_t n = strcspn(word, ",");
        status = take_word(k, word, n, item, e);
        word = word[n] ? word + n + 1 : NULL;
    }
    return status;
}

int mr_cli_keep_parse(mr_cli_keep *out, const mr_cli *c, mr_error *e)
{
    int status = 0;
    *out = (mr_cli_keep){.checkpoints = USUAL_CHECKPOINTS};
    for (int i = 0; i < c->keep.count && !status; i++)
        status = take_item(out, c->keep.item[i], e);
    if (!status && out->best && out->last)
        status = mr_fail(e, MR_EUSAGE, "--keep best and --keep last cannot be used together");
    if (!status && out->last && c->keep_best)
        status = mr_fail(e, MR_EUSAGE, "--keep last and --keep-best cannot be used together");
    return status;
}

int mr_cli_keep_check_resumed(mr_cli *c, const mr_list *before, mr_error *e)
{
    mr_cli_keep now, then;
    mr_cli earlier = {.keep = *before};
    int status = mr_cli_keep_parse(&now, c, e);
    if (!status)
        status = mr_cli_keep_parse(&then, &earlier, e);
    if (status)
        return status;
    if ((now.best && !then.best) || (now.last && then.best))
        return mr_hint(e,
                       mr_fail(e, MR_EUSAGE, "--keep %s: the run that is resumed began %s --keep best",
                               now.best ? "best" : "last", then.best ? "with" : "without"),
                       "leave it out to continue as before, or start another run with --from");
    if (then.best && !now.best && c->keep.count < MR_CLI_LIST)
        c->keep.item[c->keep.count++] = "best";
    return 0;
}
