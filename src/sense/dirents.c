/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Dirents: list a folder without asking for memory.
 *
 * readdir(3) would do, but its stream is allocated anew for each listing, and the lists here (the
 * descriptors of a process, the processes of the machine) are made at every check for as long as
 * the machine runs. This is getdents64(2) over a buffer that the caller has on its stack.
 */

#include "sense/dirents.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

void dirents_init(Dirents *dirents, int dir_fd) {
        assert(dirents);
        assert(dir_fd >= 0);

        dirents->fd = dir_fd;
        dirents->length = 0;
        dirents->position = 0;
}

int dirents_next(Dirents *dirents, Dirent *ret) {
        assert(dirents);
        assert(ret);

        if (dirents->position >= dirents->length) {
                dirents->position = 0;
                dirents->length = syscall(SYS_getdents64, dirents->fd, dirents->buffer,
                                          sizeof(dirents->buffer));
                if (dirents->length < 0) {
                        dirents->length = 0;
                        return -errno;
                }
                if (dirents->length == 0)
                        return 0;
        }

        const struct dirent64 *entry =
                (const struct dirent64 *) (const void *) (dirents->buffer + dirents->position);

        dirents->position += entry->d_reclen;
        *ret = (Dirent){ .name = entry->d_name, .type = entry->d_type, .next = entry->d_off };
        return 1;
}

bool dirents_parse_number(const char *name, uint64_t *ret) {
        /* The quick look spares the strict reader the many names of /proc that are words. */
        return name[0] >= '0' && name[0] <= '9' && text_parse_u64(name, ret) == 0;
}
