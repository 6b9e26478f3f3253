/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: every option is one row of a table (cli/option/options_table.c) that says its commands, argument, help text
 * and the field that it sets. */
#ifndef MR_CLI_OPTIONS_H
#define MR_CLI_OPTIONS_H

#include "nn/arch/arch.h"
#include "base/error.h"

enum { MR_CLI_LIST = 64 };

typedef struct mr_list { /* of a repeatable option */
    int count;
    const char *item[MR_CLI_LIST];
} mr_list;

/* All that can be said on the command line. Strings point into argv. Numbers hold the default until given. */
typedef struct mr_cli {
    const char *command;
    unsigned bit; /* the command's MR_FOR_… */
    int operands;
    char *const *operand;
    /* data */
    const char *data, *train_dir, *validation_dir, *arrays;
    mr_list images, include, exclude, watch;
    bool null;
    double validation_split;
    const char *part;
    const char *image_size, *color_mode, *interpolation, *rescale;
    double offset;
    bool dct_scaling, override_preprocessing;
    /* model */
    const char *arch, *weights, *from, *model, *freeze_until;
    mr_list freeze, unfreeze;
    bool new_head;
    const char *stages, *filters;
    double regularization, alpha, dropout, batchnorm_momentum;
    /* training */
    int epochs, batch_size;
    int64_t seed;
    bool no_shuffle, sync_batchnorm;
    const char *loss, *optimizer, *class_weight;
    double learning_rate, decay, label_smoothing;
    /* the optimizer's own, under Keras's names; taken from here only when given */
    double momentum, beta_1, beta_2, epsilon, rho, weight_decay, clipnorm, global_clipnorm, clipvalue, initial_accumulator_value;
    bool nesterov, amsgrad, centered;
    /* callbacks */
    int early_stopping, reduce_lr_on_plateau, plateau_cooldown;
    const char *monitor, *keep_best;
    double min_delta, plateau_factor, min_lr;
    bool no_restore_best;
    /* the learning rate's schedule; likewise */
    const char *schedule, *decay_steps, *first_decay_steps, *warmup_steps, *boundaries, *values;
    double decay_rate, end_learning_rate, power, schedule_alpha, warmup_target, t_mul, m_mul;
    bool staircase, cycle;
    const char *plot, *history, *tensorboard, *step_log, *stats;
    /* augmentation */
    double rotation_range, width_shift_range, height_shift_range, shear_range, channel_shift_range, cval;
    const char *zoom_range, *brightness_range, *fill_mode;
    bool horizontal_flip, vertical_flip;
    /* checkpoints */
    const char *checkpoint_dir, *checkpoint_every;
    mr_list keep; /* see cli/option/keep.h */
    bool resume, overwrite;
    /* inference */
    const char *output, *montage, *move_to, *link_to;
    mr_list layer, threshold;
    int top, montage_count;
    const char *activation;
    bool unordered, csv_safe, only_new;
    /* sample */
    int count;
    /* everywhere */
    int threads, decode_threads;
    const char *precision;
    const char *on_error, *max_errors, *dialect;
    int64_t max_pixels, memory_limit;
    bool sandbox, no_sandbox;
    bool quiet, log_json, json, help, no_optimizer;
    /* which rows were given, for options whose default depends on others */
    unsigned char *given;
} mr_cli;

typedef enum mr_option_type { MR_FLAG, MR_TEXT, MR_INT, MR_INT64, MR_NUMBER, MR_LIST } mr_option_type;

enum { MR_FOR_TRAIN = 1, MR_FOR_EVALUATE = 2, MR_FOR_PREDICT = 4, MR_FOR_SUMMARY = 8, MR_FOR_CONVERT = 16, MR_FOR_VERIFY = 32,
       MR_FOR_SAMPLE = 64, MR_FOR_ALL = 127, MR_FOR_MODEL_RUNS = 7 };

/* What else is known of an option or operand. Code that concerns a kind of options asks for its mark: no other place lists
 * them. */
