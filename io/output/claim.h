/* SPDX-License-Identifier: Apache-2.0 */
/* The right of one run to write an output over a long time. A file beside it, OUTPUT.resume, is locked while the run lasts
 * and says what the rows are made of, so that no other run writes there and that a run which resumes the rows later is
 * known to be the same one. It is removed when the output is complete.
 *
 * An output that is there already stays as it is until the new one is complete: rows go to NAME.part.EXT beside it, which
 * takes its place at the end. Streams (base/output.h) need none of this. */
#ifndef MR_IO_CLAIM_H
#define MR_IO_CLAIM_H

#include "base/error.h"
#include "base/text.h"

/* One thing that rows depend on; both are one line of text. */
typedef struct mr_fact {
    const char *name;
    char *value;
} mr_fact;

typedef struct mr_claim_options {
    const char *output; /* a stream, or NULL for standard output: then there is nothing to claim */
    const mr_fact *fact; /* [facts], in the order in which a difference is looked for */
    int facts;
    bool resume;    /* to go on with the rows that are there */
    bool overwrite; /* what is there is replaced at once */
    bool keep;      /* OUTPUT.resume outlasts a complete output: it is a part of another one */
} mr_claim_options;

typedef struct mr_claim mr_claim;

/* *OUT is NULL where there is nothing to claim. Errors: MR_EIO where another process writes OUTPUT, MR_EINVAL where the rows
 * to resume were made otherwise (the error says what differs); those of base/output.h. Nothing but OUTPUT.resume is made, and
 * nothing that is there is changed. */
int mr_claim_open(mr_claim **out, const mr_claim_options *options, mr_error *e);
/* The file that rows go to: what links lead to, or the one beside it. */
const char *mr_claim_file(const mr_claim *c);
/* True where that is not the output itself yet. */
bool mr_claim_beside(const mr_claim *c);
/* With resume: OUTPUT.resume was there, and its facts are this run's. False: nothing says what rows that are there were made
 * of. */
bool mr_claim_is_known(const mr_claim *c);
/* Notes the facts, before the first row is written. */
int mr_claim_begin(mr_claim *c, mr_error *e);
/* COMPLETE: the file takes the output's place. Otherwise all stays for a run that goes on with it; where nothing was begun,
 * the output is as it was. C may be NULL; it is freed in every case. */
int mr_claim_close(mr_claim *c, bool complete, mr_error *e);
/* Removes OUTPUT.resume of an output that was closed with keep and is no longer needed. */
void mr_claim_remove(const char *output);

#endif
