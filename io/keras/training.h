/* SPDX-License-Identifier: Apache-2.0 */
/* Training configurations: what every Keras wrote ↔ the canonical one of io/model_file/model_file.h. */
#ifndef MR_IO_KERAS_TRAINING_H
#define MR_IO_KERAS_TRAINING_H

#include "base/error.h"

#include <jansson.h>

/* FOUND: "training_config" of an .h5, or "compile_config" of a config.json, written by Keras ERA (1, 2, 3). A
 * new reference with "optimizer_config" in Keras 3's words (class without "Custom>", learning_rate, a decay
 * as the InverseTimeDecay that it is), loss, metrics and the rest as found; NULL where FOUND says nothing of
 * an optimizer or loss. */
json_t *mr_keras_training(const json_t *found, int era);

/* The learning rate as it stands among the optimizer's variables, for a canonical TRAINING whose rate is no
 * schedule. */
void mr_keras_training_set_rate(json_t *training, double rate);

/* For the .h5: keys that Keras 2.3 and 3 both take (see the file). For the .keras: as Keras 3 has it. New
 * references. */
json_t *mr_keras_training_h5(const json_t *training);
json_t *mr_keras_training_zip(const json_t *training);

#endif
