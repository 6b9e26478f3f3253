/* SPDX-License-Identifier: Apache-2.0 */
/* What the layers make of their configurations: shapes, variables, refusals that name layer and key, and the
 * keys that Keras itself writes (from the golden files). What they compute: tests/test_kernels.c,
 * test_gradients.c, test_noise.c. */
#include "tests/call.h"
#include "tests/shared.h"
#include "nn/graph/config.h"

#include <dirent.h>
#include <zip.h>

static mr_team *team;

static int create(tested *t, const char *class, const char *config, const char *shapes, mr_error *e)
{
    mr_error_clear(e);
    return tested_create(t, team, class, config, shapes, 2, 2, true, true, 1, e);
}

/* --- shapes and variables --------------------------------------------------- */

struct form {
    const char *class, *config, *in, *out;
    const char *weights; /* "kernel(3,3,2,4) bias(4)" */
};

static void describe_weights(const mr_layer *l, char *text, size_t size)
{
    text[0] = 0;
    for (int i = 0; i < l->params; i++) {
        const mr_param *p = &l->param[i];
        size_t used = strlen(text);
        used += (size_t)snprintf(text + used, size - used, "%s%s(", i ? " " : "", p->kind);
        for (int k = 0; k < p->shape.rank; k++)
            used += (size_t)snprintf(text + used, size - used, "%s%d", k ? "," : "", (int)p->shape.dim[k]);
        snprintf(text + used, size - used, ")%s", p->statistic ? "*" : "");
    }
}

static void check_form(const struct form *f)
{
    tested t;
    mr_error e = {0};
    char out[128] = "", weights[512];
    if (create(&t, f->class, f->config, f->in, &e))
        fail_msg("%s %s: %s", f->class, f->config, e.message);
    for (int i = 1; i < t.call.out.rank; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%d", i > 1 ? "," : "",
                 (int)t.call.out.dim[i]);
    describe_weights(&t.layer, weights, sizeof weights);
    if (strcmp(out, f->out) || strcmp(weights, f->weights))
        fail_msg("%s %s: %s %s, not %s %s", f->class, f->config, out, weights, f->out, f->weights);
    tested_free(&t);
}

