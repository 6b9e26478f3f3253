/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of io/keras/ share. */
#ifndef MR_IO_KERAS_INTERNAL_H
#define MR_IO_KERAS_INTERNAL_H

#include "base/error.h"
#include "base/json_read.h"
#include "nn/graph/tree.h"

/* One conversion under way. */
typedef struct mr_dialect {
    int era;
    bool theano;
    bool lists;  /* as mr_keras_origin */
    bool crops; /* RandomCrop at inference */
    bool failed; /* out of memory while building JSON: looked at once, at the end */
    mr_error *e;
} mr_dialect;

/* OBJECT[KEY] = VALUE, which is taken over. */
void mr_keras_set(mr_dialect *d, json_t *object, const char *key, json_t *value);
void mr_keras_append(mr_dialect *d, json_t *array, json_t *value);

/* Values inside configurations (io/keras/object.c); each returns a new reference. */
json_t *mr_keras_initializer(mr_dialect *d, const json_t *v);
json_t *mr_keras_regularizer(mr_dialect *d, const json_t *v);
json_t *mr_keras_activation(mr_dialect *d, const json_t *v);
/* {"class_name", "config"} of a serialised object, without module and registered_name; others are copied. */
json_t *mr_keras_object(mr_dialect *d, const json_t *v);
/* The other way: value V of KEY as Keras 3 serialises it, with module and registered_name; anything else is
 * copied. A new reference. */
json_t *mr_keras_serialized(const char *key, json_t *v);

/* The canonical {"class_name", "name", "config"} of one layer that is not a model (io/keras/layer.c). */
int mr_keras_layer(json_t **out, mr_dialect *d, const json_t *layer);

/* Whether the constructor of CLASS takes "trainable". */
bool mr_keras_takes_trainable(const char *class);
/* Whether VALUE is the default of KEY, which some versions of Keras do not know. */
bool mr_keras_is_default(const char *class, const char *key, const json_t *value);

/* Canonical calls from "inbound_nodes" of either kind; CLASS and NAME: the called layer (io/keras/call.c). */
int mr_keras_calls(json_t **out, mr_dialect *d, const json_t *nodes, const char *class, const char *name);
/* [[name, call, tensor]…] from "input_layers"/"output_layers", flat or not. */
int mr_keras_ends(json_t **out, mr_dialect *d, const json_t *ends, const char *key);
/* The form of input_layers or output_layers as found (io/keras/structure.c): numbers of tensors in lists and
 * objects, which the canonical configuration keeps as "input_structure" and "output_structure". NULL for the
 * usual ones, a tensor alone and a list of several. A new reference. */
json_t *mr_keras_structure(mr_dialect *d, const json_t *ends);
/* ITEMS, an array, put into the form STRUCTURE, which may be NULL. A new reference. */
json_t *mr_keras_structured(mr_dialect *d, const json_t *items, const json_t *structure);
/* Whether MODEL or one in it takes or gives a list of one. */
bool mr_keras_keeps_lists(const mr_tree *model);
/* Calls of anything count from 0, in whatever way the writer counted them. */
int mr_keras_renumber(mr_dialect *d, json_t *model);

/* Layers to be put into one model (io/keras/rewrite.c): noted one by one, and all put in at once, which takes
 * time in proportion to the model, not to the model for each. {0} is ready for use. */
typedef struct mr_keras_insertions {
    json_t *before, *after; /* layer's name → the layers that go there, in order */
    json_t *instead;        /* layer's name → what refers to it shall refer to that one */
} mr_keras_insertions;

/* Notes one layer to be put before or after LAYER, which is an entry of the model's list, or was noted
 * itself: its calls are led through. ADDED is taken over. */
int mr_keras_insert_before(mr_dialect *d, mr_keras_insertions *in, const json_t *layer, json_t *added);
int mr_keras_insert_after(mr_dialect *d, mr_keras_insertions *in, const json_t *layer, json_t *added);
/* Puts them into MODEL and leaves *IN empty. */
int mr_keras_insert_all(mr_dialect *d, mr_keras_insertions *in, json_t *model);
void mr_keras_insertions_free(mr_keras_insertions *in);
/* Rewrites what older Keras meant differently as Keras 3 has it: hard_sigmoid, Theano's 'same'. MODEL and
 * those in it. */
int mr_keras_modernize(mr_dialect *d, json_t *model);

#endif
