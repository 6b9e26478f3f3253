/* SPDX-License-Identifier: Apache-2.0 */
#include "io/processors.h"

#include "nn/team.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096 };

/* The text of DIR/NAME, or "". */
static void read_text(char text[64], const char *dir, const char *name)
{
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f || !fgets(text, 64, f))
        *text = 0;
    if (f)
        fclose(f);
}

/* Microseconds of processor in a period, as a share; 0: as much as there is. */
static double quota_of(const char *dir, bool unified)
{
    char text[64], period[64];
    double own = 0, each = 0;
    if (unified) { /* "max 100000" or "150000 100000" */
        read_text(text, dir, "cpu.max");
        return sscanf(text, "%lf %lf", &own, &each) == 2 && own > 0 && each > 0 ? own / each : 0;
    }
    read_text(text, dir, "cpu.cfs_quota_us"); /* -1: none */
    read_text(period, dir, "cpu.cfs_period_us");
    own = strtod(text, NULL);
    each = strtod(period, NULL);
    return own > 0 && each > 0 ? own / each : 0;
}

/* The least of DIR and of the folders above it, down to the BASE bytes that are where cgroups are mounted. */
static double least_quota(char *dir, size_t base, bool unified)
{
    double least = 0;
    for (;;) {
        double quota = quota_of(dir, unified);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(dir, '/');
        if (strlen(dir) <= base || !slash || slash < dir + base)
            return least;
        *slash = 0;
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *p = controllers; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (!strncmp(p, "cpu", 3) && (p[3] == ',' || p[3] == 0))
            return true;
    return false;
}

/* LINE: number:controllers:path; without controllers it is version 2. */
static double quota_of_line(char *line, const char *mount)
{
    char dir[PATH];
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return 0;
    *path++ = 0;
    bool unified = *++controllers == 0;
    if (!unified && !names_cpu(controllers))
        return 0;
    path[strcspn(path, "\n")] = 0;
    int base = snprintf(dir, sizeof dir, "%s%s", mount, unified ? "" : "/cpu");
    int length = snprintf(dir, sizeof dir, "%s%s%s", mount, unified ? "" : "/cpu", path);
    return length < (int)sizeof dir ? least_quota(dir, (size_t)base, unified) : 0;
}

double mr_cgroup_quota(const char *list, const char *mount)
{
    char line[PATH];
    double least = 0;
    FILE *f = fopen(list ? list : "/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) {
        double quota = quota_of_line(line, mount ? mount : "/sys/fs/cgroup");
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
    }
    if (f)
        fclose(f);
    return least;
}

int mr_usable_processors(void)
{
    int bound = mr_processors();
    double quota = ceil(mr_cgroup_quota(NULL, NULL));
    return quota > 0 && quota < bound ? (int)quota : bound;
}
