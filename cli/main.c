/* SPDX-License-Identifier: Apache-2.0 */
/* millrace COMMAND [OPTIONS]: finds the command, reads its options, prints its error. */
#include "cli/command/commands.h"
#include "cli/setup/data.h"
#include "cli/process/interrupt.h"
#include "cli/process/memory.h"
#include "cli/process/sandbox.h"
#include "cli/process/terminal.h"
#include "base/durable.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const mr_command *const commands[] = {
    &mr_command_train,  &mr_command_evaluate, &mr_command_predict, &mr_command_summary,
    &mr_command_verify, &mr_command_convert,  &mr_command_sample,  NULL};

static void print_usage(FILE *out)
{
    fprintf(out, "usage: millrace COMMAND [OPTIONS]\n\n");
    for (int i = 0; commands[i]; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->description);
    fprintf(out,
            "\nmillrace COMMAND --help lists a command's options; millrace --version tells the version.\n");
}

static void print_architectures(void)
{
    printf("\nArchitectures:\n");
    for (int i = 0; mr_archs[i]; i++) {
        const mr_arch_training *t = &mr_archs[i]->training;
        printf("  %-30s  %s\n%34s%dx%d [%s, learning rate %g", mr_archs[i]->name, mr_archs[i]->description, "",
               mr_archs[i]->default_size, mr_archs[i]->default_size, t->optimizer, t->learning_rate);
        if (t->momentum > 0)
            printf(", momentum %g", t->momentum);
        if (t->decay > 0)
            printf(", decay %g/epochs", t->decay);
        printf("%s%s]\n", t->schedule ? ", schedule " : "", t->schedule ? t->schedule : "");
    }
}

static void print_help(const mr_command *command)
{
    printf("usage: millrace %s%s%s [OPTIONS]\n\n%s\n%s", command->name, *command->operands ? " " : "",
           command->operands, command->description, command->details);
    if (command == &mr_command_train)
        print_architectures();
    mr_cli_print_options(command->options);
}

static void print_error(const mr_error *e)
{
    char bound[MR_MEMORY_NOTE];
    mr_print_line(stderr, "millrace: %s%s%s%s", e->message, mr_cli_memory_note(bound, e), *e->hint ? "; " : "", e->hint);
}

static int check_operands(const mr_command *command, const mr_cli *c, mr_error *e)
{
    if (c->operands < command->least)
        mr_fail(e, MR_EUSAGE, "%s: %s is missing", command->name, command->operands);
    else if (c->operands > command->most)
        mr_fail(e, MR_EUSAGE, "%s: unexpected argument '%s'", command->name, c->operand[command->most]);
    else
        return 0;
    return mr_hint(e, MR_EUSAGE, "millrace %s --help", command->name);
}

/* Help that cannot be written must not look like help that was. */
static int flushed(void)
{
    return fflush(stdout) || ferror(stdout) ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

static int run_command(const mr_command *command, int argc, char **argv)
{
    mr_cli c;
    mr_error e = {0};
    int status = MR_EXIT_DONE;
    mr_cli_default(&c);
    int parsed = mr_cli_parse(&c, argc - 1, argv + 1, command->options, &e);
    if (parsed)
        status = mr_exit_status(parsed);
    else if (c.help) {
        print_help(command);
        status = flushed();
    } else if (check_operands(command, &c, &e))
        status = MR_EXIT_USAGE;
    else {
        bool runs = command->options & MR_FOR_MODEL_RUNS;
        int entered = mr_cli_bound_memory(argv, runs ? mr_cli_threads(&c) : 1, &e);
        if (!entered)
            entered = mr_cli_sandbox(&c, command->options, &e);
        status = entered ? mr_exit_status(entered) : command->run(&c, &e);
    }
    if (e.code)
        print_error(&e);
    mr_cli_free(&c);
    return status;
}

/* A standard stream that the caller closed would be the number of the next file that is opened, and what is
 * printed would go into that file. Such a stream is opened the wrong way round: using it is an error. */
static void keep_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            _exit(MR_EXIT_FAILED);
}

static void guard_outputs(void)
{
    mr_output_on_stop(mr_interrupted);
    mr_before_fatal_signals(mr_durable_discard);
}

int main(int argc, char **argv)
{
    keep_standard_streams();
    guard_outputs();
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--version")) {
        printf("millrace %s\n", mr_version());
        return flushed();
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_usage(stdout);
        return flushed();
    }
    for (int i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, name))
            return run_command(commands[i], argc, argv);
    if (*name)
        mr_print_line(stderr, "millrace: unknown command '%s'; millrace --help lists them", name);
    print_usage(stderr);
    return MR_EXIT_USAGE;
}
