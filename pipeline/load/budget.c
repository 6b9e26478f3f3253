/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/load/budget.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

mr_budget mr_budget_default(void)
{
    return (mr_budget){.most = -1, .percent = 5};
}

int mr_budget_parse(mr_budget *b, const char *text, mr_error *e)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    bool percent = end[0] == '%' && !end[1];
    if (end == text || errno || !(value >= 0) ||
        (!percent && (*end || value != floor(value) || value > 1e15)) || (percent && value > 100))
        return mr_fail(e, MR_EUSAGE, "--max-errors: expected a count or a percentage (20, 5%%), got '%s'",
                       text);
    b->most = percent ? -1 : (int64_t)value;
    b->percent = percent ? value : 0;
    return 0;
}

static int64_t allowed(const mr_budget *b, int64_t total)
{
    return b->most >= 0 ? b->most : (int64_t)ceil((double)total * b->percent / 100);
}

static int over(const mr_budget *b, int64_t total, mr_error *e)
{
    int status = mr_fail(e, MR_ELIMIT, "%lld inputs could not be used, %lld are allowed",
                         (long long)b->errors, (long long)allowed(b, total));
    return mr_hint(e, status, "fix or remove them, or give --max-errors N or P%%");
}

int mr_budget_spend(mr_budget *b, int64_t total, const char *path, const char *reason, mr_error *e)
{
    b->errors++;
    if (b->fail)
        return mr_hint(e, mr_fail(e, MR_EFORMAT, "%s: %s", path, reason),
                       "--on-error skip passes over such files");
    if ((b->most >= 0 || total > 0) && b->errors > allowed(b, total)) {
        int status = mr_fail(e, MR_ELIMIT, "%s: %s: over the %lld unusable inputs that are allowed", path,
                             reason, (long long)allowed(b, total));
        return mr_hint(e, status, "fix or remove them, or give --max-errors N or P%%");
    }
    return 0;
}

int mr_budget_check(const mr_budget *b, int64_t total, mr_error *e)
{
    return b->errors > allowed(b, total) ? over(b, total, e) : 0;
}
