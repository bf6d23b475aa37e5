/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Process: one process, and no other.
 *
 * A number names a process only until it has ended; then the kernel may give it to a stranger, and
 * a watchdog that signals by number kills the stranger. So a process is held by two descriptors:
 * the pidfd to wait for it and to signal it, and the folder /proc/PID, which answers "no such
 * process" for ever after, whoever has the number then. For the checkpoint, which outlives
 * descriptors, it is named by number, start time and boot.
 *
 * A process also chooses its own name, which stands unquoted in the middle of /proc/PID/stat; that
 * ") R 1 (" is a legal name is why the line is read from its last bracket.
 */

#include "sense/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"
#include "sense/dirents.h"
#include "sense/scan.h"

/* Fields of the line by their numbers in proc_pid_stat(5); the state, number 3, comes before. */
enum {
        FIELD_PPID = 4,
        FIELD_PGRP = 5,
        FIELD_SESSION = 6,
        FIELD_UTIME = 14,
        FIELD_STIME = 15,
        FIELD_NUM_THREADS = 20,
        FIELD_STARTTIME = 22,
        FIELD_RSS = 24,
        _FIELD_MAX,
};

static bool to_pid(int64_t value, pid_t *ret) {
        if (value < 0 || value > INT32_MAX)
                return false;

        *ret = (pid_t) value;
        return true;
}

/* A decimal that may be negative, as some fields are; those we do not use may be anything. */
static bool scan_i64(Span word, int64_t *ret) {
        bool is_negative = word.start < word.end && *word.start == '-';
        uint64_t magnitude;

        word.start += is_negative;
        if (!scan_u64(word, &magnitude))
                return false;

        *ret = is_negative ? -scan_to_i64(magnitude) : scan_to_i64(magnitude);
        return true;
}

static bool parse_fields(const char *p, const char *end, int64_t fields[static _FIELD_MAX]) {
        Span word;

        for (unsigned i = FIELD_PPID; i < _FIELD_MAX; i++) {
                if (!scan_word(&p, end, &word) || !scan_i64(word, &fields[i]))
                        return false;
                if (p == end)
                        return false; /* more fields follow in every kernel: this one was cut */
        }

        return true;
}

int process_parse_stat(const char *text, size_t length, ProcessStat *ret) {
        assert(text);
        assert(ret);

        const char *end = text + length;
        const char *open = memchr(text, '(', length);
        const char *close = memrchr(text, ')', length);

        if (!open || !close || close < open || end - close < 4)
                return -EINVAL;

        int64_t fields[_FIELD_MAX] = { 0 };
        ProcessStat stat = { 0 };
        const char *p = text;
        uint64_t pid;

        if (!text_scan_u64(&p, open, &pid) || *p != ' ' || p + 1 != open)
                return -EINVAL;
        if (close[1] != ' ' || close[3] != ' ' || !parse_fields(close + 3, end, fields))
                return -EINVAL;
        if (!to_pid(scan_to_i64(pid), &stat.pid) || !to_pid(fields[FIELD_PPID], &stat.parent) ||
            !to_pid(MAX(fields[FIELD_PGRP], 0), &stat.group) ||
            !to_pid(MAX(fields[FIELD_SESSION], 0), &stat.session))
                return -EINVAL;

        size_t name_length = MIN((size_t) (close - open - 1), sizeof(stat.name) - 1);
        memcpy(stat.name, open + 1, name_length);

        stat.state = close[2];
        /* Each is at most half the range of its sum. */
        stat.cpu_ticks =
                (uint64_t) MAX(fields[FIELD_UTIME], 0) + (uint64_t) MAX(fields[FIELD_STIME], 0);
        stat.threads = (uint64_t) MAX(fields[FIELD_NUM_THREADS], 0);
        stat.start_ticks = (uint64_t) MAX(fields[FIELD_STARTTIME], 0);
        stat.rss_pages = (uint64_t) MAX(fields[FIELD_RSS], 0);

        *ret = stat;
        return 0;
}

int process_parse_smaps_rollup(const char *text, size_t length, uint64_t *ret_pss_bytes) {
        assert(text);
        assert(ret_pss_bytes);

        const char *p = text;
        uint64_t pss = 0;
        uint64_t swap = 0; /* absent without swap support */
        bool has_pss = false;
        Span line;
        Span rest;

        while (scan_line(&p, text + length, &line))
                if (!has_pss && scan_after(line, "Pss:", &rest)) {
                        if (!scan_kilobytes(rest, &pss))
                                return -EINVAL;
                        has_pss = true;
                } else if (scan_after(line, "SwapPss:", &rest) && !scan_kilobytes(rest, &swap))
                        return -EINVAL;

        if (!has_pss || __builtin_add_overflow(pss, swap, ret_pss_bytes))
                return -EINVAL;

        return 0;
}

