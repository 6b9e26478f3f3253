/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <signal.h>

int mr_thread_start(pthread_t *thread, void *(*function)(void *), void *argument, const char *name, mr_error *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a new thread inherits the mask */
    int error = pthread_create(thread, NULL, function, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return mr_fail_errno(e, error, "cannot start the thread %s", name);
    pthread_setname_np(*thread, name); /* a failure costs only the name */
    return MR_OK;
}
