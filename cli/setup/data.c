/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/data.h"

#include "cli/setup/part.h"
#include "base/processors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* --- arrays ------------------------------------------------------------------- */

/* What the rows of Y are by themselves. */
static mr_targets rows_are(const mr_array *y)
{
    return mr_targets_of(y, &(mr_shape){2, {0, (int64_t)mr_shape_sample(&y->shape)}});
}

/* Classes by y: its width where each row is a class or shares of them, or for class indices their largest plus one (at
 * least two); 0 for other numbers. */
static int classes_of(const mr_array *y)
{
    size_t width = mr_shape_sample(&y->shape), rows = (size_t)y->shape.dim[0];
    double most = 1;
    if (width > 1)
        return width <= 1 << 20 && rows_are(y) <= MR_TARGETS_SHARES ? (int)width : 0;
    for (size_t i = 0; i < rows; i++) {
        double v = y->bytes ? (double)y->u8[i] : (double)y->f32[i];
        if (!(v >= 0 && v <= 1 << 20) || v != (int)v)
            return 0;
        most = v > most ? v : most;
    }
    return (int)most + 1;
}

static int open_arrays(mr_cli_data *d, const char *file, mr_error *e)
{
    bool labelled = false;
    d->from_arrays = true;
    int status = mr_array_read(&d->x, file, "x", e);
    if (!status)
        status = mr_array_read(&d->y, file, "y", e);
    if (!status)
        status = mr_array_exists(&d->has_validation, file, "x_val", e);
    if (!status)
        status = mr_array_exists(&labelled, file, "y_val", e);
    if (!status && d->has_validation != labelled)
        status = mr_fail(e, MR_EINVAL, "%s: x_val and y_val come together; one of them is missing", file);
    if (!status && d->has_validation)
        status = mr_array_read(&d->x_val, file, "x_val", e);
    if (!status && d->has_validation)
        status = mr_array_read(&d->y_val, file, "y_val", e);
    if (!status)
        d->classes = classes_of(&d->y);
    return status;
}

/* --- folders ------------------------------------------------------------------ */

static void take_classes(mr_cli_data *d)
{
    d->classes = d->training->classes;
    d->class_names = d->training->class_names;
}

static int one_of(const mr_cli *c, mr_error *e)
{
    int sources = (c->data != NULL) + (c->train_dir != NULL) + (c->arrays != NULL);
    if (sources == 0)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "no training data given"),
                       "give --data DIR, --train-dir DIR or --arrays FILE.h5");
    if (sources > 1)
        return mr_fail(e, MR_EUSAGE, "--data, --train-dir and --arrays cannot be used together");
    if (c->arrays && (c->validation_dir || c->validation_split > 0))
        return mr_fail(e, MR_EUSAGE,
                       "--arrays brings its own x_val, y_val: no --validation-dir, no --validation-split");
    if (c->validation_dir && c->validation_split > 0)
        return mr_fail(e, MR_EUSAGE, "--validation-dir and --validation-split cannot be used together");
    return 0;
}

/* Folders that a run might have been meant to see. */
static int note_unused(mr_cli_data *d, const char *training, const char *validation, const char *testing, mr_error *e)
{
    mr_text passed = {0}, note = {0};
    int status = mr_dataset_passed_over(&passed, training, validation ? validation : d->owned[0], testing, e);
    if (!status && passed.length)
        mr_text_format(&note, "passed over beside %s: %s", training, mr_text_string(&passed));
    if (!status && testing && !validation && !d->owned[0])
        mr_text_format(&note, "%s%s is for evaluate; --validation-dir %s validates on it", note.length ? "; " : "", testing, testing);
    mr_text_destroy(&passed);
    if (!status)
        status = mr_text_check(&note, "a note", e);
    if (!status && note.length)
        d->note = note.data;
    else
        mr_text_destroy(&note);
    return status;
}

