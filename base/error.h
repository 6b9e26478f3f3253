/* SPDX-License-Identifier: Apache-2.0 */
/* The error record. Nothing below cli/ prints or exits: a function that can fail returns 0 or a negative
 * MR_E… code and fills the record (mr_error, in millrace.h) that its caller gave, once, where the failure is
 * known best. */
#ifndef MR_NN_ERROR_H
#define MR_NN_ERROR_H

#include <millrace/millrace.h>
#include <stdbool.h>

/* Fills E (which may be NULL) with CODE and the printf-like message, which names the thing. Line breaks and
 * control characters in it become '?', so that a message stays one line whatever a file name holds.
 * Returns CODE, for `return mr_fail(…)`. Keeps an earlier failure: the first one is the cause. */
int mr_fail(mr_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends strerror(SYS_ERRNO). Code is MR_ENOTFOUND for ENOENT, MR_ENOMEM
 * for ENOMEM and EAGAIN (a thread's stack), MR_EIO otherwise. */
int mr_fail_errno(mr_error *e, int sys_errno, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for memory that could not be had: "out of memory for WHAT". Code is MR_ENOMEM. */
int mr_no_memory(mr_error *e, const char *what, ...) __attribute__((format(printf, 2, 3)));

/* Adds the way out to a failure; keeps a hint that is there already. Returns e->code (or CODE where e is
 * NULL). */
int mr_hint(mr_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Hands a failure on that was noted elsewhere: WHY's code, message and hint, as mr_fail and mr_hint would.
 * Returns WHY's code; 0, and nothing is done, where WHY holds no failure. */
int mr_fail_as(mr_error *e, const mr_error *why);

/* Makes the record ready for use again. */
void mr_error_clear(mr_error *e);

#endif
