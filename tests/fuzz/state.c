/* SPDX-License-Identifier: Apache-2.0 */
/* The run's state in a checkpoint: text and the history's table to a state, written and read again without change, and the graph that
 * a resumed run makes of its architecture, whose words no reader of Keras's dialects has seen. */
#include "tests/fuzz/fuzz.h"

#include "nn/graph/graph.h"
#include "pipeline/checkpoint/run_state.h"

#include <stdlib.h>
#include <string.h>

static void write_again(const mr_run_state *s, double score)
{
    mr_run_state again;
    mr_error e = {0};
    char *first = mr_run_state_text(s, score), *second;
    mr_history_rows rows = {NULL, (size_t)s->history.count, (size_t)mr_history_width(&s->history)};
    double *table = malloc(rows.rows * rows.width * sizeof *table + 1);
    if (!first || !table)
        fuzz_fail("a state that was read cannot be written");
    mr_history_table(table, &s->history);
    rows.number = table;
    int status = mr_run_state_parse(&again, &score, first, strlen(first), rows, &e);
    fuzz_judge(status, &e);
    if (status)
        fuzz_fail("a state that we wrote cannot be read");
    second = mr_run_state_text(&again, score);
    if (!second || strcmp(first, second))
        fuzz_fail("a state changes when it is read and written");
    mr_run_state_clear(&again);
    free(table);
    free(first);
    free(second);
}

static void build(const mr_run_state *s)
{
    mr_graph *g = NULL;
    mr_error e = {0};
    if (!s->architecture)
        return;
    int status = mr_graph_create(&g, s->architecture, s->input.rank ? &s->input : NULL, &e);
    fuzz_judge(status, &e);
    if (!status)
        fuzz_forward(g);
    mr_graph_free(g);
}

/* What follows the text: a 0, a byte that says how many columns there are, the numbers. */
static mr_history_rows history(double **table, const uint8_t *data, size_t size)
{
    size_t width = size > 2 ? data[1] : 0, count = size > 2 ? (size - 2) / sizeof **table : 0;
    *table = malloc(count * sizeof **table + 1);
    if (!*table)
        fuzz_fail("out of memory");
    if (count)
        memcpy(*table, data + 2, count * sizeof **table);
    return (mr_history_rows){*table, width ? count / width : 0, width};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mr_run_state s, copy;
    mr_error e = {0};
    double score = 0;
    size_t text = strnlen((const char *)data, size);
    double *table;
    mr_history_rows rows = history(&table, data + text, size - text);
    int status = mr_run_state_parse(&s, &score, (const char *)data, text, rows, &e);
    free(table);
    fuzz_judge(status, &e);
    if (status)
        return 0;
    write_again(&s, score);
    build(&s);
    status = mr_run_state_copy(&copy, &s, &e);
    fuzz_judge(status, &e);
    mr_run_state_clear(&s);
    mr_run_state_clear(&copy);
    return 0;
}
