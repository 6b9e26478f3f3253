/* SPDX-License-Identifier: Apache-2.0 */
/* What all layers share: refusing a configuration or an input. */
#include "nn/graph/layer.h"

#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>

static int fail_in_layer(const mr_layer *l, mr_error *e, int code, const char *format, va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    return mr_fail(e, code, "layer '%s' (%s): %s", l->name, l->class->name, text);
}

int mr_layer_refuse(const mr_layer *l, mr_error *e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = fail_in_layer(l, e, MR_EUNSUPPORTED, format, arguments);
    va_end(arguments);
    return code;
}

int mr_layer_invalid(const mr_layer *l, mr_error *e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = fail_in_layer(l, e, MR_EINVAL, format, arguments);
    va_end(arguments);
    return code;
}

int64_t mr_conv_output_length(int64_t in, int64_t effective, int64_t stride, bool same, int64_t *pad_before)
{
    int64_t out = same ? (in + stride - 1) / stride : in < effective ? 0 : (in - effective) / stride + 1;
    int64_t pad = same ? (out - 1) * stride + effective - in : 0;
    *pad_before = pad > 0 ? pad / 2 : 0;
    return out;
}

const char *mr_layer_untrained_key(const mr_layer *l)
{
    const char *key;
    json_t *value;
    json_object_foreach(l->config, key, value)
    {
        if (!json_is_null(value) && mr_ends_with(key, "_constraint"))
            return key;
    }
    return NULL;
}