static int scan_training(mr_cli_data *d, const mr_cli *c, const char **validation_dir, mr_error *e)
{
    char *training = NULL, *testing = NULL;
    *validation_dir = c->validation_dir;
    d->training_dir = c->train_dir;
    if (c->train_dir)
        return mr_dataset_scan(&d->training, c->train_dir, NULL, 0, 2, e);
    int status = mr_dataset_layout(c->data, &training, &d->owned[0], &testing, e);
    if (c->validation_split > 0)
        d->unused_validation = d->owned[0];
    else if (!*validation_dir)
        *validation_dir = d->owned[0];
    if (!status && !training)
        status = mr_hint(e, mr_fail(e, MR_EINVAL, "%s has no training/ folder", c->data),
                         "name one with --train-dir");
    if (!status && !strcmp(training, c->data))
        status = mr_dataset_check_classes(c->data, e);
    else if (!status)
        status = note_unused(d, training, *validation_dir, testing, e);
    if (!status)
        status = mr_dataset_scan(&d->training, training, NULL, 0, 2, e);
    d->training_dir = d->owned[3] = training;
    free(testing);
    return status;
}

int mr_cli_open_training(mr_cli_data *d, const mr_cli *c, mr_error *e)
{
    const char *validation_dir = NULL;
    memset(d, 0, sizeof *d);
    int status = one_of(c, e);
    if (status || c->arrays)
        return status ? status : open_arrays(d, c->arrays, e);
    status = scan_training(d, c, &validation_dir, e);
    if (status)
        return status;
    take_classes(d);
    d->validation_dir = validation_dir;
    if (validation_dir)
        status = mr_dataset_scan(&d->validation, validation_dir, d->class_names, d->classes, 2, e);
    else if (c->validation_split > 0)
        status = mr_dataset_split(d->training, c->validation_split, (uint64_t)c->seed, &d->validation, e);
    d->has_validation = !status && d->validation;
    return status;
}

int mr_cli_open_evaluation(mr_cli_data *d, const mr_cli *c, const mr_model *model, mr_error *e)
{
    mr_part part;
    memset(d, 0, sizeof *d);
    if (!c->data == !c->arrays)
        return mr_hint(
            e,
            mr_fail(e, MR_EUSAGE,
                    c->data ? "--data and --arrays cannot be used together" : "no data to evaluate given"),
            "give --data DIR or --arrays FILE.h5");
    int status = mr_cli_part(&part, c, e);
    d->part = "all";
    if (status || c->arrays)
        return status ? status : open_arrays(d, c->arrays, e);
    status = mr_dataset_layout(c->data, &d->owned[0], &d->owned[1], &d->owned[2], e);
    if (!status)
        status = mr_cli_part_folder(&d->evaluated, d, c, part, e);
    if (!status)
        status = mr_dataset_scan(&d->training, d->evaluated, model->class_names, model->classes, 1, e);
    d->testing = d->owned[2] && d->evaluated == d->owned[2];
    if (!status)
        status = mr_cli_take_part(d, part, model->held_out, e);
    if (status)
        return status;
    d->part = mr_cli_part_name(d, part);
    take_classes(d);
    return 0;
}

/* --- the order of classes ------------------------------------------------------- */

