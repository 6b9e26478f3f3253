/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process/ranks.h"

#include "cli/option/command.h"
#include "cli/process/interrupt.h"
#include "cli/process/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int mr_cli_ranks_join(mr_ranks **out, mr_cli *c, mr_error *e)
{
    int status = mr_ranks_join(out, e);
    if (status || !*out)
        return status;
    mr_catch_launcher_signals();
    int processors = mr_ranks_processors(*out);
    c->threads = c->threads > 0 ? c->threads : processors;
    c->decode_threads = c->decode_threads > 0 ? c->decode_threads : processors;
    return 0;
}

void mr_cli_ranks_mute(const mr_ranks *r, mr_cli *c)
{
    if (mr_ranks_rank(r) == 0)
        return;
    for (int i = 0; i < mr_option_count; i++)
        if (mr_options[i].traits & c->bit && mr_options[i].traits & (MR_WRITES | MR_MAKES) &&
            mr_options[i].traits & MR_NO_WEIGHT)
            *(const char **)((char *)c + mr_options[i].field) = NULL;
}

/* --- getting ready ------------------------------------------------------------------- */

int mr_cli_ranks_agree(mr_ranks *r, int status, mr_error *e)
{
    void *all;
    size_t total;
    mr_error own = *e;
    if (!r)
        return status;
    if (mr_ranks_gather(r, &status, sizeof status, &all, &total, e))
        return e->code;
    size_t ranks = total / sizeof status, first = 0;
    while (first < ranks && ((const int *)all)[first] == 0)
        first++;
    status = first < ranks ? ((const int *)all)[first] : 0;
    free(all);
    mr_error_clear(e);
    if (status && first == (size_t)mr_ranks_rank(r))
        *e = own;
    return status;
}

/* --- the end --------------------------------------------------------------------------- */

/* Rank 0 prints first: when all fail alike, its end (which comes to the others as a signal) is theirs. */
static void wait_for_first(const mr_ranks *r)
{
    struct timespec turn = {0, 50L * 1000 * 1000};
    for (int i = 0; i < 20 && mr_ranks_rank(r); i++) {
        nanosleep(&turn, NULL);
        if (mr_interrupted())
            _exit(MR_EXIT_FAILED);
    }
}

void mr_cli_ranks_fail(mr_ranks *r, int code, const mr_error *e)
{
    if (!r)
        return;
    wait_for_first(r);
    char rank[32] = "";
    if (mr_ranks_rank(r))
        snprintf(rank, sizeof rank, "rank %d: ", mr_ranks_rank(r));
    mr_print_line(stderr, "millrace: %s%s%s%s", rank, e->message, *e->hint ? "; " : "", e->hint);
    fflush(NULL);
    mr_ranks_abort(r, code);
}

int mr_cli_ranks_end(mr_ranks *r, int code)
{
    void *all;
    size_t total;
    mr_error none = {0};
    if (!r)
        return code;
    if (!mr_ranks_gather(r, &code, sizeof code, &all, &total, &none)) {
        for (size_t i = 0; i < total / sizeof code; i++)
            code = ((const int *)all)[i] > code ? ((const int *)all)[i] : code;
        free(all);
    }
    mr_ranks_leave(r);
    return code;
}
