/* SPDX-License-Identifier: Apache-2.0 */
/* Making a trained model ready for other classes: a new head, and layers that stay as they are. */
#ifndef MR_PIPELINE_FINE_TUNE_H
#define MR_PIPELINE_FINE_TUNE_H

#include "io/model_file/model_file.h"

/* Replaces the layer that classifies, M's last Dense, or where there is none behind it the last Conv2D, by
 * one of CLASSES outputs and a softmax (an activation layer behind it becomes the softmax; with none the
 * layer gets it). Its weights are drawn from (SEED, layer); all others stay. Works inside nested models. M
 * loses its optimizer state and its training configuration, which were for other classes. *HEAD (may be
 * NULL): the new layer, owned by M's graph. MR_EUNSUPPORTED where the model has several outputs or ends in
 * something else; the message says in what. */
int mr_fine_tune_new_head(mr_model *m, int classes, uint64_t seed, mr_layer **head, mr_error *e);

/* Whether PATTERN (a glob, '*' also for '/') names layer L: by its name, its path ("base/conv1"), or by a
 * model around it. */
bool mr_fine_tune_matches(const char *pattern, const mr_layer *l);

/* Sets `trainable` of the layers that PATTERN matches, except KEEP (NULL: none), in the graph and in its
 * configuration. A layer that becomes trainable makes the models around it so. MR_ENOTFOUND where nothing
 * matches. */
int mr_fine_tune_set_trainable(mr_graph *g, const char *pattern, bool trainable, const mr_layer *keep,
                               mr_error *e);

/* Freezes the layers in front of the first one called NAME (name or path), in the model's order. */
int mr_fine_tune_freeze_until(mr_graph *g, const char *name, mr_error *e);

#endif
