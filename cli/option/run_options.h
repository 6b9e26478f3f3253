/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a run, kept in its checkpoints: a resumed run takes those that are not given anew from
 * there, and refuses those that would make another run of it. */
#ifndef MR_CLI_RUN_OPTIONS_H
#define MR_CLI_RUN_OPTIONS_H

#include "cli/option/options.h"
#include "base/strings.h"

#include <jansson.h>

/* {option: value} of all that were given. json: a new reference, NULL out of memory. */
json_t *mr_cli_settings(const mr_cli *c);
/* TEXT as JSON, also where it is not UTF-8 (then {"hex": "…"}). json: a new reference, NULL out of memory. */
json_t *mr_cli_text_json(const char *text);

/* Fills in what was given when the run began (SETTINGS) and is not given now. What is given now and differs
 * is an error that names it (MR_EUSAGE), unless it may change from one start to the next (how long, how fast,
 * where to). Strings are copied into MEMORY. */
int mr_cli_restore(mr_cli *c, const json_t *settings, mr_strings *memory, mr_error *e);

#endif
