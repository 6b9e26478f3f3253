/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a layer's configuration: the rows of its class (mr_config_field), from which the list of known keys follows
 * too, and single keys for what no row can say. */
#ifndef MR_NN_GRAPH_CONFIG_H
#define MR_NN_GRAPH_CONFIG_H

#include "nn/graph/layer.h"

/* Reads L's configuration by the rows of its class, then by its configure. L->impl is there, zeroed. */
int mr_layer_configure(mr_layer *l, mr_error *e);
/* The row of CLASS for KEY, or NULL. */
const mr_config_field *mr_layer_field(const mr_layer_class *class, const char *key);

/* Readers of rows, by what they store. */
int mr_field_int(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);    /* int64_t */
int mr_field_real(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);   /* double */
int mr_field_bool(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);   /* bool */
int mr_field_choice(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e); /* int: index of the name */
int mr_field_pair(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);   /* int64_t[2]: rows, columns */
/* Store nothing: channels_last alone, and nothing but null or false. */
int mr_field_channels_last(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);
int mr_field_unsupported(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);

/* For build(): declares a variable. INITIALIZER_KEY, REGULARIZER_KEY: keys of the configuration
 * ("kernel_initializer", "kernel_regularizer") or NULL. */
int mr_layer_add_param(mr_layer *l, const char *kind, mr_shape shape, bool statistic,
                       const char *initializer_key, const char *default_initializer,
                       const char *regularizer_key, mr_error *e);

/* Reading a configuration: missing or null keys give the fallback; a wrong type is an error that names layer
 * and key. */
int mr_config_int(const mr_layer *l, const json_t *c, const char *key, int64_t low, int64_t high,
                  int64_t fallback, int64_t *out, mr_error *e);
int mr_config_real(const mr_layer *l, const json_t *c, const char *key, double fallback, double *out,
                   mr_error *e);
int mr_config_bool(const mr_layer *l, const json_t *c, const char *key, bool fallback, bool *out,
                   mr_error *e);
/* An integer or a list of two: out[0] rows, out[1] columns. */
int mr_config_pair(const mr_layer *l, const json_t *c, const char *key, int64_t low, int64_t high,
                   int64_t fallback, int64_t out[2], mr_error *e);
/* An integer (taken COUNT times) or a list of COUNT. */
int mr_config_sizes(const mr_layer *l, const json_t *c, const char *key, int count, int64_t low, int64_t high,
                    int64_t fallback, int64_t *out, mr_error *e);
/* One of NAMES (ended by NULL): its index. */
int mr_config_choice(const mr_layer *l, const json_t *c, const char *key, const char *const *names,
                     int fallback, int *out, mr_error *e);
/* A regularizer, as Keras writes it: "l2", {"class_name": "L1" | "L2" | "L1L2", "config"}, null. */
int mr_config_regularizer(const mr_layer *l, const char *key, double *l1, double *l2, mr_error *e);
/* data_format must be channels_last (readers convert before); anything else is refused by name. */
int mr_config_channels_last(const mr_layer *l, const json_t *c, mr_error *e);

#endif
