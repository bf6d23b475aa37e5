/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Obituary: the exit status of somebody else's child.
 *
 * A service taken over from an earlier watchdog is not our child, so wait(2) says nothing about it.
 * Since Linux 6.15 a pidfd that was open when the process ended can be asked (PIDFD_GET_INFO with
 * PIDFD_INFO_EXIT, ioctl_pidfd(2)), but only after its parent, which is init by then, has waited for
 * it: a moment later than the death itself. So the answer may be "ask again".
 *
 * The layout below is the first published one, 64 bytes; the kernel fills as much as it is given.
 */

#include "service/obituary.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

typedef struct PidfdInfo {
        uint64_t mask;
        uint64_t cgroup_id;
        uint32_t numbers[11]; /* pid, thread group, parent, and eight identities */
        int32_t exit_code;
} PidfdInfo;

static_assert(sizeof(PidfdInfo) == 64, "size is part of the request's number");

#define GET_INFO _IOWR(0xFF, 11, PidfdInfo)
#define INFO_EXIT (UINT64_C(1) << 3)

int obituary_parse(int wait_status, int *ret_code, int *ret_status) {
        assert(ret_code);
        assert(ret_status);

        if (WIFEXITED(wait_status)) {
                *ret_code = CLD_EXITED;
                *ret_status = WEXITSTATUS(wait_status);
                return 0;
        }

        if (WIFSIGNALED(wait_status)) {
                *ret_code = WCOREDUMP(wait_status) ? CLD_DUMPED : CLD_KILLED;
                *ret_status = WTERMSIG(wait_status);
                return 0;
        }

        return -EINVAL;
}

int obituary_read(int pidfd, int *ret_code, int *ret_status) {
        PidfdInfo info = { .mask = INFO_EXIT };

        if (ioctl(pidfd, GET_INFO, &info) < 0)
                return errno == ESRCH ? -EAGAIN : -errno;
        if (!(info.mask & INFO_EXIT))
                return -EAGAIN;

        return obituary_parse(info.exit_code, ret_code, ret_status);
}
