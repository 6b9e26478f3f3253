/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of a data folder: which of its folders are the parts (training, validation, testing), and not
 * classes.
 *
 * A name alone does not say it: "train" is a vehicle as well as a part, and "valid" the opposite of
 * "invalid". What the folder holds decides: parts hold class folders, classes hold images. Where that leaves
 * a doubt the folder is refused, for classes called Train and Test can be learnt, to no purpose. */
#include "io/files/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { PARTS = 3, NO_PART = -1, NO_NAME = -2 }; /* training, validation, testing */

/* --- names ------------------------------------------------------------------------------------ */

static const struct word {
    const char *text;
    int part; /* NO_PART: says nothing, as in "train_set" */
} words[] = {
    {"training", 0},    {"train", 0},         {"validation", 1},     {"validate", 1},
    {"valid", 1},       {"val", 1},           {"development", 1},    {"dev", 1},
    {"testing", 2},     {"test", 2},          {"evaluation", 2},     {"eval", 2},
    {"holdout", 2},     {"dataset", NO_PART}, {"data", NO_PART},     {"set", NO_PART},
    {"split", NO_PART}, {"images", NO_PART},  {"image", NO_PART},    {"imgs", NO_PART},
    {"img", NO_PART},   {"photos", NO_PART},  {"pictures", NO_PART}, {"files", NO_PART},
    {"seg", NO_PART},
};

/* The word that TEXT begins with, of those the longest. */
static const struct word *first_word(const char *text)
{
    const struct word *longest = NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strncasecmp(text, words[i].text, strlen(words[i].text)) &&
            (!longest || strlen(words[i].text) > strlen(longest->text)))
            longest = &words[i];
    return longest;
}

/* The part that a folder's name means, if it is made of words of the list alone, one of them a part's, with
 * or without marks and numbers between; NO_NAME where none is, as in "images"; NO_PART for any other name. */
static int part_of_name(const char *name)
{
    int part = NO_NAME;
    while (*name) {
        const struct word *w = first_word(name);
        if (!w || (w->part != NO_PART && part != NO_NAME))
            return NO_PART;
        part = w->part != NO_PART ? w->part : part;
        name += strlen(w->text);
        name += strspn(name, " _-.0123456789");
    }
    return part;
}

/* --- folders ---------------------------------------------------------------------------------- */

typedef struct listing {
    mr_strings *strings;
    mr_paths names; /* of the folders in a folder */
} listing;

static int list(listing *l, const char *dir, mr_error *e)
{
    mr_folder_counts counts = {0};
    *l = (listing){.strings = mr_strings_create()};
    if (!l->strings)
        return mr_no_memory(e, "the folders in %s", dir);
    int status = mr_folder_list(dir, l->strings, &l->names, &counts, e);
    size_t kept = 0; /* what macOS leaves in archives is no part and no class */
    for (size_t i = 0; i < l->names.count; i++)
        if (strcmp(l->names.name[i], "__MACOSX"))
            l->names.name[kept++] = l->names.name[i];
    l->names.count = kept;
    return status;
}

static void unlist(listing *l)
{
    mr_strings_leave(l->strings);
    free(l->names.name);
}

static char *join(const char *dir, const char *name, mr_error *e)
{
    mr_text path = {0};
    mr_text_append(&path, dir);
    mr_text_append(&path, *dir && dir[strlen(dir) - 1] != '/' ? "/" : "");
    mr_text_append(&path, name);
    if (mr_text_check(&path, "a path", e))
        mr_text_destroy(&path);
    return path.data;
}

/* What is to be known of the folders in a folder. */
typedef struct survey {
    const char *dir;
    char *part[PARTS]; /* hold folders in turn */
    char *flat[PARTS]; /* called so, but they hold none */
    int parts, flats;
    int others;  /* of names that say something else */
    char *other; /* one of those */
    char *only;  /* the single folder, if there is one alone */
} survey;

static void forget(survey *s)
{
    for (int i = 0; i < PARTS; i++) {
        free(s->part[i]);
        free(s->flat[i]);
    }
    free(s->other);
    free(s->only);
    *s = (survey){0};
}

static int clash(const char *one, const char *two, mr_error *e)
{
    mr_fail(e, MR_EINVAL, "both %s and %s are there", one, two);
    return mr_hint(e, MR_EINVAL, "name the folder of each part");
}

/* 1: DIR holds folders, 0: none; negative: failed. */
static int holds_folders(const char *dir, mr_error *e)
{
    listing l;
    int status = list(&l, dir, e);
    size_t count = l.names.count;
    unlist(&l);
    return status ? status : count > 0;
}

/* Keeps PATH at *PLACE, or frees it where there is one. */
static void keep(char **place, char *path)
{
    if (*place)
        free(path);
    else
        *place = path;
}