static int find_name(char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* COUNTS, OWN: [classes], scratch. */
static void reorder(mr_dataset *set, char *const *names, size_t *counts, char **own)
{
    for (size_t i = 0; i < set->count; i++)
        set->samples[i].label = find_name(names, set->classes, set->class_names[set->samples[i].label]);
    for (int i = 0; i < set->classes; i++) {
        own[i] = set->class_names[find_name(set->class_names, set->classes, names[i])];
        counts[i] = set->class_counts[find_name(set->class_names, set->classes, names[i])];
    }
    memcpy(set->class_names, own, (size_t)set->classes * sizeof *own);
    memcpy(set->class_counts, counts, (size_t)set->classes * sizeof *counts);
}

static int order_set(mr_dataset *set, char *const *names, mr_error *e)
{
    size_t *counts = calloc((size_t)set->classes + 1, sizeof *counts);
    char **own = calloc((size_t)set->classes + 1, sizeof *own);
    int status = counts && own ? 0 : mr_no_memory(e, "the classes");
    if (!status)
        reorder(set, names, counts, own);
    free(counts);
    free(own);
    return status;
}

int mr_cli_order_classes(mr_cli_data *d, char *const *names, int count, mr_error *e)
{
    if (d->from_arrays)
        return 0;
    for (int i = 0; i < d->classes; i++)
        if (d->classes != count || find_name(names, count, d->class_names[i]) < 0)
            return mr_hint(e,
                           mr_fail(e, MR_EINVAL,
                                   "the model knows %d classes ('%s', …), the data have %d ('%s', …)", count,
                                   names[0], d->classes, d->class_names[i]),
                           "--new-head fits the model to the data's classes");
    int status = order_set(d->training, names, e);
    return !status && d->validation ? order_set(d->validation, names, e) : status;
}

void mr_cli_close_data(mr_cli_data *d)
{
    mr_dataset_free(d->training);
    mr_dataset_free(d->validation);
    mr_array_free(&d->x);
    mr_array_free(&d->y);
    mr_array_free(&d->x_val);
    mr_array_free(&d->y_val);
    for (size_t i = 0; i < sizeof d->owned / sizeof *d->owned; i++)
        free(d->owned[i]);
    free(d->note);
    memset(d, 0, sizeof *d);
}

int mr_cli_check_targets_are_classes(const mr_cli_data *d, const mr_cli *c, mr_error *e)
{
    const mr_array *y = d->classes ? &d->y_val : &d->y;
    const char *name = d->classes ? "y_val" : "y";
    if (!d->from_arrays || (d->classes && (!d->has_validation || classes_of(y))))
        return 0;
    if (mr_shape_sample(&y->shape) > 1 && rows_are(y) == MR_TARGETS_LABELS)
        return mr_hint(e,
                       mr_fail(e, MR_EINVAL, "%s: the rows of %s are several labels (0 or 1 each, not a single 1 a row), "
                                             "but %s makes a network for one class of many",
                               c->arrays, name, c->new_head ? "--new-head" : "a built-in architecture"),
                       "give --from MODEL or --arch FILE.json with a sigmoid for each label");
    return mr_hint(e,
                   mr_fail(e, MR_EINVAL, "%s: %s holds no classes (whole numbers from 0, or rows with a single 1) but "
                                         "other numbers (a regression), and %s makes a network for one class of many",
                           c->arrays, name, c->new_head ? "--new-head" : "a built-in architecture"),
                   "give --from MODEL or --arch FILE.json whose last layer has no activation, and --loss mse");
}

void mr_cli_tell_targets(const mr_cli_data *d, const mr_trainer *t, mr_progress *p)
{
    static const char *const are[] = {[MR_TARGETS_CLASSES] = "classes",
                                      [MR_TARGETS_SHARES] = "class probabilities (rows that sum to 1)",
                                      [MR_TARGETS_LABELS] = "several labels a sample (rows of 0 and 1)",
                                      [MR_TARGETS_NUMBERS] = "numbers (a regression)"};
    const mr_targets targets = t->options.targets;
    const mr_output_task own = mr_model_task_with(t->model, &t->loss, MR_TARGETS_UNKNOWN, t->options.given);
    const bool other = targets >= MR_TARGETS_LABELS && own.kind == MR_TASK_CLASSES;
    char text[128];
    if (!d->from_arrays || (targets == MR_TARGETS_CLASSES && t->task.kind == MR_TASK_CLASSES))
        return;
    if (targets == MR_TARGETS_SHARES && t->task.kind == MR_TASK_CLASSES)
        mr_progress_message(p, MR_LOG_INFO, "y holds %s: a sample counts as of its most probable class", are[targets]);
    else
        mr_progress_message(p, other ? MR_LOG_WARNING : MR_LOG_INFO, "y holds %s, %s the model gives %s%s", are[targets],
                            other ? "but" : "and", mr_task_text(&own, text, sizeof text),
                            t->task.kind == MR_TASK_LABELS ? ": binary_accuracy counts single labels"
                            : other                        ? ": no accuracy"
                                                           : "");
}

mr_targets mr_cli_targets(const mr_cli_data *d, const mr_shape *output)
{
    if (!d->from_arrays)
        return MR_TARGETS_CLASSES;
    mr_targets training = mr_targets_of(&d->y, output);
    return d->has_validation ? mr_targets_of_both(training, mr_targets_of(&d->y_val, output)) : training;
}

mr_data mr_cli_training(const mr_cli_data *d)
{
    return d->from_arrays ? (mr_data){.x = &d->x, .y = &d->y} : (mr_data){.set = d->training};
}

mr_data mr_cli_validation(const mr_cli_data *d)
{
    if (!d->has_validation)
        return (mr_data){0};
    return d->from_arrays ? (mr_data){.x = &d->x_val, .y = &d->y_val} : (mr_data){.set = d->validation};
}

void mr_cli_found(const mr_dataset *set, char *text, size_t size)
{
    int n = snprintf(text, size, "Found %zu images belonging to %d classes.", set->count, set->classes);
    mr_text passed = {0};
    mr_endings_text(&set->passed.not_images, &passed);
    if (set->passed.hidden)
        mr_text_format(&passed, "%s%zu hidden", passed.length ? ", " : "", set->passed.hidden);
    if (set->passed.back)
        mr_text_format(&passed, "%s%zu link%s to folders above", passed.length ? ", " : "",
                       set->passed.back, set->passed.back == 1 ? "" : "s");
    if (passed.length && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, " Passed over: %s.", mr_text_string(&passed));
    mr_text_destroy(&passed);
}

void mr_cli_tell_empty_classes(const mr_dataset *set, const char *what, mr_progress *p)
{
    mr_text names = {0};
    int count = set ? mr_dataset_empty_classes(set, &names) : 0;
    if (count)
        mr_progress_message(p, MR_LOG_WARNING, "no %s images for %d of %d classes: %s", what, count,
                            set->classes, mr_text_string(&names));
    mr_text_destroy(&names);
}

/* --- settings ----------------------------------------------------------------- */

int mr_cli_threads(const mr_cli *c)
{
    return c->threads > 0 ? c->threads : mr_usable_processors();
}

int mr_cli_decode_threads(const mr_cli *c)
{
    return c->decode_threads > 0 ? c->decode_threads : mr_usable_processors();
}

/* MOST bytes, or a quarter of what the process may have. */
static size_t part_of_memory(size_t most)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_DATA, &limit) && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 4 < most)
        most = (size_t)limit.rlim_cur / 4;
    return most;
}

