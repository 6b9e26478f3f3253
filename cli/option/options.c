/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/options.h"

#include "cli/option/names.h"
#include "base/text.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *option, const char *text, const char *expected, mr_error *e)
{
    return mr_fail(e, MR_EUSAGE, "--%s: expected %s, got '%s'", option, expected, text);
}

static int parse_number(const mr_option *o, const char *text, double *out, mr_error *e)
{
    char *end, expected[96];
    bool whole = o->type != MR_NUMBER;
    errno = 0;
    *out = strtod(text, &end);
    if (end != text && !*end && !errno && *out >= o->low && *out <= o->high &&
        (!whole || *out == floor(*out)))
        return 0;
    if (o->high > 1e15)
        snprintf(expected, sizeof expected, "a%s number of at least %g", whole ? " whole" : "", o->low);
    else
        snprintf(expected, sizeof expected, "a%s number of %.10g to %.10g", whole ? " whole" : "", o->low,
                 o->high);
    return bad(o->name, text, expected, e);
}

static int set_option(mr_cli *c, const mr_option *o, const char *text, mr_error *e)
{
    void *field = (char *)c + o->field;
    double number = 0;
    int status = o->type == MR_INT || o->type == MR_INT64 || o->type == MR_NUMBER
                     ? parse_number(o, text, &number, e)
                     : 0;
    if (status)
        return status;
    switch (o->type) {
    case MR_FLAG:
        *(bool *)field = true;
        break;
    case MR_TEXT:
        *(const char **)field = text;
        break;
    case MR_INT:
        *(int *)field = (int)number;
        break;
    case MR_INT64:
        *(int64_t *)field = (int64_t)number;
        break;
    case MR_NUMBER:
        *(double *)field = number;
        break;
    case MR_LIST: {
        mr_list *list = field;
        if (list->count == MR_CLI_LIST)
            return mr_fail(e, MR_EUSAGE, "--%s is given more than %d times", o->name, (int)MR_CLI_LIST);
        list->item[list->count++] = text;
        break;
    }
    }
    c->given[o - mr_options] = 1;
    return 0;
}

static struct option *long_options(unsigned command)
{
    struct option *all = calloc((size_t)mr_option_count + 1, sizeof *all), *next = all;
    for (int i = 0; all && i < mr_option_count; i++)
        if (mr_options[i].traits & command)
            *next++ = (struct option){
                mr_options[i].name, mr_options[i].argument ? required_argument : no_argument, NULL, 256 + i};
    return all;
}

int mr_cli_parse(mr_cli *c, int argc, char **argv, unsigned command, mr_error *e)
{
    struct option *table = long_options(command);
    c->command = argv[0];
    c->bit = command;
    c->given = calloc((size_t)mr_option_count, 1);
    if (!table || !c->given) {
        free(table);
        return mr_no_memory(e, "the command line");
    }
    int status = 0, key;
    opterr = 0;
    optind = 0;
    while (!status && (key = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (key == ':')
            status = mr_fail(e, MR_EUSAGE, "%s requires an argument", argv[optind - 1]);
        else if (key == 'h')
            c->help = true;
        else if (key == '?')
            status = mr_hint(e, mr_fail(e, MR_EUSAGE, "unknown option: %s", argv[optind - 1]),
                             "millrace %s --help lists them", c->command);
        else
            status = set_option(c, &mr_options[key - 256], optarg, e);
    }
    free(table);
    c->operands = argc - optind;
    c->operand = argv + optind;
    return status;
}

void mr_cli_free(mr_cli *c)
{
    free(c->given);
    c->given = NULL;
}

bool mr_cli_given(const mr_cli *c, const char *name)
{
    for (int i = 0; i < mr_option_count && c->given; i++)
        if (c->given[i] && !strcmp(mr_options[i].name, name))
            return true;
    return false;
}

bool mr_option_is_of_data(const mr_option *o)
{
    return (o->traits & MR_READS) && (o->traits & MR_MAY_CHANGE);
}

const char *mr_cli_given_of(const mr_cli *c, unsigned marks)
{
    for (int i = 0; i < mr_option_count && c->given; i++)
        if (c->given[i] && mr_options[i].traits & marks)
            return mr_options[i].name;
    return NULL;
}

/* Prints TEXT from column 34 on, in lines of some 80 columns; the cursor is there already. */
static void print_wrapped(const char *text)
{
    enum { INDENT = 34, WIDTH = 80 };
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > 0 && column + 1 + word > WIDTH) {
            printf("\n%*s", INDENT, "");
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)word, text);
        text += word + (text[word] == ' ');
    }
    printf("\n");
}

