/* SPDX-License-Identifier: Apache-2.0 */
/* millrace verify */
#include "cli/command/commands.h"
#include "cli/process/terminal.h"
#include "io/model_file/verify.h"

#include <math.h>
#include <stdio.h>

static void print_datasets(const mr_verification *v)
{
    if (!v->checked)
        printf("checksums  none in the file (%zu datasets)\n", v->datasets.count);
    else
        printf("checksums  %zu of %zu datasets have one, %zu damaged\n", v->checked, v->datasets.count,
               v->damaged);
    for (size_t i = 0; i < v->datasets.count; i++)
        if (v->datasets.dataset[i].has_checksum && !v->datasets.dataset[i].intact)
            mr_print_line(stdout, "           damaged: %s", v->datasets.dataset[i].path);
}

static void print_part(const char *name, bool there, const mr_error *e, const char *good)
{
    mr_print_line(stdout, "%-10s %s", name, e->code ? e->message : there ? good : "none in the file");
}

static void print_text(const mr_verification *v)
{
    char passed[96] = "passed: the same output to the last bit";
    if (v->difference > 0)
        snprintf(passed, sizeof passed, "passed: the output differs by %.2g (%.0e is allowed)", v->difference,
                 MR_SELF_TEST_TOLERANCE);
    print_datasets(v);
    print_part("seal", v->sealed, &v->seal, "intact");
    print_part("model", true, &v->model, "loads");
    if (v->model.code)
        printf("self-test  not run\n");
    else
        print_part("self-test", v->has_self_test, &v->self_test, passed);
}

static json_t *part_json(bool there, const mr_error *e)
{
    return there || e->code ? json_string(e->code ? "bad" : "good") : json_null();
}

static int print_json(const mr_verification *v, bool good, mr_error *e)
{
    json_t *damaged = json_array();
    for (size_t i = 0; i < v->datasets.count; i++)
        if (v->datasets.dataset[i].has_checksum && !v->datasets.dataset[i].intact)
            json_array_append_new(damaged, json_string(v->datasets.dataset[i].path));
    json_t *all =
        json_pack("{s:b, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "good", good, "datasets",
                  (json_int_t)v->datasets.count, "with_checksums", (json_int_t)v->checked, "damaged", damaged,
                  "seal", part_json(v->sealed, &v->seal), "model", part_json(true, &v->model), "self_test",
                  part_json(v->has_self_test, &v->self_test), "self_test_difference",
                  v->has_self_test && isfinite(v->difference) ? json_real(v->difference) : json_null());
    bool written = all && json_dumpf(all, stdout, JSON_INDENT(1)) == 0;
    printf("\n");
    json_decref(all);
    return written ? 0 : mr_fail(e, MR_EIO, "the result cannot be written as JSON");
}

static int run(mr_cli *c, mr_error *e)
{
    mr_verification v;
    int status = mr_verify_file(&v, c->operand[0], e);
    bool looked_at = !status || v.damaged || v.seal.code || v.model.code || v.self_test.code;
    if (looked_at && c->json) {
        int printed = print_json(&v, !status, e);
        status = status ? status : printed;
    } else if (looked_at) {
        print_text(&v);
    }
    if (!status && fflush(stdout))
        status = mr_fail(e, MR_EIO, "standard output cannot be written");
    mr_verification_clear(&v);
    return status ? mr_exit_status(status) : MR_EXIT_DONE;
}

const mr_command mr_command_verify = {
    .name = "verify",
    .options = MR_FOR_VERIFY,
    .operands = "MODEL",
    .least = 1,
    .most = 1,
    .description = "checks a model file or checkpoint: its checksums, and the self-test that it carries",
    .details = "\n  millrace verify cells.h5\n\nExit status 0: all that the file carries is as it was "
               "written (a file of another program\n"
               "carries nothing to be checked; then it is only loaded). 1: something is damaged.\n",
    .run = run,
};