static void forms(void **state)
{
    (void)state;
    static const struct form table[] = {
        {"Conv2D", "{\"filters\":4,\"kernel_size\":[3,3],\"strides\":[2,2],\"padding\":\"same\"}", "7,8,2",
         "4,4,4", "kernel(3,3,2,4) bias(4)"},
        {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"groups\":2,\"use_bias\":false}", "7,8,6", "5,6,4",
         "kernel(3,3,3,4)"},
        {"Conv1D", "{\"filters\":4,\"kernel_size\":[3]}", "7,2", "5,4", "kernel(3,2,4) bias(4)"},
        {"Conv1D", "{\"filters\":4,\"kernel_size\":[3],\"padding\":\"causal\"}", "7,2", "7,4",
         "kernel(3,2,4) bias(4)"},
        {"DepthwiseConv2D", "{\"kernel_size\":3,\"depth_multiplier\":2}", "5,5,3", "3,3,6",
         "kernel(3,3,3,2) bias(6)"},
        {"SeparableConv2D", "{\"filters\":5,\"kernel_size\":3,\"depth_multiplier\":2}", "5,5,3", "3,3,5",
         "depthwise_kernel(3,3,3,2) pointwise_kernel(1,1,6,5) bias(5)"},
        {"Conv2DTranspose", "{\"filters\":5,\"kernel_size\":2,\"strides\":3}", "4,4,3", "12,12,5",
         "kernel(2,2,5,3) bias(5)"},
        {"Conv2DTranspose", "{\"filters\":5,\"kernel_size\":4,\"strides\":3}", "4,4,3", "13,13,5",
         "kernel(4,4,5,3) bias(5)"},
        {"Conv2DTranspose",
         "{\"filters\":5,\"kernel_size\":3,\"strides\":2,\"padding\":\"same\",\"output_padding\":0}", "4,4,3",
         "7,7,5", "kernel(3,3,5,3) bias(5)"},
        {"Dense", "{\"units\":4}", "3,2", "3,4", "kernel(2,4) bias(4)"},
        {"BatchNormalization", "{\"axis\":[3]}", "2,2,3", "2,2,3",
         "gamma(3) beta(3) moving_mean(3)* moving_variance(3)*"},
        {"BatchNormalization", "{\"scale\":false,\"axis\":3}", "2,2,3", "2,2,3",
         "beta(3) moving_mean(3)* moving_variance(3)*"},
        {"LayerNormalization", "{\"axis\":[2,3]}", "2,4,3", "2,4,3", "gamma(4,3) beta(4,3)"},
        {"GroupNormalization", "{\"groups\":3,\"center\":false}", "2,4,6", "2,4,6", "gamma(6)"},
        {"PReLU", "{\"shared_axes\":[1,2]}", "2,4,3", "2,4,3", "alpha(1,1,3)"},
        {"Normalization", "{\"axis\":-1}", "2,4,3", "2,4,3", "mean(3)* variance(3)* count()*"},
        {"Normalization", "{\"mean\":[[[1,2,3]]],\"variance\":2}", "2,4,3", "2,4,3", ""},
        {"MaxPooling2D", "{}", "5,7,3", "2,3,3", ""},
        {"MaxPooling2D", "{\"pool_size\":[3,3],\"strides\":null,\"padding\":\"same\"}", "7,7,3", "3,3,3", ""},
        {"AveragePooling1D", "{\"pool_size\":2}", "7,3", "3,3", ""},
        {"GlobalAveragePooling2D", "{\"keepdims\":true}", "7,4,3", "1,1,3", ""},
        {"GlobalMaxPooling1D", "{}", "7,3", "3", ""},
        {"InputLayer", "{\"batch_shape\":[null,7,4,3]}", "", "7,4,3", ""},
        {"RandomContrast", "{\"factor\":0.3}", "7,4,3", "7,4,3", ""},
        {"Conv2D", "{\"filters\":4.0,\"kernel_size\":[3.0,3]}", "7,8,2", "5,6,4", "kernel(3,3,2,4) bias(4)"},
        {"Flatten", "{}", "7,4,3", "84", ""},
        {"Reshape", "{\"target_shape\":[-1,4]}", "7,4,3", "21,4", ""},
        {"Permute", "{\"dims\":[3,1,2]}", "7,4,3", "3,7,4", ""},
        {"ZeroPadding2D", "{\"padding\":[[0,1],[2,3]]}", "7,4,3", "8,9,3", ""},
        {"Cropping2D", "{\"cropping\":[1,2]}", "7,5,3", "5,1,3", ""},
        {"UpSampling2D", "{\"size\":[2,3]}", "7,5,3", "14,15,3", ""},
        {"Resizing", "{\"height\":2,\"width\":9}", "7,5,3", "2,9,3", ""},
        {"CenterCrop", "{\"height\":2,\"width\":3}", "7,5,3", "2,3,3", ""},
        {"Add", "{}", "7,1,3;1,5,3;3", "7,5,3", ""},
        {"Concatenate", "{\"axis\":-1}", "7,5,3;7,5,1", "7,5,4", ""},
        {"Concatenate", "{\"axis\":1}", "7,5,3;2,5,3", "9,5,3", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check_form(&table[i]);
}

/* --- errors ---------------------------------------------------------------- */

struct refusal {
    const char *class, *config, *in;
    int code;
    const char *named; /* beside the layer's name and class */
};

static void check_refusal(const struct refusal *r)
{
    tested t;
    mr_error e = {0};
    int code = create(&t, r->class, r->config, r->in, &e);
    if (code != r->code)
        fail_msg("%s %s on %s: code %d, not %d: %s", r->class, r->config, r->in, code, r->code, e.message);
    if (!strstr(e.message, r->named) || !strstr(e.message, "tested"))
        fail_msg("%s %s on %s: \"%s\" does not name %s and the layer", r->class, r->config, r->in, e.message,
                 r->named);
}

static const struct refusal bad_configurations[] = {
    {"Conv2D", "{\"kernel_size\":3}", "8,8,3", MR_EINVAL, "filters"},
    {"Conv2D", "{\"filters\":0,\"kernel_size\":3}", "8,8,3", MR_EINVAL,
     "\"filters\" 0 is out of range (1 to 16777216)"},
    {"Conv2D", "{\"filters\":null,\"kernel_size\":3}", "8,8,3", MR_EINVAL, "\"filters\" is missing"},
    {"Dropout", "{\"rate\":1.5}", "8", MR_EINVAL, "\"rate\" 1.5 is out of range (0 to 1)"},
    {"Resizing", "{\"height\":4,\"width\":4,\"antialias\":true}", "8,8,3", MR_EUNSUPPORTED,
     "\"antialias\" is not supported"},
    {"Conv2D", "{\"filters\":\"many\",\"kernel_size\":3}", "8,8,3", MR_EINVAL, "filters"},
    {"Conv2D", "{\"filters\":99999999999,\"kernel_size\":3}", "8,8,3", MR_EINVAL, "filters"},
    {"Conv2D", "{\"filters\":4,\"kernel_size\":[3,3,3]}", "8,8,3", MR_EINVAL, "kernel_size"},
    {"Conv2D", "{\"filters\":4,\"kernel_size\":[3,-1]}", "8,8,3", MR_EINVAL, "kernel_size"},
    {"Conv2D", "{\"filters\":4,\"kernel_size\":[3,\"3\"]}", "8,8,3", MR_EINVAL, "kernel_size"},
    {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"strides\":0}", "8,8,3", MR_EINVAL, "strides"},
    {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"use_bias\":1}", "8,8,3", MR_EINVAL, "use_bias"},
    {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"groups\":2}", "8,8,3", MR_EINVAL, "groups"},
    {"Conv2D", "{\"filters\":3,\"kernel_size\":3,\"groups\":2}", "8,8,4", MR_EINVAL, "groups"},
    {"Conv2D", "{\"filters\":3,\"kernel_size\":9}", "8,8,4", MR_EINVAL, "does not fit"},
    {"Conv2D", "{\"filters\":3,\"kernel_size\":3,\"dilation_rate\":4}", "8,8,4", MR_EINVAL, "does not fit"},
    {"Conv2D", "{\"filters\":3,\"kernel_size\":16777216,\"dilation_rate\":16777216,\"padding\":\"same\"}",
     "8,8,4", MR_EINVAL, "window"},
    {"Conv2D", "{\"filters\":3,\"kernel_size\":3,\"padding\":\"causal\"}", "8,8,4", MR_EINVAL, "padding"},
    {"Conv2D", "{\"filters\":3,\"kernel_size\":3}", "8,8", MR_EINVAL, "rank"},
    {"Conv2D", "{\"filters\":16777216,\"kernel_size\":60,\"padding\":\"same\"}", "8,8,4", MR_ELIMIT,
     "kernel"},
    {"Conv2D", "{\"filters\":16777216,\"kernel_size\":1}", "80,80,4", MR_ELIMIT, "tested"},
    {"Dense", "{}", "8", MR_EINVAL, "units"},
    {"Dense", "{\"units\":3,\"kernel_regularizer\":7}", "8", MR_EINVAL, "kernel_regularizer"},
    {"Conv2DTranspose", "{\"filters\":3,\"kernel_size\":3,\"strides\":2,\"output_padding\":2}", "8,8,4",
     MR_EINVAL, "output_padding"},
    {"BatchNormalization", "{\"momentum\":\"slow\"}", "8,8,3", MR_EINVAL, "momentum"},
    {"BatchNormalization", "{\"axis\":7}", "8,8,3", MR_EINVAL, "axis"},
    {"GroupNormalization", "{\"groups\":5}", "8,8,3", MR_EINVAL, "groups"},
    {"LayerNormalization", "{\"axis\":[9]}", "8,8,3", MR_EINVAL, "axis"},
    {"PReLU", "{\"shared_axes\":[0]}", "8,8,3", MR_EINVAL, "shared_axes"},
    {"MaxPooling2D", "{\"pool_size\":9}", "8,8,3", MR_EINVAL, "does not fit"},
    {"Cropping2D", "{\"cropping\":4}", "8,8,3", MR_EINVAL, "no elements"},
    {"Cropping2D", "{\"cropping\":[[1,2],[3]]}", "8,8,3", MR_EINVAL, "cropping"},
    {"ZeroPadding2D", "{\"padding\":-1}", "8,8,3", MR_EINVAL, "padding"},
    {"UpSampling2D", "{\"size\":16777216}", "8,8,3", MR_ELIMIT, "tested"},
    {"Resizing", "{\"height\":5}", "8,8,3", MR_EINVAL, "width"},
    {"Reshape", "{\"target_shape\":[-1,-1]}", "8,8,3", MR_EINVAL, "target_shape"},
    {"Reshape", "{\"target_shape\":[-1,5]}", "8,8,3", MR_EINVAL, "cannot become"},
    {"Reshape", "{\"target_shape\":[8,0]}", "8,8,3", MR_EINVAL, "target_shape"},
    {"Reshape", "{\"target_shape\":[4,4]}", "8,8,3", MR_EINVAL, "cannot become"},
    {"Permute", "{\"dims\":[1,1,2]}", "8,8,3", MR_EINVAL, "dims"},
    {"Permute", "{\"dims\":[2,1]}", "8,8,3", MR_EINVAL, "rank"},
    {"Dropout", "{\"rate\":1.5}", "8,8,3", MR_EINVAL, "rate"},
    {"Dropout", "{\"rate\":0.5,\"noise_shape\":[null,1]}", "8,8,3", MR_EINVAL, "noise_shape"},
    {"Add", "{}", "8,8,3", MR_EINVAL, "two or more"},
    {"Add", "{}", "8,8,3;8,7,3", MR_EINVAL, "do not fit"},
    {"Subtract", "{}", "8;8;8", MR_EINVAL, "two tensors"},
    {"Concatenate", "{\"axis\":-1}", "8,8,3;8,7,3", MR_EINVAL, "do not fit"},
    {"Normalization", "{\"mean\":[1,2],\"variance\":1}", "8,8,3", MR_EINVAL, "mean"},
    {"Normalization", "{\"mean\":1}", "8,8,3", MR_EINVAL, "variance"},
    {"Normalization", "{\"mean\":1,\"variance\":-2}", "8,8,3", MR_EINVAL, "variance"},
    {"Rescaling", "{\"scale\":\"1/255\"}", "8,8,3", MR_EINVAL, "scale"},
    {"RandomRotation", "{\"factor\":2}", "8,8,3", MR_EINVAL, "factor"},
    {"RandomContrast", "{\"factor\":[1]}", "8,8,3", MR_EINVAL, "factor"},
    {"InputLayer", "{\"batch_shape\":7}", "", MR_EINVAL, "batch_shape"},
    {"InputLayer", "{\"batch_shape\":[null,null,3]}", "", MR_EINVAL, "tested"},
    {"Conv2DTranspose", "{\"kernel_size\":3}", "8,8,4", MR_EINVAL, "filters"},
    {"Conv2DTranspose", "{\"filters\":3,\"kernel_size\":3}", "8,4", MR_EINVAL, "rank"},
    {"SeparableConv2D", "{\"kernel_size\":3}", "8,8,4", MR_EINVAL, "filters"},
    {"GroupNormalization", "{\"groups\":0}", "8,8,3", MR_EINVAL, "groups"},
    {"Dense", "{\"units\":3,\"kernel_regularizer\":{\"config\":{}}}", "8", MR_EINVAL, "kernel_regularizer"},
    {"GlobalAveragePooling2D", "{}", "8,8", MR_EINVAL, "rank"},
    {"ReLU", "{\"max_value\":\"six\"}", "8", MR_EINVAL, "max_value"},
    {"PReLU", "{\"shared_axes\":1}", "8,8,3", MR_EINVAL, "shared_axes"},
    {"Permute", "{\"dims\":3}", "8,8,3", MR_EINVAL, "dims"},
    {"Dropout", "{\"rate\":0.5,\"noise_shape\":7}", "8,8,3", MR_EINVAL, "noise_shape"},
    {"GaussianNoise", "{\"stddev\":-1}", "8", MR_EINVAL, "stddev"},
    {"GaussianDropout", "{\"rate\":1}", "8", MR_EINVAL, "rate"},
    {"RandomContrast", "{\"factor\":0.3,\"value_range\":[2,1]}", "8,8,3", MR_EINVAL, "value_range"},
    {"RandomZoom", "{\"height_factor\":\"big\"}", "8,8,3", MR_EINVAL, "height_factor"},
    {"InputLayer", "{\"batch_shape\":[null,-3]}", "", MR_EINVAL, "batch_shape"},
};

static void bad_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_configurations / sizeof *bad_configurations; i++)
        check_refusal(&bad_configurations[i]);
}

