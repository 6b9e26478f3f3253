/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Control characters, also the ones that take two bytes in UTF-8 (U+0080 … U+009F): a terminal obeys both. */
static void one_line(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
            c[0] = c[1] = '?';
}

int mr_fail(mr_error *e, int code, const char *format, ...)
{
    if (!e || e->code)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    one_line(e->message);
    e->hint[0] = '\0';
    e->code = code;
    return code;
}

int mr_fail_errno(mr_error *e, int sys_errno, const char *format, ...)
{
    int code = sys_errno == ENOENT                          ? MR_ENOTFOUND
               : sys_errno == ENOMEM || sys_errno == EAGAIN ? MR_ENOMEM
                                                            : MR_EIO;
    if (!e || e->code)
        return code;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    char reason[128];
    const char *text = strerror_r(sys_errno, reason, sizeof reason);
    if (n >= 0 && (size_t)n < sizeof e->message)
        snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s", text);
    one_line(e->message);
    e->hint[0] = '\0';
    e->code = code;
    return code;
}

int mr_no_memory(mr_error *e, const char *what, ...)
{
    char text[sizeof e->message];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    return mr_fail(e, MR_ENOMEM, "out of memory for %s", text);
}

int mr_hint(mr_error *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    if (!e->hint[0]) {
        va_list args;
        va_start(args, format);
        vsnprintf(e->hint, sizeof e->hint, format, args);
        va_end(args);
        one_line(e->hint);
    }
    return e->code ? e->code : code;
}

int mr_fail_as(mr_error *e, const mr_error *why)
{
    if (why->code && e && !e->code)
        *e = *why;
    return why->code;
}

void mr_error_clear(mr_error *e)
{
    memset(e, 0, sizeof *e);
}
