/* SPDX-License-Identifier: Apache-2.0 */
/* model_config, config.json, to_json(): text of any dialect of Keras to a graph that has run once, and back
 * to text. */
#include "tests/fuzz/fuzz.h"

#include "base/json_read.h"
#include "io/keras/canonical.h"
#include "io/model_file/model_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mr_keras_origin origin = {0};
    json_t *config = NULL;
    mr_model *model = NULL;
    mr_error e = {0};
    int status = mr_keras_parse_config(&config, &origin, (const char *)data, size, "the input", &e);
    if (!status)
        status = mr_model_from_config(&model, json_incref(config), &e);
    fuzz_judge(status, &e);
    if (!status)
        fuzz_forward(model->graph);
    mr_model_free(model);
    json_decref(config);
    mr_keras_origin_clear(&origin);
    return 0;
}
