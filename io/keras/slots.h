/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizer state. Files keep it as a list of arrays, in an order that every era of Keras has its own of:
 *   Keras 1, 2      iterations, [m_schedule], then slot by slot over all trainable weights ("Variable_7:0")
 *   tf.keras ≤ 2.10 iter, then slot by slot, each named LAYER/KIND/SLOT
 *   tf.keras 2.11+  iteration, then Adam/SLOT/LAYER/KIND, weight by weight
 *   Keras 3         iteration, learning_rate (without a schedule), then WEIGHT_SLOT, first two slots weight
 * by weight In a model all are mr_slots in Keras 3's terms. Callers hold mr_hdf5_lock(). */
#ifndef MR_IO_KERAS_SLOTS_H
#define MR_IO_KERAS_SLOTS_H

#include "io/keras/weights.h"
#include "io/keras/write.h"

/* The optimizer that M was trained with; NULL where it is none of ours. MR_ENOMEM alone: what is out of
 * memory must not look like a stranger's. The caller's to free. */
int mr_keras_optimizer(mr_optimizer **out, const mr_model *m, mr_error *e);

/* Reads /optimizer_weights of FILE into M, whose training configuration says which optimizer. State that does
 * not fit it is left out (has_optimizer_state stays false), as Keras does: the model is whole without. Only
 * damage is an error. */
int mr_keras_read_slots_h5(mr_model *m, hid_t file, const mr_keras_origin *origin, mr_error *e);
/* The same from /optimizer/vars of a model.weights.h5. */
int mr_keras_read_slots_zip(mr_model *m, hid_t root, const mr_keras_origin *origin, mr_error *e);

/* Writes /optimizer_weights: in Keras 2.3's order where Keras 2.3 has the optimizer, else in Keras 3's. */
int mr_keras_write_slots_h5(hid_t file, const mr_keras_output *o, mr_error *e);
/* Writes /optimizer/vars. */
int mr_keras_write_slots_zip(hid_t root, const mr_keras_output *o, mr_error *e);

#endif