/* What an option does; then the names that it takes. */
static void print_help(const mr_option *o, unsigned command)
{
    char text[MR_NAMES_TEXT + 512], names[MR_NAMES_TEXT];
    bool size = !strcmp(o->name, "image-size"); /* only training makes new networks */
    if ((size && command != MR_FOR_TRAIN) || !*mr_cli_names(o->name, names))
        snprintf(text, sizeof text, "%s", o->help);
    else
        snprintf(text, sizeof text, "%s%s: %s", o->help, size ? "; built-in networks" : "", names);
    print_wrapped(text);
}

void mr_cli_print_options(unsigned command)
{
    const char *group = NULL;
    for (int i = 0; i < mr_option_count; i++) {
        const mr_option *o = &mr_options[i];
        char left[64];
        if (!(o->traits & command))
            continue;
        if (o->group != group)
            printf("\n%s:\n", o->group);
        group = o->group;
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        int columns = (int)mr_utf8_columns(left);
        if (columns > 30)
            printf("  %s\n  %30s  ", left, "");
        else
            printf("  %s%*s  ", left, 30 - columns, "");
        print_help(o, command);
    }
}

int mr_parse_quotient(const char *option, const char *text, double *out, mr_error *e)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && *end == '/') {
        const char *rest = end + 1;
        double divisor = strtod(rest, &end);
        value = end != rest && divisor != 0 ? value / divisor : NAN;
    }
    if (end == text || *end || !isfinite(value))
        return bad(option, text, "a number or a quotient such as 1/255", e);
    *out = value;
    return 0;
}

int mr_parse_ints(const char *option, const char *text, int low, int high, int *out, int max, int *count,
                  mr_error *e)
{
    char expected[96];
    const char *p = text;
    snprintf(expected, sizeof expected, "a list of whole numbers of %d to %d, as in 2,2,3,", low, high);
    for (*count = 0;; p++) {
        char *end;
        long value = strtol(p, &end, 10);
        if (end == p || value < low || value > high || *count == max || (*end && *end != ','))
            return bad(option, text, expected, e);
        out[(*count)++] = (int)value;
        p = end;
        if (!*p)
            return 0;
    }
}

int mr_parse_size(const char *option, const char *text, int *height, int *width, mr_error *e)
{
    char *end;
    long h = strtol(text, &end, 10), w = h;
    bool one = end != text && !*end;
    if (end != text && (*end == 'x' || *end == 'X')) {
        const char *rest = end + 1;
        w = strtol(rest, &end, 10);
        one = end != rest && !*end;
    }
    if (!one || h < 1 || w < 1 || h > 65500 || w > 65500)
        return bad(option, text, "HEIGHTxWIDTH in pixels, as in 64x64,", e);
    *height = (int)h;
    *width = (int)w;
    return 0;
}

int mr_parse_range(const char *option, const char *text, bool spread, double out[2], mr_error *e)
{
    char *end;
    out[0] = out[1] = strtod(text, &end);
    bool right = end != text;
    if (right && *end == ',') {
        const char *rest = end + 1;
        out[1] = strtod(rest, &end);
        right = end != rest && !*end;
    } else if (spread) {
        right = right && !*end;
        out[1] = 1 + out[0];
        out[0] = 2 - out[1];
    } else {
        right = false;
    }
    if (!right || !isfinite(out[0]) || !isfinite(out[1]) || out[0] > out[1] || out[0] < 0)
        return bad(option, text, spread ? "a share F or a range A,B" : "a range A,B", e);
    return 0;
}

/* One interval into its field of OUT; *REST: what stands behind it. */
static bool take_interval(const char *text, mr_interval *out, const char **rest)
{
    static const struct {
        const char *unit;
        char field;
        double factor;
    } units[] = {{"epochs", 'e', 1}, {"epoch", 'e', 1}, {"steps", 's', 1}, {"step", 's', 1}, {"min", 't', 60}, {"s", 't', 1}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units && end != text; i++) {
        size_t n = strlen(units[i].unit);
        if (strncmp(end, units[i].unit, n) || (end[n] && end[n] != ','))
            continue;
        *rest = end + n;
        if (units[i].field == 't') {
            out->seconds = units[i].factor * value;
            return value > 0 && value < 1e9;
        }
        if (units[i].field == 'e')
            out->epochs = value >= 1 && value < 1e9 ? (int)value : 0;
        else
            out->steps = value >= 1 && value < 1e15 ? (int64_t)value : 0;
        return value >= 1 && value == floor(value) && value < (units[i].field == 'e' ? 1e9 : 1e15);
    }
    return false;
}

int mr_parse_interval(const char *option, const char *text, mr_interval *out, mr_error *e)
{
    const char *rest = text;
    memset(out, 0, sizeof *out);
    do {
        if (!take_interval(rest + (*rest == ','), out, &rest))
            return bad(option, text, "an interval such as 1epoch, 200steps or 10min", e);
    } while (*rest == ',');
    return 0;
}
