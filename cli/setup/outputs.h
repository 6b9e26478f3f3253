/* SPDX-License-Identifier: Apache-2.0 */
/* Before hours of work: can its results be put where they are wanted? */
#ifndef MR_CLI_OUTPUTS_H
#define MR_CLI_OUTPUTS_H

#include "cli/option/options.h"

/* A result and the option that asks for it; FILE may be NULL. */
typedef struct mr_cli_output {
    const char *file, *option;
} mr_cli_output;

/* Each FILE can be written: it is a stream (base/output.h), or leads to a regular file or none yet in a folder that can be
 * written; and none is named twice. */
int mr_cli_check_outputs(const mr_cli_output *output, int count, mr_error *e);

/* FILE, which may be NULL, is a folder that can be written into, or can be made. */
int mr_cli_check_output_folder(mr_cli_output output, mr_error *e);

/* The same for a FILE that is an operand. */
int mr_cli_check_output(const char *file, mr_error *e);

/* OUTPUT is none of the COUNT files that are read; each may be NULL. */
int mr_cli_check_inputs(mr_cli_output output, const mr_cli_output *input, int count, mr_error *e);

/* FILE's extension is one of a picture, or it has none; MR_EUSAGE. FILE may be NULL. */
int mr_cli_check_picture_name(mr_cli_output output, mr_error *e);

/* FILE's ending says which kind of model file is wanted; MR_EUSAGE where it does not. WHAT names it in the error. */
int mr_cli_check_model_name(const char *file, const char *what, mr_error *e);

#endif