mr_loader_options mr_cli_loader(const mr_cli *c, const mr_preprocess *pre,
                                const mr_augmentation *augmentation)
{
    mr_loader_options o = mr_loader_options_default();
    o.batch_size = c->batch_size;
    o.decode_threads = mr_cli_decode_threads(c);
    o.preprocess = *pre;
    o.augmentation = augmentation && !mr_augmentation_is_none(augmentation) ? augmentation : NULL;
    o.seed = (uint64_t)c->seed;
    o.max_pixels = c->max_pixels;
    o.read_memory = part_of_memory(o.read_memory);
    o.decode_memory = part_of_memory(o.decode_memory);
    return o;
}

int mr_cli_augmentation(mr_augmentation *out, const mr_cli *c, mr_error *e)
{
    *out = mr_augmentation_none();
    out->rotation_range = c->rotation_range;
    out->width_shift_range = c->width_shift_range;
    out->height_shift_range = c->height_shift_range;
    out->shear_range = c->shear_range;
    out->horizontal_flip = c->horizontal_flip;
    out->vertical_flip = c->vertical_flip;
    out->channel_shift_range = c->channel_shift_range;
    out->cval = c->cval;
    int status = c->zoom_range ? mr_parse_range("zoom-range", c->zoom_range, true, out->zoom_range, e) : 0;
    if (!status && c->brightness_range) {
        out->has_brightness = true;
        status = mr_parse_range("brightness-range", c->brightness_range, false, out->brightness_range, e);
    }
    int mode = c->fill_mode ? mr_fill_mode_by_name(c->fill_mode) : (int)MR_FILL_NEAREST;
    if (!status && mode < 0)
        status = mr_fail(e, MR_EUSAGE, "--fill-mode: expected nearest, constant, reflect or wrap, got '%s'",
                         c->fill_mode);
    out->fill_mode = mode < 0 ? MR_FILL_NEAREST : (mr_fill_mode)mode;
    return status;
}

int mr_cli_budget(mr_budget *out, const mr_cli *c, mr_error *e)
{
    *out = mr_budget_default();
    if (c->on_error && strcmp(c->on_error, "skip") && strcmp(c->on_error, "fail"))
        return mr_fail(e, MR_EUSAGE, "--on-error: expected skip or fail, got '%s'", c->on_error);
    out->fail = c->on_error && !strcmp(c->on_error, "fail");
    return c->max_errors ? mr_budget_parse(out, c->max_errors, e) : 0;
}