int process_parse_limits(const char *text, size_t length, int64_t *ret_descriptors) {
        assert(text);
        assert(ret_descriptors);

        const char *p = text;
        uint64_t value;
        Span line;
        Span rest;
        Span word;

        while (scan_line(&p, text + length, &line)) {
                if (!scan_after(line, "Max open files ", &rest))
                        continue;

                const char *q = rest.start;
                if (!scan_word(&q, rest.end, &word))
                        return -EINVAL;
                if (scan_is(word, "unlimited"))
                        value = UINT64_MAX;
                else if (!scan_u64(word, &value))
                        return -EINVAL;

                *ret_descriptors = scan_to_i64(value);
                return 0;
        }

        return -EINVAL;
}

ProcessPresence process_presence(const ProcessStat *stat) {
        assert(stat);

        switch (stat->state) {
        case 'T':
        case 't':
                return PROCESS_STOPPED;
        case 'Z':
                return stat->threads > 1 ? PROCESS_ALIVE : PROCESS_ZOMBIE;
        case 'X':
        case 'x':
                return PROCESS_GONE;
        default: /* R, S, D, I, and letters of kernels to come */
                return PROCESS_ALIVE;
        }
}

bool process_identity_is_same(const ProcessIdentity *a, const ProcessIdentity *b) {
        assert(a);
        assert(b);

        return a->pid > 0 && a->pid == b->pid && a->start_ticks == b->start_ticks &&
               strcmp(a->boot_id, b->boot_id) == 0;
}

static ProcessPresence presence_of_failure(int r) {
        return r == -ESRCH || r == -ENOENT ? PROCESS_GONE : PROCESS_UNKNOWN;
}

static ProcessIdentity identity_of(const Kernel *kernel, const ProcessStat *stat) {
        ProcessIdentity identity = { .pid = stat->pid, .start_ticks = stat->start_ticks };

        (void) text_copy(identity.boot_id, sizeof(identity.boot_id),
                         kernel->boot_id); /* same size */
        return identity;
}

/* The longest line any kernel writes here is some 400 bytes: 52 numbers and a name. */
enum {
        STAT_SIZE = 2048
};

static int read_stat(int dir_fd, const char *name, ProcessStat *ret) {
        char buffer[STAT_SIZE];
        size_t length;

        int r = kernel_read_at(dir_fd, name, buffer, sizeof(buffer), &length);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;

        return process_parse_stat(buffer, length, ret);
}

int process_read_stat(int dir_fd, ProcessStat *ret) {
        assert(dir_fd >= 0);
        assert(ret);

        return read_stat(dir_fd, "stat", ret);
}

/* Room for "PID/stat" with the longest number. */
enum {
        PROC_NAME_SIZE = 20
};

int process_peek_stat(const Kernel *kernel, pid_t pid, ProcessStat *ret) {
        assert(kernel);
        assert(pid > 0);
        assert(ret);

        char name[PROC_NAME_SIZE];

        (void) snprintf(name, sizeof(name), "%d/stat", (int) pid); /* fits */
        return read_stat(kernel->proc_fd, name, ret);
}