static int survey_part(survey *s, int part, char *path, mr_error *e)
{
    int holds = holds_folders(path, e);
    char **place = holds == 1 ? &s->part[part] : &s->flat[part];
    int status = holds < 0 ? holds : holds && *place ? clash(*place, path, e) : 0;
    s->parts += holds == 1;
    s->flats += holds == 0;
    keep(place, path);
    return status;
}

static int survey_one(survey *s, const char *name, mr_error *e)
{
    int part = part_of_name(name);
    char *path = join(s->dir, name, e);
    if (!path)
        return MR_ENOMEM;
    if (part >= 0)
        return survey_part(s, part, path, e);
    if (part == NO_PART) {
        s->others++;
        keep(&s->other, path);
    } else
        free(path);
    return 0;
}

static int survey_folder(survey *s, const char *dir, mr_error *e)
{
    listing l;
    *s = (survey){.dir = dir};
    int status = list(&l, dir, e);
    for (size_t i = 0; !status && i < l.names.count; i++)
        status = survey_one(s, l.names.name[i], e);
    if (!status && l.names.count == 1 && !(s->only = join(dir, l.names.name[0], e)))
        status = MR_ENOMEM;
    unlist(&l);
    if (status)
        forget(s);
    return status;
}

/* --- the decision ----------------------------------------------------------------------------- */

/* Folders named like parts that hold no class folders, several of them or nothing else: hardly the classes
 * that are meant. */
static int refuse_flat(const survey *s, mr_error *e)
{
    const char *named[2] = {NULL, NULL};
    for (int i = 0, n = 0; i < PARTS && n < 2; i++)
        if (s->flat[i])
            named[n++] = s->flat[i];
    if (named[1])
        mr_fail(e, MR_EINVAL, "%s and %s are named like parts of a data set, but hold no class folders",
                named[0], named[1]);
    else
        mr_fail(e, MR_EINVAL, "%s is named like a part of a data set, but holds no class folders", named[0]);
    return mr_hint(
        e, MR_EINVAL,
        "put the images of each class into a folder there; if these are classes, name %s as the folder to "
        "train on",
        s->dir);
}

static int refuse_doubt(const survey *s, const char *part, mr_error *e)
{
    mr_fail(e, MR_EINVAL, "%s may be a part of the data or a class, as %s is", part, s->other);
    return mr_hint(e, MR_EINVAL, "name the folder to train on: %s or %s", part, s->dir);
}

/* Whether one of the folders that are no parts holds images of its own. 1, 0, or an error. */
static int other_is_class(const survey *s, mr_error *e)
{
    mr_strings *strings = mr_strings_create();
    mr_paths files = {0};
    mr_folder_counts counts = {0};
    if (!s->other || !strings) {
        mr_strings_leave(strings);
        return s->other ? mr_no_memory(e, "%s", s->other) : 0;
    }
    int status = mr_folder_walk(s->other, NULL, 0, strings, &files, &counts, e);
    bool images = files.count > 0;
    free(files.name);
    mr_strings_leave(strings);
    return status ? status : images;
}

/* Class folders that hold the parts, as in cat/train: what is to be tested on would be trained on. */
static int check_classes_first(const survey *s, mr_error *e)
{
    survey inner = {0};
    int status = s->others > 1 ? survey_folder(&inner, s->other, e) : 0;
    if (!status && inner.parts + inner.flats > 1 && !inner.others) {
        mr_fail(e, MR_EINVAL, "%s is divided into parts of a data set", s->other);
        status = mr_hint(e, MR_EINVAL,
                         "put the folders of the classes into those of the parts (train/cat, not cat/train)");
    }
    forget(&inner);
    return status;
}

/* 1: the folder has parts; 0: it has classes, or a folder to pass through; an error where that is in doubt.
 */
static int decide(const survey *s, mr_error *e)
{
    if (s->parts == 0 && (s->flats > 1 || (s->flats == 1 && !s->others)))
        return refuse_flat(s, e);
    if (s->parts == 0)
        return check_classes_first(s, e);
    if (s->parts > 1 || s->others < 2)
        return 1;
    int class = other_is_class(s, e);
    for (int i = 0; class == 1 && i < PARTS; i++)
        if (s->part[i])
            return refuse_doubt(s, s->part[i], e);
    return class < 0 ? class : 1;
}

/* A part that holds nothing but a folder of its own kind (seg_train/seg_train) is that folder. */
static int unwrap_part(char **part, int kind, mr_error *e)
{
    survey s;
    int status = survey_folder(&s, *part, e);
    if (status)
        return status;
    if (s.only && s.part[kind]) {
        free(*part);
        *part = s.part[kind];
        s.part[kind] = NULL;
    }
    forget(&s);
    return 0;
}

