/* SPDX-License-Identifier: Apache-2.0 */
/* A growing string. Used wherever a text is put together before
 * it is printed, so that what is tested is a string and not a stream. */
#ifndef MR_NN_TEXT_H
#define MR_NN_TEXT_H

#include "base/error.h"
#include "base/utf8.h"
#include <stddef.h>

/* {0} is an empty text. Running out of memory is remembered instead of returned: the appends become no-ops,
 * and mr_text_check says it once at the end. Not thread safe. */
typedef struct mr_text {
    char *data;    /* length bytes and a NUL, or NULL while nothing was appended; owned */
    size_t length; /* bytes, without the NUL; the text may hold NUL bytes of its own */
    size_t capacity;
    bool failed; /* an append ran out of memory: the text is incomplete */
} mr_text;

void mr_text_append(mr_text *t, const char *string);
void mr_text_append_bytes(mr_text *t, const void *bytes, size_t size);
void mr_text_append_char(mr_text *t, char c);
/* STRING, COUNT times; COUNT <= 0 appends nothing. */
void mr_text_repeat(mr_text *t, const char *string, long count);
void mr_text_format(mr_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What every name that comes from outside goes through before it meets a terminal or Cairo: control
 * characters become '?' and bytes that are no UTF-8 become U+FFFD. */
void mr_text_append_clean(mr_text *t, const char *string);

/* STRING, with blanks before (RIGHT) or after it up to WIDTH columns; never cut. */
void mr_text_append_padded(mr_text *t, const char *string, size_t width, bool right);

/* STRING as mr_text_append_clean gives it, cut to WIDTH columns; what was cut shows as an ellipsis at the
 * end. */
void mr_text_append_cut(mr_text *t, const char *string, size_t width);

/* The text as a C string, "" where nothing was appended. Valid until the next change. */
const char *mr_text_string(const mr_text *t);
/* 0, or MR_ENOMEM where an append was lost. WHAT names the text in the message. */
int mr_text_check(const mr_text *t, const char *what, mr_error *e);

/* Whether STRING ends with END, byte for byte. */
bool mr_ends_with(const char *string, const char *end);

/* Forgets the content and the failure, keeps the memory. */
void mr_text_clear(mr_text *t);
/* Frees the memory; the text is {0} again. NULL is fine. */
void mr_text_destroy(mr_text *t);

#endif
