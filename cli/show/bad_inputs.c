/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/bad_inputs.h"

enum { WARNINGS = 20, REASONS_SHOWN = 12 };

void mr_bad_inputs_add(mr_bad_inputs *b, mr_progress *p, const char *path, const char *reason, bool output)
{
    mr_tally_add(&b->reasons, reason, 1);
    if (++b->count <= WARNINGS)
        mr_progress_message(p, MR_LOG_WARNING, "%s: %s (skipped)", path, reason);
    if (b->count == WARNINGS)
        mr_progress_message(p, MR_LOG_WARNING,
                            output ? "further ones have their reason in the output alone"
                                   : "further ones are counted at the end");
}

void mr_bad_inputs_end(mr_bad_inputs *b, mr_progress *p)
{
    mr_text text = {0};
    mr_tally_text(&text, &b->reasons, REASONS_SHOWN);
    if (text.length)
        mr_progress_message(p, MR_LOG_WARNING, "not used: %s", mr_text_string(&text));
    mr_text_destroy(&text);
}
