/* SPDX-License-Identifier: Apache-2.0 */
/* Files as they arrive in folders (inotify), as a source that waits. A file has arrived when it is closed
 * after writing, moved in, or linked in; in folders that arrive, also when it is there already. A file that
 * is written again arrives again. */
#ifndef MR_PIPELINE_WATCH_H
#define MR_PIPELINE_WATCH_H

#include "pipeline/load/loader.h"
#include "pipeline/source/selection.h"

typedef struct mr_watch_options {
    const char *const
        *dir; /* [dirs], borrowed; folders below them are watched too, links to folders are not */
    int dirs;
    mr_selection selection;
    const char *avoid; /* a folder that is not watched; NULL: none */
    bool present;      /* files that are there at the start arrive too, in the byte order of their paths */
    mr_source first;   /* comes before what arrives (which waits meanwhile); .next NULL: nothing does */
    bool (*stop)(void *context); /* true: the end. Called by the thread that calls next() */
    void *context;
} mr_watch_options;

typedef struct mr_watch mr_watch;

/* From now on nothing that arrives is missed. Errors: MR_ENOTFOUND, MR_EIO, MR_ELIMIT (more folders than the
 * system lets a user watch). */
int mr_watch_create(mr_watch **out, const mr_watch_options *options, mr_error *e);
/* The file PATH was handled before: found at the start, it does not arrive. (What the first source gives out counts as
 * handled.) Before the first next(). */
int mr_watch_pass_over(mr_watch *w, const char *path, mr_error *e);
/* Ends when stop() says so, or when all folders have gone. Where the system loses track of what arrives, an
 * item with a failure says so. */
mr_source mr_watch_source(mr_watch *w);
void mr_watch_free(mr_watch *w);

#endif
