/* SPDX-License-Identifier: Apache-2.0 */
/* From options to data: folders or arrays, their classes, the loader's settings. */
#ifndef MR_CLI_DATA_H
#define MR_CLI_DATA_H

#include "cli/option/options.h"
#include "cli/setup/opened_data.h"
#include "cli/show/progress.h"
#include "pipeline/train/train.h"

/* For train: --data, --train-dir, --validation-dir, --validation-split, --arrays. */
int mr_cli_open_training(mr_cli_data *d, const mr_cli *c, mr_error *e);
/* For evaluate: --data (its testing part, else validation, else the folder itself, and of that what MODEL's training held out)
 * or --arrays (x, y). */
int mr_cli_open_evaluation(mr_cli_data *d, const mr_cli *c, const mr_model *model, mr_error *e);
/* Brings the classes of folders into the order of NAMES, a model's: labels follow. MR_EINVAL where they are others. Arrays
 * know no names: nothing is done. */
int mr_cli_order_classes(mr_cli_data *d, char *const *names, int count, mr_error *e);
void mr_cli_close_data(mr_cli_data *d);
/* What the samples' truths are for a model whose output is OUTPUT: of folders, classes. */
/* For a layer that is made for the data's classes, as the options WHAT want it: are the targets classes, or shares of
 * them? MR_EINVAL. */
int mr_cli_check_targets_are_classes(const mr_cli_data *d, const mr_cli *c, mr_error *e);
/* In one line, where arrays' targets are not a class each, or the model makes no class of them. */
void mr_cli_tell_targets(const mr_cli_data *d, const mr_trainer *t, mr_progress *p);
mr_targets mr_cli_targets(const mr_cli_data *d, const mr_shape *output);
mr_data mr_cli_training(const mr_cli_data *d);
mr_data mr_cli_validation(const mr_cli_data *d);

/* "Found 360 images belonging to 2 classes." and what was passed over; TEXT holds SIZE bytes. */
void mr_cli_found(const mr_dataset *set, char *text, size_t size);

/* Warns of the classes of WHAT ("validation", …) that have no images, in one line. */
void mr_cli_tell_empty_classes(const mr_dataset *set, const char *what, mr_progress *p);

/* Loader settings from the options, for a model with preprocessing PRE. AUGMENTATION may be NULL. */
mr_loader_options mr_cli_loader(const mr_cli *c, const mr_preprocess *pre, const mr_augmentation *augmentation);
int mr_cli_augmentation(mr_augmentation *out, const mr_cli *c, mr_error *e);
int mr_cli_budget(mr_budget *out, const mr_cli *c, mr_error *e);
/* --threads and --decode-threads, else all processors. */
int mr_cli_threads(const mr_cli *c);
int mr_cli_decode_threads(const mr_cli *c);

#endif
