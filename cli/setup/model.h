/* SPDX-License-Identifier: Apache-2.0 */
/* From options to a model: a built-in architecture, a JSON file, or a whole model file; its loss and classes. The optimizer: cli/setup/optimizer.h. */
#ifndef MR_CLI_MODEL_H
#define MR_CLI_MODEL_H

#include "cli/option/options.h"
#include "io/model_file/model_file.h"
#include "nn/learn/task.h"

/* --arch names a file, no built-in architecture. */
bool mr_cli_json_arch(const mr_cli *c);
/* The built-in architecture that is trained; NULL: a model from a file (--from, --arch FILE.json), or an unknown name. */
const mr_arch *mr_cli_built_in(const mr_cli *c);
/* Its training; with --new-head Adam's; that of a model from a file: the tutorial's. */
mr_arch_training mr_cli_arch_training(const mr_cli *c);

/* For train: one of --from and --arch. To be asked before the data are looked at: MR_EUSAGE. */
int mr_cli_one_source(const mr_cli *c, mr_error *e);
/* For train: --from, or --arch with --weights; a new network's input is PRE's (made by mr_cli_new_contract), its outputs
 * CLASSES (PRE may be NULL for those that come from a file). Weights are initialised or loaded. */
int mr_cli_training_model(mr_model **out, const mr_cli *c, const mr_preprocess *pre, int classes, mr_error *e);
/* For evaluate and predict: --model, or --arch FILE.json --weights FILE. */
int mr_cli_trained_model(mr_model **out, const mr_cli *c, mr_error *e);

/* --activation. */
int mr_cli_given_activation(mr_given_activation *out, const mr_cli *c, mr_error *e);
/* The loss as configuration: --loss; else, where M's training configuration COUNTS, its own; else by the TARGETS. One
 * that wants probabilities is told so where M ends in no activation: from_logits, as Keras has it. A new reference. */
int mr_cli_loss(json_t **out, const mr_cli *c, const mr_model *m, bool counts, mr_targets targets, mr_error *e);
/* Puts CLASS_NAMES (copied) into the model. */
int mr_cli_set_classes(mr_model *m, char *const *class_names, int classes, mr_error *e);

#endif
