/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MR_CLI_CLASS_WEIGHT_H
#define MR_CLI_CLASS_WEIGHT_H

#include "cli/setup/data.h"

/* --class-weight: "balanced" (n_samples / (n_classes * n_of_class), as scikit-learn has it), or NAME=F,… (class names, or
 * indices for arrays; classes not named count 1). *OUT: malloc'ed [classes], NULL without the option. */
int mr_cli_class_weights(double **out, const char *text, const mr_cli_data *d, mr_error *e);

/* A line to tell a person where the largest class has at least five times the samples of the smallest one;
 * empty where it has not. */
int mr_cli_imbalance(char *text, size_t size, const mr_cli_data *d, mr_error *e);

/* Samples of each class into COUNTS [d->classes]. */
void mr_cli_class_counts(const mr_cli_data *d, size_t *counts);

#endif