enum {
    /* its value names … */
    MR_READS = 1 << 8,       /* a file or folder that is read */
    MR_READS_JSON = 1 << 9,  /* a file that is read where it ends in .json, else something else */
    MR_PICKS = 1 << 10,      /* images: a file, a folder, or - for a list on standard input */
    MR_WRITES = 1 << 11,     /* a file that is written */
    MR_MAKES = 1 << 12,      /* a folder for results */
    MR_PLACES = 1 << 13,     /* a folder that images are moved or linked into */
    MR_INPUT = MR_READS | MR_READS_JSON | MR_PICKS,
    MR_MODEL = 1 << 14,      /* a model file: it may be replaced by the one that is made of it */
    MR_PICTURE = 1 << 15,    /* a picture, whose format its name says */
    MR_ROWS = 1 << 16,       /* a file that is written bit by bit, under a claim of its writer's */
    /* on resuming a training: may differ from the run's … */
    MR_MAY_CHANGE = 1 << 17,
    MR_NO_WEIGHT = 1 << 18,  /* as no weight depends on it */
    MR_OF_START = 1 << 19,   /* as it concerns one start of the program: never taken from the run */
    MR_CHANGES = MR_MAY_CHANGE | MR_NO_WEIGHT | MR_OF_START,
    /* it has a meaning … */
    MR_OF_BUILT_IN = 1 << 20, /* for built-in architectures alone */
    MR_OF_IMAGES = 1 << 21,   /* not for --arrays */
    MR_OF_CLASSES = 1 << 22,  /* for models that tell one class of many */
    MR_ALONE = 1 << 23,       /* not for the ranks of an mpirun (predict) */
};

typedef struct mr_option {
    const char *name;       /* without the dashes */
    mr_option_type type;
    unsigned traits;        /* MR_FOR_… of the commands that take it, and its marks */
    size_t field;           /* offsetof in mr_cli */
    double low, high;       /* numbers: the least and the most */
    const char *argument;   /* for --help: "N", "FILE"; NULL for flags */
    const char *help;
    const char *group;      /* heading in --help */
} mr_option;

extern const mr_option mr_options[];
extern const int mr_option_count;

/* A row for one or more operands of a command, in their order. */
typedef struct mr_operand {
    unsigned traits;
    int count; /* 0: all that are left */
} mr_operand;

extern const mr_operand mr_operands[];
extern const int mr_operand_count;

/* The defaults of cli.md. */
void mr_cli_default(mr_cli *c);
/* Reads ARGV (argv[0]: the command's name) for COMMAND (MR_FOR_…). MR_EUSAGE names the option. GIVEN memory is c's, freed by
 * mr_cli_free. */
int mr_cli_parse(mr_cli *c, int argc, char **argv, unsigned command, mr_error *e);
void mr_cli_free(mr_cli *c);
/* Was --NAME on the command line? */
bool mr_cli_given(const mr_cli *c, const char *name);
/* The first option, in the table's order, that was given and has one of MARKS; NULL: none. */
const char *mr_cli_given_of(const mr_cli *c, unsigned marks);
/* O says where a run's data lie: it may change when the run is resumed, and the run's own are those that it began with. */
bool mr_option_is_of_data(const mr_option *o);
/* Prints the options of COMMAND with their help. */
void mr_cli_print_options(unsigned command);

/* "1/255", "0.5": a number or a quotient. */
int mr_parse_quotient(const char *option, const char *text, double *out, mr_error *e);
/* "2,2,3": COUNT whole numbers of LOW to HIGH, at most MAX. */
int mr_parse_ints(const char *option, const char *text, int low, int high, int *out, int max, int *count, mr_error *e);
/* "64x48": height x width; "64": both. */
int mr_parse_size(const char *option, const char *text, int *height, int *width, mr_error *e);
/* "A,B" or "F" (then SPREAD: 1-F, 1+F). */
int mr_parse_range(const char *option, const char *text, bool spread, double out[2], mr_error *e);
/* "1epoch", "200steps", "10min", "30s", or several of them: "1epoch,10min". */
typedef struct mr_interval { int epochs; int64_t steps; double seconds; } mr_interval;
int mr_parse_interval(const char *option, const char *text, mr_interval *out, mr_error *e);

#endif
