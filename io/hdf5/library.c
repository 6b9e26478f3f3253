/* SPDX-License-Identifier: Apache-2.0 */
/* libhdf5 itself: its lock, its errors, its ids. */
#include "io/hdf5/driver.h"
#include "io/hdf5/hdf5.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_mutex_t mutex;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_mutex(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    H5open();
    mr_hdf5_register_writer();
    H5PLset_loading_state(0); /* never load filter plug-ins named by the file */
}

void mr_hdf5_lock(void)
{
    /* Debian's library is built with thread support: each thread has an error stack of its own to be
     * silenced. */
    static _Thread_local bool silent;
    pthread_once(&once, make_mutex);
    pthread_mutex_lock(&mutex);
    if (!silent)
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    silent = true;
}

void mr_hdf5_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

struct reason {
    char text[200];
};

/* From the innermost failure outwards: the first is the most specific. */
static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *context)
{
    struct reason *reason = context;
    if (n == 0 && error->desc)
        snprintf(reason->text, sizeof reason->text, ": %s", error->desc);
    return 0;
}

int mr_hdf5_fail(mr_error *e, int code, const char *format, ...)
{
    struct reason reason = {""};
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
    H5Eclear2(H5E_DEFAULT);
    return mr_fail(e, code, "%s%s", message, reason.text);
}

void mr_hdf5_release(hid_t id)
{
    if (id >= 0 && H5Iis_valid(id) > 0)
        H5Idec_ref(id);
}

hid_t mr_hdf5_creating_groups(void)
{
    hid_t list = H5Pcreate(H5P_LINK_CREATE);
    if (list >= 0)
        H5Pset_create_intermediate_group(list, 1);
    return list;
}
