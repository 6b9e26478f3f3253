/* SPDX-License-Identifier: Apache-2.0 */
/* The run's state in a checkpoint: text to a state, written and read again without change, and the graph that
 * a resumed run makes of its architecture, whose words no reader of Keras's dialects has seen. */
#include "tests/fuzz/fuzz.h"

#include "nn/graph.h"
#include "pipeline/run_state.h"

#include <stdlib.h>
#include <string.h>

static void write_again(const mr_run_state *s, double score)
{
    mr_run_state again;
    mr_error e = {0};
    char *first = mr_run_state_text(s, score), *second;
    if (!first)
        fuzz_fail("a state that was read cannot be written");
    int status = mr_run_state_parse(&again, &score, first, strlen(first), &e);
    fuzz_judge(status, &e);
    if (status)
        fuzz_fail("a state that we wrote cannot be read");
    second = mr_run_state_text(&again, score);
    if (!second || strcmp(first, second))
        fuzz_fail("a state changes when it is read and written");
    mr_run_state_clear(&again);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mr_run_state s, copy;
    mr_error e = {0};
    double score = 0;
    int status = mr_run_state_parse(&s, &score, (const char *)data, size, &e);
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
