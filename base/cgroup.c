/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096 };

/* --- finding ---------------------------------------------------------------- */

/* What is asked of each folder; UNIFIED: version 2. */
typedef void look(void *context, const char *dir, bool unified);

/* DIR and the folders above it, down to the BASE bytes that are where cgroups are mounted. */
static void walk_up(char *dir, size_t base, bool unified, look *visit, void *context)
{
    for (;;) {
        visit(context, dir, unified);
        char *slash = strrchr(dir, '/');
        if (strlen(dir) <= base || !slash || slash < dir + base)
            return;
        *slash = 0;
    }
}

/* LIST: names with commas between them. */
static bool names(const char *list, const char *controller)
{
    size_t n = strlen(controller);
    for (const char *p = list; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (!strncmp(p, controller, n) && (p[n] == ',' || p[n] == 0))
            return true;
    return false;
}

/* LINE: number:controllers:path; without controllers it is version 2. */
static void walk_line(char *line, const char *mount, const char *controller, look *visit, void *context)
{
    char dir[PATH];
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return;
    *path++ = 0;
    bool unified = *++controllers == 0;
    if (!unified && !names(controllers, controller))
        return;
    path[strcspn(path, "\n")] = 0;
    const char *slash = unified ? "" : "/", *below = unified ? "" : controller;
    int base = snprintf(dir, sizeof dir, "%s%s%s", mount, slash, below);
    int length = snprintf(dir, sizeof dir, "%s%s%s%s", mount, slash, below, path);
    if (length < (int)sizeof dir)
        walk_up(dir, (size_t)base, unified, visit, context);
}

static void walk(const char *list, const char *mount, const char *controller, look *visit, void *context)
{
    char line[PATH];
    FILE *f = fopen(list ? list : "/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f))
        walk_line(line, mount ? mount : "/sys/fs/cgroup", controller, visit, context);
    if (f)
        fclose(f);
}

static FILE *open_file(const char *dir, const char *name)
{
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return fopen(path, "re");
}

/* The text of DIR/NAME, or "". */
static void read_text(char text[64], const char *dir, const char *name)
{
    FILE *f = open_file(dir, name);
    if (!f || !fgets(text, 64, f))
        *text = 0;
    if (f)
        fclose(f);
}

/* --- processors ------------------------------------------------------------- */

/* Microseconds of processor in a period, as a share; 0: as much as there is. */
static double quota_of(const char *dir, bool unified)
{
    char text[64], period[64];
    if (unified) { /* "max 100000" or "150000 100000" */
        read_text(text, dir, "cpu.max");
        char *blank = strchr(text, ' ');
        snprintf(period, sizeof period, "%s", blank ? blank : "");
    } else { /* -1: none */
        read_text(text, dir, "cpu.cfs_quota_us");
        read_text(period, dir, "cpu.cfs_period_us");
    }
    double own = strtod(text, NULL), each = strtod(period, NULL);
    return own > 0 && each > 0 ? own / each : 0;
}

static void least_quota(void *context, const char *dir, bool unified)
{
    double *least = context, quota = quota_of(dir, unified);
    if (quota > 0 && (*least == 0 || quota < *least))
        *least = quota;
}

double mr_cgroup_quota(const char *list, const char *mount)
{
    double least = 0;
    walk(list, mount, "cpu", least_quota, &least);
    return least;
}

/* --- memory ----------------------------------------------------------------- */

/* 0: "max", or nothing that can be read. */
static uint64_t bytes_of(const char *dir, const char *name)
{
    char text[64];
    read_text(text, dir, name);
    return *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : 0;
}

/* Of the page cache of files: memory.stat has a line "NAME BYTES" for each kind. */
static uint64_t cached(const char *dir, bool unified)
{
    const char *const kinds[] = {unified ? "inactive_file " : "total_inactive_file ",
                                 unified ? "active_file " : "total_active_file "};
    char line[128];
    uint64_t sum = 0;
    FILE *f = open_file(dir, "memory.stat");
    while (f && fgets(line, sizeof line, f))
        for (int i = 0; i < 2; i++)
            if (!strncmp(line, kinds[i], strlen(kinds[i])))
                sum += strtoull(line + strlen(kinds[i]), NULL, 10);
    if (f)
        fclose(f);
    return sum;
}

static void least_memory(void *context, const char *dir, bool unified)
{
    static const uint64_t none = UINT64_C(1)
                                 << 60; /* version 1 writes the largest number of pages there is */
    mr_cgroup_memory *least = context;
    const char *name = unified ? "memory.max" : "memory.limit_in_bytes";
    uint64_t limit = bytes_of(dir, name);
    if (limit == 0 || limit >= none)
        return;
    uint64_t used = bytes_of(dir, unified ? "memory.current" : "memory.usage_in_bytes"),
             cache = cached(dir, unified);
    used = used > cache ? used - cache : 0;
    uint64_t left = limit > used ? limit - used : 0;
    if (least->limit && left >= least->left)
        return;
    least->limit = limit;
    least->left = left;
    int written = snprintf(least->file, sizeof least->file, "%s/%s", dir, name);
    if (written >= (int)sizeof least->file)
        snprintf(least->file, sizeof least->file, "%s", name);
}

void mr_cgroup_memory_left(mr_cgroup_memory *out, const char *list, const char *mount)
{
    *out = (mr_cgroup_memory){0};
    walk(list, mount, "memory", least_memory, out);
}
