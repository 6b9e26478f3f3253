/* SPDX-License-Identifier: Apache-2.0 */
/* What both backends share: which files are read (regular ones, not too large), and how a read fails. */
#include "io/files/reader_backend.h"

#include <errno.h>
#include <unistd.h>

void mr_slot_fail(mr_read_slot *slot, mr_buffer_pool *pool, int code, int sys_errno)
{
    mr_buffer_give(pool, slot->read.bytes);
    slot->read.bytes = NULL;
    slot->read.size = 0;
    slot->read.error = code;
    slot->read.sys_errno = sys_errno;
}

void mr_slot_size_up(mr_read_slot *slot, mr_buffer_pool *pool, mr_reader_options options)
{
    struct stat st;
    if (fstat(slot->fd, &st) != 0) {
        mr_slot_fail(slot, pool, MR_EIO, errno);
    } else if (S_ISDIR(st.st_mode)) {
        mr_slot_fail(slot, pool, MR_EIO, EISDIR);
    } else if (!S_ISREG(st.st_mode)) {
        mr_slot_fail(slot, pool, MR_EUNSUPPORTED, 0);
    } else if ((uint64_t)st.st_size > options.max_file_size) {
        mr_slot_fail(slot, pool, MR_ELIMIT, EFBIG);
    } else {
        slot->want = (size_t)st.st_size;
    }
}

bool mr_slot_take_buffer(mr_read_slot *slot, mr_buffer_pool *pool, bool wait)
{
    int status = mr_buffer_take(pool, slot->want, wait, &slot->read.bytes);
    if (status < 0)
        mr_slot_fail(slot, pool, status, status == MR_ENOMEM ? ENOMEM : ECANCELED);
    return status != 0;
}

bool mr_is_out_of_files(int sys_errno)
{
    return sys_errno == EMFILE || sys_errno == ENFILE;
}

void mr_slot_fail_open(mr_read_slot *slot, mr_buffer_pool *pool, int sys_errno)
{
    mr_slot_fail(slot, pool, sys_errno == ENOENT ? MR_ENOTFOUND : MR_EIO, sys_errno);
}

void mr_slot_pread(mr_read_slot *slot, mr_buffer_pool *pool)
{
    mr_read *r = &slot->read;
    while (r->size < slot->want) {
        ssize_t n = pread(slot->fd, r->bytes + r->size, slot->want - r->size, (off_t)r->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            mr_slot_fail(slot, pool, MR_EIO, errno);
        if (n <= 0)
            return; /* an end before the size: the file shrank, its bytes are what there is */
        r->size += (size_t)n;
    }
}
