/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/queue/stats.h"

#include <time.h>

uint64_t mr_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double mr_now(void)
{
    return (double)mr_now_ns() * 1e-9;
}

void mr_stage_counters_report(const mr_stage_counters *c, mr_stage_stats *out)
{
    out->items += mr_counter_read(&c->items);
    out->bytes += mr_counter_read(&c->bytes);
    out->busy_seconds += (double)mr_counter_read(&c->busy_ns) * 1e-9;
    out->wait_input_seconds += (double)mr_counter_read(&c->wait_input_ns) * 1e-9;
    out->wait_output_seconds += (double)mr_counter_read(&c->wait_output_ns) * 1e-9;
}