static void refused_features(void **state)
{
    (void)state;
    static const struct refusal table[] = {
        {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"data_format\":\"channels_first\"}", "8,8,3",
         MR_EUNSUPPORTED, "channels_first"},
        {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"padding\":\"reflect\"}", "8,8,3", MR_EUNSUPPORTED,
         "reflect"},
        {"Conv2D", "{\"filters\":4,\"kernel_size\":3,\"activation\":\"wavy\"}", "8,8,3", MR_EUNSUPPORTED,
         "wavy"},
        {"Dense",
         "{\"units\":4,\"kernel_regularizer\":{\"class_name\":\"OrthogonalRegularizer\",\"config\":{}}}", "8",
         MR_EUNSUPPORTED, "OrthogonalRegularizer"},
        {"Dense", "{\"units\":4,\"quantization_config\":{}}", "8", MR_EUNSUPPORTED, "quantization_config"},
        {"BatchNormalization", "{\"axis\":1}", "8,8,3", MR_EUNSUPPORTED, "axis"},
        {"BatchNormalization", "{\"renorm\":true}", "8,8,3", MR_EUNSUPPORTED, "renorm"},
        {"LayerNormalization", "{\"axis\":[1]}", "8,8,3", MR_EUNSUPPORTED, "axis"},
        {"LayerNormalization", "{\"rms_scaling\":true}", "8,8,3", MR_EUNSUPPORTED, "rms_scaling"},
        {"Softmax", "{\"axis\":1}", "8,8,3", MR_EUNSUPPORTED, "axis"},
        {"Concatenate", "{\"axis\":0}", "8;8", MR_EUNSUPPORTED, "axis"},
        {"Resizing", "{\"height\":5,\"width\":5,\"interpolation\":\"lanczos3\"}", "8,8,3", MR_EUNSUPPORTED,
         "lanczos3"},
        {"Resizing", "{\"height\":5,\"width\":5,\"pad_to_aspect_ratio\":true}", "8,8,3", MR_EUNSUPPORTED,
         "pad_to_aspect_ratio"},
        {"AlphaDropout", "{\"rate\":0.1,\"noise_shape\":[1]}", "8", MR_EUNSUPPORTED, "noise_shape"},
        {"Dropout", "{\"rate\":0.1,\"noise_shape\":[4,1]}", "8", MR_EUNSUPPORTED, "noise_shape"},
        {"MaxPooling2D", "{\"pool_size\":300,\"padding\":\"same\"}", "8,8,3", MR_EUNSUPPORTED, "pool_size"},
        {"ELU", "{\"alpha\":-1}", "8", MR_EUNSUPPORTED, "alpha"},
        {"Normalization", "{\"axis\":1}", "8,8,3", MR_EUNSUPPORTED, "axis"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check_refusal(&table[i]);
    assert_null(mr_layer_class_find("Lambda"));
    assert_null(mr_layer_class_find("LSTM"));
    assert_null(mr_layer_class_find(""));
}

/* --- regularizers, constraints --------------------------------------------- */

static void check_regularizer(const char *json, double l1, double l2)
{
    tested t;
    mr_error e = {0};
    char config[512];
    snprintf(config, sizeof config, "{\"units\":4,\"kernel_regularizer\":%s}", json);
    assert_int_equal(create(&t, "Dense", config, "3", &e), 0);
    assert_true(t.layer.param[0].l1 == l1 && t.layer.param[0].l2 == l2);
    assert_true(t.layer.param[1].l1 == 0 && t.layer.param[1].l2 == 0);
    tested_free(&t);
}

static void regularizers(void **state)
{
    (void)state;
    check_regularizer("null", 0, 0);
    check_regularizer("\"l2\"", 0, 0.01);
    check_regularizer("\"l1_l2\"", 0.01, 0.01);
    check_regularizer("{\"class_name\":\"L2\",\"config\":{\"l2\":0.0005}}", 0, 0.0005);
    check_regularizer("{\"class_name\":\"L1\",\"config\":{\"l1\":0.25}}", 0.25, 0);
    check_regularizer("{\"class_name\":\"L1L2\",\"config\":{\"l1\":0,\"l2\":0.5}}", 0, 0.5);
    check_regularizer("{\"class_name\":\"L1L2\",\"config\":{\"l2\":0.5}}", 0, 0.5);
}

static void check_untrained(const char *class, const char *config, const char *key)
{
    tested t;
    mr_error e = {0};
    assert_int_equal(create(&t, class, config, "3", &e), 0);
    const char *is = mr_layer_untrained_key(&t.layer);
    assert_true(key ? is && !strcmp(is, key) : !is);
    tested_free(&t);
}

static void what_training_does_not_honour(void **state)
{
    (void)state;
    check_untrained("Dense", "{\"units\":4,\"kernel_constraint\":null}", NULL);
    check_untrained("Dense", "{\"units\":4,\"kernel_constraint\":{\"class_name\":\"MaxNorm\",\"config\":{}}}",
                    "kernel_constraint");
    check_untrained("Dense", "{\"units\":4,\"activity_regularizer\":\"l2\"}", NULL);
}

/* --- the table ------------------------------------------------------------- */

static void table_is_sound(void **state)
{
    (void)state;
    for (int i = 0; mr_layer_classes[i]; i++) {
        const mr_layer_class *c = mr_layer_classes[i];
        assert_ptr_equal(mr_layer_class_find(c->name), c); /* and so its name is there once */
        assert_non_null(c->output_shape);
        assert_non_null(c->forward);
        assert_true(c->alias || c->backward);
        assert_true(!c->update_state || c->build);
        for (const mr_config_field *f = c->fields; f && f->key; f++) {
            assert_ptr_equal(mr_layer_field(c, f->key), f); /* each key has one row */
            assert_true(!f->offset || (f->read && f->offset < c->size));
        }
        assert_null(mr_layer_field(c, "no such key"));
    }
}

/* --- the keys that Keras writes -------------------------------------------- */

static int check_keys(const char *class, const json_t *config)
{
    const mr_layer_class *c = mr_layer_class_find(class);
    const char *key;
    json_t *value;
    int keys = 0, should = 0;
    if (!c)
        return 0;
    json_object_foreach((json_t *)config, key, value)
    {
        if (!strcmp(key, "name") || !strcmp(key, "trainable") || !strcmp(key, "dtype"))
            continue;
        if (!mr_layer_field(c, key))
            fail_msg("%s: Keras writes \"%s\"", class, key);
        keys++;
    }
    for (const mr_config_field *f = c->fields; f && f->key; f++)
        should++;
    if (keys != should)
        fail_msg("%s: Keras writes %d keys, not %d", class, keys, should);
    return 1;
}

static int walk(const json_t *j)
{
    int found = 0;
    const char *class = json_string_value(json_object_get(j, "class_name")),
               *module = json_string_value(json_object_get(j, "module"));
    const char *key;
    json_t *value;
    size_t i;
    if (class && module && !strcmp(module, "keras.layers"))
        found += check_keys(class, json_object_get(j, "config"));
    json_object_foreach((json_t *)j, key, value) found += walk(value);
    json_array_foreach(j, i, value) found += walk(value);
    return found;
}

static json_t *read_config(const char *path)
{
    zip_t *z = zip_open(path, ZIP_RDONLY, NULL);
    zip_stat_t stat;
    assert_non_null(z);
    assert_int_equal(zip_stat(z, "config.json", 0, &stat), 0);
    char *text = malloc(stat.size);
    zip_file_t *f = zip_fopen(z, "config.json", 0);
    assert_int_equal(zip_fread(f, text, stat.size), stat.size);
    zip_fclose(f);
    zip_close(z);
    json_t *json = json_loadb(text, stat.size, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

static void keys_are_keras_s(void **state)
{
    (void)state;
    char folder[1000], path[2000];
    snprintf(folder, sizeof folder, "%s", shared_or_skip("golden/layers"));
    DIR *d = opendir(folder);
    int found = 0;
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 6 || strcmp(e->d_name + n - 6, ".keras"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        json_t *json = read_config(path);
        found += walk(json);
        json_decref(json);
    }
    closedir(d);
    assert_true(found > 200);
}

static int create_team(void **state)
{
    (void)state;
    return mr_team_create(&team, 2, NULL);
}

static int destroy_team(void **state)
{
    (void)state;
    mr_team_destroy(team);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(refused_features),
        cmocka_unit_test(regularizers),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(keys_are_keras_s),
        cmocka_unit_test(what_training_does_not_honour),
    };
    return cmocka_run_group_tests(tests, create_team, destroy_team);
}