int process_open_dir(const Kernel *kernel, pid_t pid) {
        assert(kernel);
        assert(pid > 0);

        char name[PROC_NAME_SIZE];

        (void) snprintf(name, sizeof(name), "%d", (int) pid); /* fits */
        int fd = openat(kernel->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;

        return fd;
}

ProcessPresence process_identify(const Kernel *kernel, pid_t pid, ProcessIdentity *ret) {
        assert(ret);

        ProcessStat stat;

        int r = process_peek_stat(kernel, pid, &stat);
        if (r < 0)
                return presence_of_failure(r);

        *ret = identity_of(kernel, &stat);
        return process_presence(&stat);
}

void process_close(ProcessSense *process) {
        assert(process);

        fd_cleanup(&process->stat_fd);
        fd_cleanup(&process->dir_fd);
        fd_cleanup(&process->pid_fd);
        process->stat_fd = process->dir_fd = process->pid_fd = -1;
}

/* Opens what the pid names at this moment; whether that is one and the same process is not yet
 * known. */
static int open_by_number(const Kernel *kernel, pid_t pid, ProcessSense *process) {
        process->pid_fd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (process->pid_fd < 0 && errno == ESRCH)
                return -ESRCH;

        process->dir_fd = process_open_dir(kernel, pid);
        if (process->dir_fd < 0)
                return process->dir_fd;

        process->stat_fd = openat(process->dir_fd, "stat", O_RDONLY | O_CLOEXEC);
        if (process->stat_fd < 0)
                return -errno;

        /* If the first descriptor still finds its process now, the number was its all along. */
        if (process->pid_fd >= 0 &&
            syscall(SYS_pidfd_send_signal, process->pid_fd, 0, NULL, 0) < 0 && errno == ESRCH)
                return -ESRCH;

        return 0;
}

ProcessPresence process_open(const Kernel *kernel, pid_t pid, ProcessSense *ret) {
        assert(kernel);
        assert(pid > 0);
        assert(ret);

        ProcessSense process = { .pid_fd = -1, .dir_fd = -1, .stat_fd = -1 };
        ProcessPresence presence;
        ProcessStat stat;

        *ret = process;

        int r = open_by_number(kernel, pid, &process);
        presence = r < 0 ? presence_of_failure(r) : process_read_light(&process, &stat);

        if (presence == PROCESS_UNKNOWN || presence == PROCESS_GONE) {
                process_close(&process);
                return presence;
        }

        process.identity = identity_of(kernel, &stat);

        struct stat net;
        process.is_other_net = kernel->own_net != 0 &&
                               fstatat(process.dir_fd, "ns/net", &net, 0) == 0 &&
                               net.st_ino != kernel->own_net;

        *ret = process;
        return presence;
}

ProcessPresence process_read_light(const ProcessSense *process, ProcessStat *ret) {
        assert(process);
        assert(process->stat_fd >= 0);
        assert(ret);

        char buffer[STAT_SIZE];
        ProcessStat stat;
        size_t length;

        int r = kernel_read(process->stat_fd, buffer, sizeof(buffer), &length);
        if (r >= 0)
                r = process_parse_stat(buffer, length, &stat);
        if (r < 0)
                return presence_of_failure(r);

        ProcessPresence presence = process_presence(&stat);
        if (presence != PROCESS_GONE)
                *ret = stat;

        return presence;
}

/* Numbers only, and of course "." and "..". */
static int64_t count_descriptors(int dir_fd) {
        CLEANUP_FD int fd = openat(dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -1;

        Dirents dirents;
        Dirent entry;
        int64_t n = 0;
        int r;

        dirents_init(&dirents, fd);
        while ((r = dirents_next(&dirents, &entry)) > 0)
                n += entry.name[0] != '.';

        return r < 0 ? -1 : n;
}

static int64_t read_descriptors(int dir_fd) {
        struct stat st;

        /* Since Linux 6.2 the size of the folder is their number; before, it is zero. */
        if (fstatat(dir_fd, "fd", &st, 0) == 0 && st.st_size > 0)
                return st.st_size;

        return count_descriptors(dir_fd);
}

static int64_t read_pss(int dir_fd) {
        char buffer[2048];
        uint64_t pss_bytes;
        size_t length;

        if (kernel_read_at(dir_fd, "smaps_rollup", buffer, sizeof(buffer), &length) < 0 ||
            process_parse_smaps_rollup(buffer, length, &pss_bytes) < 0)
                return -1;

        return scan_to_i64(pss_bytes);
}

static int64_t read_limit(int dir_fd) {
        char buffer[4096];
        int64_t limit;
        size_t length;

        if (kernel_read_at(dir_fd, "limits", buffer, sizeof(buffer), &length) < 0 ||
            process_parse_limits(buffer, length, &limit) < 0)
                return -1;

        return limit;
}

void process_read_depth(int dir_fd, bool is_pss_wanted, ProcessDepth *ret) {
        assert(dir_fd >= 0);
        assert(ret);

        *ret = (ProcessDepth){
                .pss_bytes = is_pss_wanted ? read_pss(dir_fd) : -1,
                .descriptors = read_descriptors(dir_fd),
                .descriptors_limit = read_limit(dir_fd),
        };
}

void process_read_full(const ProcessSense *process, bool is_pss_wanted, ProcessDepth *ret) {
        assert(process);

        process_read_depth(process->dir_fd, is_pss_wanted, ret);
}

usec_t process_age_usec(const Kernel *kernel, const ProcessStat *stat, usec_t now_usec) {
        return usec_sub(now_usec, kernel_ticks_to_usec(kernel, stat->start_ticks));
}
