/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Roster: which processes belong to a service, and a word to each.
 *
 * With a fence the kernel answers. Without one there are three signs, each with a hole, and a
 * process that shows any of them belongs:
 *
 *      session      of the main process; left by setsid(2). Only asked while the main process is
 *                   known to exist, because its number may later lead a stranger's session.
 *      lock         the descriptor that proves the service alive, inherited by fork(2); closed by
 *                   careful programs before they execute another.
 *      mark         a variable in the environment, inherited by fork(2) and execve(2); overwritten
 *                   by programs that change their title.
 *
 * A number read from procfs may mean another process a moment later. So each candidate is first
 * pinned by a pidfd, then looked at, and signalled through the pidfd.
 *
 * Reading another's environment waits for its memory map, which a process stuck in the kernel may
 * hold: those in state D are left for the next look, which follows in a moment.
 */

#include "service/roster.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/text.h"
#include "io/child.h"

int roster_read_stat(pid_t pid, ProcessStat *ret_stat) {
        char path[64];
        char text[2048];
        size_t length;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid); /* always fits */

        int r = file_read(path, text, sizeof(text), &length);
        if (r < 0)
                return r;

        return process_parse_stat(text, length, ret_stat);
}

static bool parse_pid(const char *name, pid_t *ret_pid) {
        uint64_t value;

        if (text_parse_u64(name, &value) < 0 || value < 2 || value > INT_MAX)
                return false;

        *ret_pid = (pid_t) value;
        return true;
}

/* The whole entry, at the beginning or behind a terminator. */
static bool has_mark(pid_t pid, const char *mark) {
        /* One process at a time, one thread: kept out of the stack. Environments are a few thousand bytes long. */
        static char environment[64 * 1024];
        char path[64];
        size_t mark_size = strlen(mark) + 1;

        (void) snprintf(path, sizeof(path), "/proc/%d/environ", (int) pid); /* always fits */

        CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;

        ssize_t n = read(fd, environment, sizeof(environment));
        if (n < (ssize_t) mark_size)
                return false;

        const char *end = environment + n;
        for (const char *p = environment; (size_t) (end - p) >= mark_size;) {
                if (memcmp(p, mark, mark_size) == 0)
                        return true;

                p = memchr(p, '\0', (size_t) (end - p));
                if (!p)
                        break;
                p++;
        }

        return false;
}

/* Compares names, because looking at the files themselves may wait for a dead file server. */
static bool holds_file(pid_t pid, const char *file) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid); /* always fits */

        CLEANUP_DIR DIR *dir = opendir(path);
        if (!dir)
                return false;

        for (struct dirent *entry; (entry = readdir(dir));) {
                char target[PATH_SIZE + 1];
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

                if (n <= 0)
                        continue;

                target[n] = '\0';
                if (strcmp(target, file) == 0)
                        return true;
        }

        return false;
}

/* Whether anybody holds the lock, and the file's name as procfs writes it. */
static bool is_locked(const char *lock_path, char ret_name[static PATH_SIZE]) {
        char own[64];

        CLEANUP_FD int fd = open(lock_path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
                return false;

        (void) snprintf(own, sizeof(own), "/proc/self/fd/%d", fd); /* always fits */
        ssize_t n = readlink(own, ret_name, PATH_SIZE - 1);
        ret_name[MAX(n, 0)] = '\0';
        return true;
}

typedef struct Search {
        const RosterQuery *query;
        const char *locked; /* name of the lock file, NULL when nobody holds it */
        bool is_seen_locking;
        int signal_number;
        unsigned n_found;
} Search;

static bool is_member(Search *search, pid_t pid, const ProcessStat *stat) {
        const RosterQuery *query = search->query;

        if (search->locked && holds_file(pid, search->locked)) {
                search->is_seen_locking = true;
                return true;
        }

        /* Within a fence the rest is known already. */
        if (query->fence->fd >= 0)
                return false;

        return (query->session > 0 && stat->session == query->session) ||
               (stat->state != 'D' && has_mark(pid, query->mark));
}

static void meet(Search *search, pid_t pid, bool is_fenced) {
        ProcessStat stat;

        if (pid == getpid())
                return;

        CLEANUP_FD int pidfd = child_open_pidfd(pid);
        if (pidfd < 0 || roster_read_stat(pid, &stat) < 0)
                return;

        /* A zombie holds nothing and does nothing; it only waits for its parent. */
        if (process_presence(&stat) == PROCESS_ZOMBIE || process_presence(&stat) == PROCESS_GONE)
                return;
        if (!is_fenced && !is_member(search, pid, &stat))
                return;

        search->n_found++;
        if (search->signal_number > 0)
                (void) child_signal_pidfd(pidfd, search->signal_number); /* ESRCH is what we want */
}

static void meet_fenced(Search *search) {
        CLEANUP_FD int fd = openat(search->query->fence->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        CLEANUP_FILE FILE *file = fd >= 0 ? fdopen(fd, "re") : NULL;
        char line[32];

        if (!file)
                return;

        (void) TAKE_FD(fd); /* the stream closes it */

        while (fgets(line, sizeof(line), file)) {
                pid_t pid;

                line[strcspn(line, "\n")] = '\0';
                if (parse_pid(line, &pid))
                        meet(search, pid, /* is_fenced= */ true);
        }

        /* It may have made groups of its own below; cgroup.kill reaches them. */
        if (search->n_found == 0 && fence_is_populated(search->query->fence))
                search->n_found = 1;
}

static void meet_all(Search *search) {
        CLEANUP_DIR DIR *dir = opendir("/proc");

        if (!dir)
                return;

        for (struct dirent *entry; (entry = readdir(dir));) {
                pid_t pid;

                if (parse_pid(entry->d_name, &pid))
                        meet(search, pid, /* is_fenced= */ false);
        }
}

unsigned roster_signal(const RosterQuery *query, int signal_number) {
        assert(query);
        assert(query->fence);

        char locked[PATH_SIZE];
        Search search = { .query = query, .signal_number = signal_number };

        if (query->fence->fd >= 0)
                meet_fenced(&search);

        /* Mostly those just met hold it; after a kill they let go at once, so it is looked at afterwards. */
        if (is_locked(query->lock_path, locked))
                search.locked = locked;

        if (query->fence->fd < 0 || (search.locked && search.n_found == 0))
                meet_all(&search);

        /* Somebody holds it whom we may not see. */
        if (search.locked && search.n_found == 0 && !search.is_seen_locking)
                search.n_found = 1;

        return search.n_found;
}
