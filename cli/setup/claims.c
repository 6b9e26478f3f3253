/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/claims.h"

#include "cli/option/files.h"

struct taking {
    mr_claims *claims;
    mr_error *e;
};

static int take(void *context, const mr_cli_file *f)
{
    const struct taking *t = context;
    if (f->marks & MR_ROWS || t->claims->count == MR_CLAIMS)
        return 0;
    mr_claim **claim = &t->claims->file[t->claims->count];
    int status = mr_claim_open(claim, &(mr_claim_options){.output = f->path, .overwrite = true}, t->e);
    t->claims->count += *claim != NULL; /* a stream needs none */
    return status;
}

int mr_cli_claim(mr_claims *out, const mr_cli *c, const mr_ranks *ranks, mr_error *e)
{
    return mr_ranks_rank(ranks) ? 0 : mr_cli_each_file(c, MR_WRITES, take, &(struct taking){out, e});
}

void mr_cli_release(mr_claims *claims)
{
    while (claims->count)
        mr_claim_close(claims->file[--claims->count], false, NULL);
}
