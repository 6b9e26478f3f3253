/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/class_name.h"

void mr_class_name_append(mr_text *out, const char *folder)
{
    for (size_t size; *folder; folder += size) {
        bool valid = mr_utf8_next(folder, &size) != 0xfffd || size > 1;
        if (valid)
            mr_text_append_bytes(out, folder, size);
        else
            mr_text_format(out, "\\x%02x", (unsigned char)*folder);
    }
}

char *mr_class_name_of(const char *folder)
{
    mr_text name = {0};
    mr_text_append(&name, "");
    mr_class_name_append(&name, folder);
    if (!name.failed)
        return name.data;
    mr_text_destroy(&name);
    return NULL;
}
