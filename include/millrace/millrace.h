/* SPDX-License-Identifier: Apache-2.0 */
/* millrace: training and streaming inference of image classifiers on CPUs.
 * The public face of libmillrace: opaque handles, an mr_ prefix, negative MR_E… codes. */
#ifndef MILLRACE_MILLRACE_H
#define MILLRACE_MILLRACE_H

#ifdef __cplusplus
extern "C" {
#endif

#define MR_VERSION_STRING "0.1.0"

/* What a function that can fail returns; 0 is success. */
enum {
    MR_OK = 0,
    MR_ENOMEM = -1,       /* out of memory, or over --memory-limit */
    MR_EIO = -2,          /* the system refused to open, read, write, sync or rename */
    MR_EFORMAT = -3,      /* bytes that are not what they should be: damaged or not of this kind */
    MR_EUNSUPPORTED = -4, /* well formed, but something millrace does not do (a Lambda layer, a GIF) */
    MR_EINVAL = -5,       /* a wrong argument, option or combination of them */
    MR_ELIMIT = -6,       /* over a limit on pixels, sizes, counts or errors */
    MR_ECANCELED = -7,    /* stopped by a signal or by the other side of a queue closing */
    MR_ENOTFOUND = -8,    /* no such file, folder, layer or entry */
    MR_EUSAGE = -9,       /* an option, or a combination of them, that cannot be meant */
    MR_EAGAIN = -10       /* not within the time that was given: ask again */
};

/* What failed. The caller's, zeroed before its first use ({0}), and again (or only its code) before the next:
 * a record that holds a failure keeps it, since the first one is the cause. Functions accept NULL: the failure is
 * not described then. */
typedef struct mr_error {
    int code;          /* MR_E…, 0 while nothing failed */
    char message[768]; /* one line: what failed, on which path, layer or option */
    char hint[256];    /* the way out, or empty */
} mr_error;

/* The version of the library, for example "0.1.0". Thread safe. */
const char *mr_version(void);

#ifdef __cplusplus
}
#endif

#endif
