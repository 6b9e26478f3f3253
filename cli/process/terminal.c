/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process/terminal.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

int mr_terminal_columns(FILE *file)
{
    struct winsize size;
    int fd = fileno(file);
    if (fd < 0 || !isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80; /* a terminal that does not say, such as a serial line */
    return size.ws_col;
}

static bool names_utf8(const char *locale)
{
    const char *codeset = strchr(locale, '.');
    return codeset && (strncasecmp(codeset, ".utf-8", 6) == 0 || strncasecmp(codeset, ".utf8", 5) == 0);
}

bool mr_terminal_is_utf8(FILE *file)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    if (mr_terminal_columns(file) == 0)
        return false;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return names_utf8(value);
    }
    return false;
}

/* Without memory for the clean line: its beginning, byte by byte. */
static void print_plain(FILE *file, const char *line)
{
    for (; *line; line++)
        fputc((unsigned char)*line < 0x20 || (unsigned char)*line >= 0x7f ? '?' : *line, file);
    fputc('\n', file);
}

void mr_print_line(FILE *file, const char *format, ...)
{
    char start[1024];
    char *line = NULL;
    mr_text clean = {0};
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    vsnprintf(start, sizeof start, format, again);
    va_end(again);
    if (vasprintf(&line, format, args) < 0)
        line = NULL;
    va_end(args);
    if (line)
        mr_text_append_clean(&clean, line);
    mr_text_append_char(&clean, '\n');
    if (line && !clean.failed)
        fwrite(clean.data, 1, clean.length, file);
    else
        print_plain(file, start);
    mr_text_destroy(&clean);
    free(line);
}
