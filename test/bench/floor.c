/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Floor: what the kernel alone costs.
 *
 *      floor PID CYCLES
 *
 * Asks the kernel, as often as told, for the same files as a full check of one service does, and
 * does nothing with the answers: no parsing, no checks, no bookkeeping. No watcher that looks at
 * these facts can cost less than this; bench_sense is measured against it.
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "bench.h"

static char buffer[32768];
static const char *const kept_files[] = {
        "/proc/stat",        "/proc/meminfo", "/proc/pressure/cpu", "/proc/pressure/memory",
        "/proc/pressure/io",
};
enum {
        KEPT = sizeof(kept_files) / sizeof(kept_files[0])
};

static void read_once(int dir_fd, const char *name) {
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || pread(fd, buffer, sizeof(buffer), 0) < 0)
                return;
        (void) close(fd); /* only read from */
}

static void dump(int fd) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req request;
        } question = {
                .header = { .nlmsg_len = sizeof(question),
                            .nlmsg_type = TCPDIAG_GETSOCK,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
                .request = { .idiag_states = 0xfbe }, /* all but TIME_WAIT */
        };
        const struct nlmsghdr *header = (const struct nlmsghdr *) (const void *) buffer;

        if (send(fd, &question, sizeof(question), 0) < 0)
                return;

        /* The last piece is the one that begins with the end of the dump. */
        do
                if (recv(fd, buffer, sizeof(buffer), 0) <= 0)
                        return;
        while (header->nlmsg_type == TCPDIAG_GETSOCK);
}

static void read_links(int dir_fd) {
        int fd = openat(dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char link[64];
        long n;

        while ((n = syscall(SYS_getdents64, fd, buffer, 8192)) > 0)
                for (long at = 0; at < n;) {
                        const struct dirent64 *entry =
                                (const struct dirent64 *) (const void *) (buffer + at);

                        if (entry->d_name[0] != '.')
                                (void) !readlinkat(fd, entry->d_name, link, sizeof(link));
                        at += entry->d_reclen;
                }

        (void) close(fd); /* only read from */
}

static void list_processes(int proc_fd) {
        int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        long n;

        while ((n = syscall(SYS_getdents64, fd, buffer, 8192)) > 0)
                for (long at = 0; at < n;) {
                        const struct dirent64 *entry =
                                (const struct dirent64 *) (const void *) (buffer + at);
                        pid_t pid = 0;

                        for (const char *p = entry->d_name; *p >= '0' && *p <= '9'; p++)
                                pid = pid * 10 + (*p - '0');
                        if (pid > 0)
                                (void) getsid(pid); /* it may be gone */
                        at += entry->d_reclen;
                }

        (void) close(fd); /* only read from */
}

int main(int argc, char **argv) {
        Bench bench;
        struct stat st;
        struct statvfs vfs;
        char path[32];
        int kept[KEPT];

        if (!bench_start(&bench, "floor", argc, argv))
                return 2;

        for (unsigned i = 0; i < KEPT; i++)
                kept[i] = open(kept_files[i], O_RDONLY | O_CLOEXEC);

        (void) snprintf(path, sizeof(path), "/proc/%d", (int) bench.pid); /* fits */
        int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int stat_fd = openat(dir_fd, "stat", O_RDONLY | O_CLOEXEC);
        int netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

        if (proc_fd < 0 || dir_fd < 0 || stat_fd < 0 || netlink_fd < 0) {
                perror("floor");
                return 1;
        }

        while (bench_goes_on(&bench)) {
                struct timex timex = { .modes = 0 };

                for (unsigned i = 0; i < KEPT; i++)
                        if (kept[i] >= 0)
                                (void) !pread(kept[i], buffer, i == 0 ? 511 : 4095, 0);
                (void) statvfs("/", &vfs);    /* nothing is done with any of it */
                (void) statvfs("/tmp", &vfs); /* as above */
                (void) adjtimex(&timex);      /* as above */

                list_processes(proc_fd);
                (void) !pread(stat_fd, buffer, 2047, 0);
                if (bench.left % 10 == 0)
                        read_once(dir_fd, "smaps_rollup"); /* as often as we do */
                (void) fstatat(dir_fd, "fd", &st, 0);      /* as above */
                read_once(dir_fd, "limits");

                read_links(dir_fd);
                dump(netlink_fd);
        }

        bench_report(&bench);
        return 0;
}
