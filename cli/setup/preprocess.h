/* SPDX-License-Identifier: Apache-2.0 */
/* Which preprocessing holds: the model's contract, the options, or both where they agree. */
#ifndef MR_CLI_CONTRACT_H
#define MR_CLI_CONTRACT_H

#include "cli/option/options.h"
#include "io/model_file/model_file.h"

/* For a new network: the defaults (the tutorial's), with the options over them. SIZE: the side where none is given. */
int mr_cli_new_contract(mr_preprocess *out, const mr_cli *c, int size, mr_error *e);

/* Size and colours as the network M wants them, where the options leave them open and M takes images. */
void mr_cli_contract_of_input(mr_preprocess *p, const mr_cli *c, const mr_model *m);

/* For a model that is there. With a contract: that one; an option that contradicts it is an error, unless
 * --override-preprocessing is given. Without: made from the options, of which --rescale is the one that cannot be guessed
 * (NEEDED false: arrays of float32 pass by it). Sizes and channels of images must be the network's. */
int mr_cli_model_contract(mr_preprocess *out, const mr_cli *c, const mr_model *m, bool needed, mr_error *e);

/* "64x64 rgb, nearest, pixel * 0.00392157 + 0". Returns TEXT. */
const char *mr_cli_contract_text(const mr_preprocess *p, char *text, size_t size);

#endif
