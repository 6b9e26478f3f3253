/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate --part: which images of a folder, where the model knows how its training data were split. */
#ifndef MR_CLI_PART_H
#define MR_CLI_PART_H

#include "cli/option/options.h"
#include "cli/setup/opened_data.h"

typedef enum mr_part { MR_PART_DEFAULT, MR_PART_TRAINING, MR_PART_VALIDATION, MR_PART_ALL } mr_part;

int mr_cli_part(mr_part *out, const mr_cli *c, mr_error *e);
/* The folder of d->owned (training, validation, testing) to look at. */
int mr_cli_part_folder(const char **out, const mr_cli_data *d, const mr_cli *c, mr_part part, mr_error *e);
/* Leaves in D->training the images of PART, if the model's RECORDS (io/files/held_out.h) are of this folder, and
 * says so in d->note. */
int mr_cli_take_part(mr_cli_data *d, mr_part part, const json_t *records, mr_error *e);
/* The part of D that is evaluated in a word, when mr_cli_take_part is through. */
const char *mr_cli_part_name(const mr_cli_data *d, mr_part part);
/* {"folder" or "arrays", "part", "chosen_by", "split"}; NULL without memory. */
json_t *mr_cli_part_json(const mr_cli_data *d, const mr_cli *c);

#endif
