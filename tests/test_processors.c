/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU quota and the memory limits of cgroups, of both versions, found in files of the test's own. */
#include "tests/shared.h"

#include "base/cgroup.h"
#include "base/processors.h"
#include "base/team.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0700);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static double quota(const char *list)
{
    char path[256];
    put("list", list);
    snprintf(path, sizeof path, "%s/list", root);
    return mr_cgroup_quota(path, root);
}

static void version_2(void **state)
{
    (void)state;
    put("job/step/cpu.max", "max 100000\n");
    assert_true(quota("0::/job/step\n") == 0);
    put("job/cpu.max", "250000 100000\n"); /* of the one above */
    assert_true(quota("0::/job/step\n") == 2.5);
    put("job/step/cpu.max", "150000 100000\n");
    assert_true(quota("0::/job/step\n") == 1.5);
    assert_true(quota("0::/job\n") == 2.5);
    assert_true(quota("0::/\n") == 0);
    put("cpu.max", "50000 100000\n"); /* a container sees its own at the top */
    assert_true(quota("0::/\n") == 0.5);
    assert_true(quota("0::/gone/elsewhere\n") == 0.5);
}

static void version_1(void **state)
{
    (void)state;
    put("cpu/a/cpu.cfs_quota_us", "-1\n");
    put("cpu/a/cpu.cfs_period_us", "100000\n");
    assert_true(quota("3:cpuset:/b\n2:cpuacct:/b\n1:cpu,cpuacct:/a\n") == 0);
    put("cpu/a/cpu.cfs_quota_us", "300000\n");
    assert_true(quota("1:cpuacct,cpu:/a\n") == 3);
    assert_true(quota("1:cpuset:/a\n") == 0);
}

static void nonsense(void **state)
{
    (void)state;
    put("x/cpu.max", "-5 0\n");
    put("cpu.max", "max\n");
    assert_true(quota("") == 0);
    assert_true(quota("no colons\n0:\n::\n0::/x\n") == 0);
    assert_true(mr_cgroup_quota("/no/such/file", root) == 0);
}

static mr_cgroup_memory memory(const char *list)
{
    char path[256];
    mr_cgroup_memory m;
    put("list", list);
    snprintf(path, sizeof path, "%s/list", root);
    mr_cgroup_memory_left(&m, path, root);
    return m;
}

/* The cgroup with the least left, which need not be the one with the least limit; the page cache is no use.
 */
static void memory_left(void **state)
{
    (void)state;
    assert_true(memory("0::/m/step\n").limit == 0);
    put("m/step/memory.max", "max\n");
    put("m/step/memory.current", "5000\n");
    assert_true(memory("0::/m/step\n").limit == 0);
    put("m/memory.max", "100000\n");
    put("m/memory.current", "70000\n");
    put("m/memory.stat", "anon 50000\nfile 19000\ninactive_file 7000\nactive_file 3000\nfile_mapped 100\n");
    mr_cgroup_memory m = memory("0::/m/step\n");
    assert_true(m.limit == 100000 && m.left == 40000);
    assert_non_null(strstr(m.file, "/m/memory.max"));
    put("m/step/memory.max", "50000\n");
    m = memory("0::/m/step\n");
    assert_true(m.limit == 100000 && m.left == 40000);
    put("m/step/memory.max", "30000\n");
    m = memory("0::/m/step\n");
    assert_true(m.limit == 30000 && m.left == 25000);
    put("m/step/memory.current", "31000\n");
    assert_true(memory("0::/m/step\n").left == 0);
}

static void memory_left_version_1(void **state)
{
    (void)state;
    put("memory/a/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    assert_true(memory("4:memory:/a\n").limit == 0);
    put("memory/a/memory.limit_in_bytes", "1000000\n");
    put("memory/a/memory.usage_in_bytes", "900000\n");
    put("memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 200000\ntotal_active_file 100000\n");
    assert_true(memory("4:memory:/a\n").left == 400000);
    assert_true(memory("4:cpu:/a\n").limit == 0);
    put("memory/a/memory.limit_in_bytes", "nonsense\n");
    assert_true(memory("4:memory:/a\n").limit == 0);
}

static void bound_to_one(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(mr_usable_processors(), 1, mr_processors());
    int first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(mr_usable_processors(), 1);
    sched_setaffinity(0, sizeof before, &before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(version_2),
                                       cmocka_unit_test(version_1),
                                       cmocka_unit_test(nonsense),
                                       cmocka_unit_test(memory_left),
                                       cmocka_unit_test(memory_left_version_1),
                                       cmocka_unit_test(bound_to_one)};
    snprintf(root, sizeof root, "processors-XXXXXX");
    if (!mkdtemp(root))
        return 99;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command) || failed;
}