/* Moves the parts of S to PARTS; those that hold no folders are none. */
static int take_parts(survey *s, char **const parts[PARTS], mr_error *e)
{
    int status = 0;
    for (int i = 0; i < PARTS; i++) {
        *parts[i] = s->part[i] ? s->part[i] : s->flat[i];
        if (s->part[i])
            s->part[i] = NULL;
        else
            s->flat[i] = NULL;
    }
    for (int i = 0; !status && i < PARTS; i++)
        if (*parts[i])
            status = unwrap_part(parts[i], i, e);
    return status;
}

/* 1: the parts of DIR are found, 0: it has none. */
static int find_parts(const char *dir, char **const parts[PARTS], mr_error *e)
{
    survey s, inner = {0};
    int status = survey_folder(&s, dir, e);
    if (!status)
        status = decide(&s, e);
    if (status == 1 && (status = take_parts(&s, parts, e)) == 0)
        status = 1;
    else if (status == 0 && s.only) { /* data/data/train */
        status = survey_folder(&inner, s.only, e);
        if (!status && inner.parts)
            status = decide(&inner, e);
        if (status == 1 && (status = take_parts(&inner, parts, e)) == 0)
            status = 1;
    }
    forget(&inner);
    forget(&s);
    return status;
}

/* --- what looks like parts by what is in it ------------------------------------------------------- */

static size_t common_names(const mr_paths *a, const mr_paths *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            count += !strcmp(a->name[i], b->name[k]);
    return count;
}

/* 1: FOLDER of DIR holds folders that are nearly all called like those of NAMES, and the other way round. */
static int holds_nearly(const char *dir, const char *folder, const mr_paths *names, mr_error *e)
{
    listing l = {0};
    char *path = join(dir, folder, e);
    int status = path ? list(&l, path, e) : MR_ENOMEM;
    size_t more = l.names.count > names->count ? l.names.count : names->count;
    bool same = !status && more > 1 && common_names(&l.names, names) * 4 >= more * 3;
    unlist(&l);
    free(path);
    return status ? status : same;
}

static int all_hold_the_same(const char *dir, const mr_paths *folders, mr_error *e)
{
    listing first = {0};
    char *path = join(dir, folders->name[0], e);
    int same = path ? list(&first, path, e) : MR_ENOMEM;
    same = same ? same : 1;
    for (size_t i = 0; same == 1 && i < folders->count; i++)
        same = holds_nearly(dir, folders->name[i], &first.names, e);
    unlist(&first);
    free(path);
    return same;
}

int mr_dataset_check_classes(const char *dir, mr_error *e)
{
    listing l;
    int status = list(&l, dir, e);
    if (!status && l.names.count == 1) { /* passed through */
        char *inner = join(dir, l.names.name[0], e);
        status = inner ? mr_dataset_check_classes(inner, e) : MR_ENOMEM;
        free(inner);
    } else if (!status && l.names.count > 1) {
        status = all_hold_the_same(dir, &l.names, e);
        if (status == 1)
            status = mr_hint(e,
                             mr_fail(e, MR_EINVAL, "%s: its folders (%s, %s%s) hold folders of the same names, as the parts "
                                                   "of a data set do",
                                     dir, l.names.name[0], l.names.name[1], l.names.count > 2 ? ", ..." : ""),
                             "give --train-dir and --validation-dir; if the outer folders are the classes, --train-dir %s", dir);
    }
    unlist(&l);
    return status;
}

static bool is_within(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return path && !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

int mr_dataset_passed_over(mr_text *out, const char *training, const char *validation, const char *testing, mr_error *e)
{
    const char *slash = strrchr(training, '/');
    char *dir = slash ? strndup(training, (size_t)(slash - training)) : NULL;
    listing l = {0};
    int status = dir ? list(&l, dir, e) : slash ? mr_no_memory(e, "a path") : 0;
    for (size_t i = 0; !status && i < l.names.count; i++) {
        char *path = join(dir, l.names.name[i], e);
        status = path ? 0 : MR_ENOMEM;
        if (path && !is_within(training, path) && !is_within(validation, path) && !is_within(testing, path))
            mr_text_format(out, "%s%s", out->length ? ", " : "", path);
        free(path);
    }
    if (dir)
        unlist(&l);
    free(dir);
    return status;
}

int mr_dataset_layout(const char *dir, char **training, char **validation, char **testing, mr_error *e)
{
    char **const parts[PARTS] = {training, validation, testing};
    struct stat st;
    *training = *validation = *testing = NULL;
    if (stat(dir, &st) != 0)
        return mr_fail_errno(e, errno, "cannot open folder %s", dir);
    if (!S_ISDIR(st.st_mode))
        return mr_fail(e, MR_EINVAL, "%s is not a folder", dir);
    int status = find_parts(dir, parts, e);
    if (status == 0 && !(*training = strdup(dir)))
        status = mr_no_memory(e, "a path");
    for (int i = 0; status < 0 && i < PARTS; i++) {
        free(*parts[i]);
        *parts[i] = NULL;
    }
    return status < 0 ? status : 0;
}
