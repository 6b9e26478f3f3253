/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: the input's lines are the words, the first byte chooses the command. Every text that has
 * a form of its own is read by its reader too. */
#include "tests/fuzz/fuzz.h"

#include "cli/option/options.h"

#include <math.h>
#include <string.h>

enum { MAX_WORDS = 40, MAX_BYTES = 4096 };

static void read_forms(const char *text)
{
    mr_error e = {0};
    double number, range[2];
    int list[8], count, height, width;
    mr_interval interval;
    int status = mr_parse_quotient("rescale", text, &number, &e);
    fuzz_judge(status, &e);
    if (!status && !isfinite(number))
        fuzz_fail("a quotient that is no number");
    mr_error_clear(&e);
    status = mr_parse_ints("stages", text, 1, 1000, list, 8, &count, &e);
    fuzz_judge(status, &e);
    for (int i = 0; !status && i < count; i++)
        if (list[i] < 1 || list[i] > 1000)
            fuzz_fail("a list's number out of its range");
    mr_error_clear(&e);
    status = mr_parse_size("image-size", text, &height, &width, &e);
    fuzz_judge(status, &e);
    if (!status && (height < 1 || width < 1))
        fuzz_fail("a size below 1");
    for (int spread = 0; spread < 2; spread++) {
        mr_error_clear(&e);
        fuzz_judge(mr_parse_range("zoom-range", text, spread, range, &e), &e);
    }
    mr_error_clear(&e);
    fuzz_judge(mr_parse_interval("checkpoint-every", text, &interval, &e), &e);
}

static void check_ranges(const mr_cli *c)
{
    for (int i = 0; i < mr_option_count; i++) {
        const mr_option *o = &mr_options[i];
        const void *field = (const char *)c + o->field;
        double value = 0;
        if (!c->given[i])
            continue;
        if (o->type == MR_INT)
            value = *(const int *)field;
        else if (o->type == MR_INT64)
            value = (double)*(const int64_t *)field;
        else if (o->type == MR_NUMBER)
            value = *(const double *)field;
        else
            continue;
        if (!(value >= o->low && value <= o->high))
            fuzz_fail("an option's number out of its range");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MAX_BYTES + 1], *words[MAX_WORDS + 2] = {"train"};
    int count = 1;
    mr_cli c;
    mr_error e = {0};
    if (size < 1 || size > MAX_BYTES)
        return 0;
    unsigned command = 1u << (data[0] % 7);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    for (char *word = strtok(text, "\n"); word && count <= MAX_WORDS; word = strtok(NULL, "\n"))
        words[count++] = word;
    mr_cli_default(&c);
    int status = mr_cli_parse(&c, count, words, command, &e);
    fuzz_judge(status, &e);
    if (!status)
        check_ranges(&c);
    for (int i = 0; i < count; i++)
        read_forms(words[i]);
    mr_cli_free(&c);
    return 0;
}
