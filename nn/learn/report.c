/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/learn/report.h"

#include <stdlib.h>
#include <string.h>

static int check_index(int32_t index, int classes, const char *what, size_t sample, mr_error *e)
{
    if (index >= 0 && index < classes)
        return MR_OK;
    return mr_fail(e, MR_EINVAL, "report: %s class of sample %zu is %d, but there are %d classes", what,
                   sample, (int)index, classes);
}

static int check_pair(int32_t truth, int32_t predicted, int classes, size_t sample, mr_error *e)
{
    int status = check_index(truth, classes, "true", sample, e);
    return status ? status : check_index(predicted, classes, "predicted", sample, e);
}

/* Sums as NumPy does: eight running sums up to 128 values, halves above. The order decides the last bit, and
 * the last bit decides how a value such as 0.345 is rounded. */
static double pairwise_sum(const double *x, size_t n)
{
    if (n < 8) {
        double sum = -0.0;
        for (size_t i = 0; i < n; i++)
            sum += x[i];
        return sum;
    }
    if (n > 128) {
        size_t half = n / 2 - n / 2 % 8;
        return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
    }
    double r[8];
    memcpy(r, x, sizeof r);
    size_t i = 8;
    for (; i < n - n % 8; i += 8)
        for (size_t j = 0; j < 8; j++)
            r[j] += x[i + j];
    double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static mr_class_scores scores_of(const mr_label_counts *t)
{
    mr_class_scores s = {ratio(t->right, t->predicted), ratio(t->right, t->truth), 0.0, t->truth};
    double sum = s.precision + s.recall;
    s.f1 = 2.0 * s.precision * s.recall / (sum == 0.0 ? 1.0 : sum);
    return s;
}

/* The mean over the classes of one score, which lies OFFSET bytes into mr_class_scores. VALUES is scratch. */
static double average(const mr_report *r, size_t offset, bool weighted, double *values)
{
    for (int c = 0; c < r->classes; c++) {
        const mr_class_scores *s = &r->per_class[c];
        double value = *(const double *)((const char *)s + offset);
        values[c] = weighted ? value * (double)s->support : value;
    }
    double weights = weighted ? (double)r->samples : (double)r->classes;
    return weights > 0 ? pairwise_sum(values, (size_t)r->classes) / weights : 0.0;
}

static mr_class_scores average_scores(const mr_report *r, bool weighted, double *values)
{
    return (mr_class_scores){average(r, offsetof(mr_class_scores, precision), weighted, values),
                             average(r, offsetof(mr_class_scores, recall), weighted, values),
                             average(r, offsetof(mr_class_scores, f1), weighted, values), r->samples};
}

static int tally_pairs(mr_label_counts *tally, const int32_t *truth, const int32_t *predicted, size_t n,
                       int classes, mr_error *e)
{
    for (size_t i = 0; i < n; i++) {
        int status = check_pair(truth[i], predicted[i], classes, i, e);
        if (status)
            return status;
        tally[truth[i]].truth++;
        tally[predicted[i]].predicted++;
        tally[truth[i]].right += truth[i] == predicted[i];
    }
    return MR_OK;
}

static void score(mr_report *r, const mr_label_counts *tally, double *values)
{
    mr_label_counts all = {0, 0, 0};
    r->every_class_seen = true;
    for (int c = 0; c < r->classes; c++) {
        r->per_class[c] = scores_of(&tally[c]);
        r->every_class_seen &= tally[c].truth > 0 || tally[c].predicted > 0;
        all.right += tally[c].right;
    }
    all.predicted = all.truth = r->samples;
    r->micro = scores_of(&all);
    r->macro = average_scores(r, false, values);
    r->weighted = average_scores(r, true, values);
    r->accuracy = ratio(all.right, all.truth);
}

int mr_report_compute(mr_report *r, const int32_t *truth, const int32_t *predicted, size_t n, int classes,
                      mr_error *e)
{
    *r = (mr_report){.classes = classes, .samples = (int64_t)n};
    if (classes < 1)
        return mr_fail(e, MR_EINVAL, "report: %d classes", classes);
    mr_label_counts *tally = calloc((size_t)classes, sizeof *tally);
    double *values = calloc((size_t)classes, sizeof *values);
    r->per_class = calloc((size_t)classes, sizeof *r->per_class);
    int status = MR_OK;
    if (!tally || !values || !r->per_class)
        status = mr_no_memory(e, "a report on %d classes", classes);
    if (!status)
        status = tally_pairs(tally, truth, predicted, n, classes, e);
    if (!status)
        score(r, tally, values);
    free(tally);
    free(values);
    if (status)
        mr_report_destroy(r);
    return status;
}

int mr_report_labels(mr_report *r, const mr_label_counts *counts, int labels, mr_error *e)
{
    mr_label_counts all = {0, 0, 0};
    double *values = calloc((size_t)labels + 1, sizeof *values);
    *r = (mr_report){.classes = labels, .per_class = calloc((size_t)labels + 1, sizeof *r->per_class)};
    if (!values || !r->per_class) {
        free(values);
        mr_report_destroy(r);
        return mr_no_memory(e, "a report on %d labels", labels);
    }
    for (int i = 0; i < labels; i++) {
        r->per_class[i] = scores_of(&counts[i]);
        all.right += counts[i].right;
        all.predicted += counts[i].predicted;
        all.truth += counts[i].truth;
    }
    r->samples = all.truth;
    r->micro = scores_of(&all);
    r->macro = average_scores(r, false, values);
    r->weighted = average_scores(r, true, values);
    free(values);
    return MR_OK;
}

void mr_report_destroy(mr_report *r)
{
    if (!r)
        return;
    free(r->per_class);
    r->per_class = NULL;
}

/* Python pads by code points, not by columns: so does this, or wide characters would break equality. */
static void append_name(mr_text *out, const char *name, size_t width)
{
    size_t length = mr_utf8_length(name);
    mr_text_repeat(out, " ", length < width ? (long)(width - length) : 0);
    mr_text_append_clean(out, name); /* as many code points as before */
    mr_text_append_char(out, ' ');
}

/* Where not one prediction is right, scikit-learn's counts come from an array of floats, and it prints 12.0
 * for 12. Equal to the byte means in this too. */
static void append_support(mr_text *out, const mr_report *r, int64_t support)
{
    if (r->micro.f1 > 0)
        mr_text_format(out, " %9lld\n", (long long)support);
    else
        mr_text_format(out, " %9.1f\n", (double)support);
}

static void append_row(mr_text *out, const mr_report *r, const char *name, size_t width,
                       const mr_class_scores *s)
{
    append_name(out, name, width);
    mr_text_format(out, " %9.2f %9.2f %9.2f", s->precision, s->recall, s->f1);
    append_support(out, r, s->support);
}

static void append_accuracy(mr_text *out, const mr_report *r, size_t width)
{
    if (!r->every_class_seen) {
        append_row(out, r, "micro avg", width, &r->micro);
        return;
    }
    append_name(out, "accuracy", width);
    mr_text_format(out, " %9s %9s %9.2f", "", "", r->micro.f1);
    append_support(out, r, r->samples);
}

int mr_report_text(mr_text *out, const mr_report *r, const char *const *names, mr_error *e)
{
    size_t width = strlen("weighted avg");
    for (int c = 0; c < r->classes; c++)
        if (mr_utf8_length(names[c]) > width)
            width = mr_utf8_length(names[c]);
    append_name(out, "", width);
    mr_text_format(out, " %9s %9s %9s %9s\n\n", "precision", "recall", "f1-score", "support");
    for (int c = 0; c < r->classes; c++)
        append_row(out, r, names[c], width, &r->per_class[c]);
    mr_text_append_char(out, '\n');
    append_accuracy(out, r, width);
    append_row(out, r, "macro avg", width, &r->macro);
    append_row(out, r, "weighted avg", width, &r->weighted);
    return mr_text_check(out, "the classification report", e);
}

int mr_confusion_add(int64_t *counts, int classes, const int32_t *truth, const int32_t *predicted, size_t n,
                     mr_error *e)
{
    for (size_t i = 0; i < n; i++) {
        int status = check_pair(truth[i], predicted[i], classes, i, e);
        if (status)
            return status;
        counts[(size_t)truth[i] * (size_t)classes + (size_t)predicted[i]]++;
    }
    return MR_OK;
}
