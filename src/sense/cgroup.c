/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cgroup: what the kernel has already added up for us.
 *
 * A service that systemd runs is a control group, and the group knows in one small file what else
 * must be gathered from every process: time used, memory charged, who is a member, whether the
 * kernel killed one of them for memory. Only the v2 hierarchy is read; on hybrid machines it is
 * mounted on the side and has members and time but no memory.
 *
 * Groups below it (a service may make its own) are walked with a stack of a few descriptors: the
 * place in each folder is the descriptor's own offset, so that nothing need be remembered.
 */

#include "sense/cgroup.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"
#include "sense/dirents.h"
#include "sense/scan.h"

int cgroup_parse_path(const char *text, size_t length, char *ret_path, size_t size) {
        static const char gone[] = " (deleted)";
        const char *p = text;
        Span line;
        Span path;

        assert(text);
        assert(ret_path);

        while (scan_line(&p, text + length, &line)) {
                if (!scan_after(line, "0::", &path))
                        continue;

                size_t path_length = (size_t) (path.end - path.start);

                if (path_length == 0 || path.start[0] != '/' ||
                    memchr(path.start, '\0', path_length))
                        return -EINVAL;
                if (path_length >= sizeof(gone) &&
                    memcmp(path.end - (sizeof(gone) - 1), gone, sizeof(gone) - 1) == 0)
                        return -ENOENT;
                if (path_length >= size)
                        return -ENAMETOOLONG;

                memcpy(ret_path, path.start, path_length);
                ret_path[path_length] = '\0';
                return 0;
        }

        return -EINVAL;
}

int cgroup_parse_value(const char *text, size_t length, uint64_t *ret) {
        assert(text);
        assert(ret);

        const char *p = text;
        Span line;

        if (!scan_line(&p, text + length, &line))
                return -EINVAL;

        if (scan_is(line, "max")) {
                *ret = UINT64_MAX;
                return 0;
        }

        return scan_u64(line, ret) ? 0 : -EINVAL;
}

int cgroup_parse_keyed(const char *text, size_t length, const char *key, uint64_t *ret) {
        assert(text);
        assert(key);
        assert(ret);

        const char *p = text;
        Span line;
        Span word;

        while (scan_line(&p, text + length, &line)) {
                const char *q = line.start;

                if (!scan_word(&q, line.end, &word) || !scan_is(word, key))
                        continue;

                return scan_word(&q, line.end, &word) && scan_u64(word, ret) ? 0 : -EINVAL;
        }

        return -EINVAL;
}

static int find_at(const Kernel *kernel, const char *name, char *ret_path, size_t size) {
        /* One line for each hierarchy; a dozen of them, each as long as a path may be, is the
         * most. */
        char buffer[PATH_SIZE * 4];
        size_t length;

        int r = kernel_read_at(kernel->proc_fd, name, buffer, sizeof(buffer), &length);
        if (r < 0)
                return r;

        r = cgroup_parse_path(buffer, length, ret_path, size);
        return r == -EINVAL ? -ENOENT : r;
}

int cgroup_find(const Kernel *kernel, pid_t pid, char *ret_path, size_t size) {
        assert(kernel);
        assert(pid > 0);
        assert(ret_path);

        char name[32];

        (void) snprintf(name, sizeof(name), "%d/cgroup", (int) pid); /* fits */
        return find_at(kernel, name, ret_path, size);
}

int cgroup_find_apart(const Kernel *kernel, pid_t pid, char *ret_path, size_t size) {
        char path[PATH_SIZE];
        char own[PATH_SIZE];

        int r = cgroup_find(kernel, pid, path, sizeof(path));
        if (r < 0)
                return r;

        r = find_at(kernel, "self/cgroup", own, sizeof(own));
        if (r < 0)
                return r;
        if (strcmp(path, "/") == 0 || strcmp(path, own) == 0)
                return -ENOENT;

        return text_copy(ret_path, size, path) ? 0 : -ENAMETOOLONG;
}

int cgroup_open(const Kernel *kernel, const char *path, CgroupSense *ret) {
        assert(kernel);
        assert(path);
        assert(ret);

        *ret = (CgroupSense){ .dir_fd = -1, .cpu_fd = -1, .memory_fd = -1 };

        while (*path == '/')
                path++;
        if (kernel->cgroup_fd < 0)
                return -ENOENT;

        int dir_fd = openat(kernel->cgroup_fd, *path ? path : ".",
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir_fd < 0)
                return -errno;

        *ret = (CgroupSense){
                .dir_fd = dir_fd,
                .cpu_fd = openat(dir_fd, "cpu.stat", O_RDONLY | O_CLOEXEC),
                .memory_fd = openat(dir_fd, "memory.current", O_RDONLY | O_CLOEXEC),
        };
        return 0;
}

void cgroup_close(CgroupSense *cgroup) {
        assert(cgroup);

        fd_cleanup(&cgroup->memory_fd);
        fd_cleanup(&cgroup->cpu_fd);
        fd_cleanup(&cgroup->dir_fd);
        cgroup->dir_fd = cgroup->cpu_fd = cgroup->memory_fd = -1;
}

/* memory.stat is the longest, some 60 lines; cpu.stat and the others are shorter. */
enum {
        CGROUP_FILE_SIZE = 4096
};

static int64_t read_kept_value(int fd) {
        char buffer[64];
        uint64_t value;
        size_t length;

        if (fd < 0 || kernel_read(fd, buffer, sizeof(buffer), &length) < 0 ||
            cgroup_parse_value(buffer, length, &value) < 0)
                return -1;

        return scan_to_i64(value);
}

static int64_t read_value(int dir_fd, const char *name) {
        char buffer[64];
        uint64_t value;
        size_t length;

        if (kernel_read_at(dir_fd, name, buffer, sizeof(buffer), &length) < 0 ||
            cgroup_parse_value(buffer, length, &value) < 0)
                return -1;

        return scan_to_i64(value);
}

static int64_t read_keyed(int dir_fd, const char *name, const char *key) {
        char buffer[CGROUP_FILE_SIZE];
        uint64_t value;
        size_t length;

        if (kernel_read_at(dir_fd, name, buffer, sizeof(buffer), &length) < 0 ||
            cgroup_parse_keyed(buffer, length, key, &value) < 0)
                return -1;

        return scan_to_i64(value);
}

static int64_t read_cpu(int fd) {
        char buffer[CGROUP_FILE_SIZE];
        uint64_t value;
        size_t length;

        if (fd < 0 || kernel_read(fd, buffer, sizeof(buffer), &length) < 0 ||
            cgroup_parse_keyed(buffer, length, "usage_usec", &value) < 0)
                return -1;

        return scan_to_i64(value);
}

void cgroup_read_light(const CgroupSense *cgroup, CgroupFacts *ret) {
        assert(cgroup);
        assert(ret);

        *ret = (CgroupFacts){
                .cpu_usec = read_cpu(cgroup->cpu_fd),
                .memory_bytes = read_kept_value(cgroup->memory_fd),
                .inactive_file_bytes = -1,
                .memory_peak_bytes = -1,
                .memory_max_bytes = -1,
                .oom_kills = -1,
                .tasks = -1,
                .is_populated = -1,
        };
}

void cgroup_read_full(const CgroupSense *cgroup, CgroupFacts *ret) {
        assert(cgroup);
        assert(cgroup->dir_fd >= 0);
        assert(ret);

        cgroup_read_light(cgroup, ret);

        if (cgroup->memory_fd >= 0) {
                ret->inactive_file_bytes =
                        read_keyed(cgroup->dir_fd, "memory.stat", "inactive_file");
                ret->memory_peak_bytes = read_value(cgroup->dir_fd, "memory.peak");
                ret->memory_max_bytes = read_value(cgroup->dir_fd, "memory.max");
                ret->oom_kills = read_keyed(cgroup->dir_fd, "memory.events", "oom_kill");
        }

        ret->tasks = read_value(cgroup->dir_fd, "pids.current");
        ret->is_populated = read_keyed(cgroup->dir_fd, "cgroup.events", "populated");
}

static void add_line(PidList *list, Span line) {
        uint64_t pid;

        /* Zero stands for a process outside our pid namespace. */
        if (!scan_u64(line, &pid) || pid == 0 || pid > INT32_MAX)
                return;

        list->all++;
        if (list->n < list->max)
                list->pids[list->n++] = (pid_t) pid;
}

/* cgroup.procs is a list: it may come in pieces. */
static int list_one(int dir_fd, PidList *list) {
        CLEANUP_FD int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        char buffer[4096];
        size_t length = 0;

        for (;;) {
                ssize_t n = read(fd, buffer + length, sizeof(buffer) - length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        /* A threaded group refuses; its processes stand in the group above. */
                        return errno == EOPNOTSUPP ? 0 : -errno;
                if (n == 0)
                        return 0;

                const char *p = buffer;
                Span line;

                length += (size_t) n;
                while (scan_line(&p, buffer + length, &line))
                        add_line(list, line);

                length = (size_t) (buffer + length - p);
                if (length == sizeof(buffer))
                        return -EINVAL; /* a line without end */
                memmove(buffer, p, length);
        }
}

/* Two links are the folder's own; every group below adds one (Linux: fs/kernfs sets it so). */
static bool has_children(int dir_fd) {
        struct stat st;

        return fstat(dir_fd, &st) < 0 || st.st_nlink != 2;
}

/* The next group below the one open at `dir_fd`, or -1. Leaves the folder standing behind it. */
static int next_child(int dir_fd) {
        Dirents dirents;
        Dirent entry;

        dirents_init(&dirents, dir_fd);
        while (dirents_next(&dirents, &entry) > 0) {
                if (entry.type != DT_DIR || entry.name[0] == '.')
                        continue;

                int fd =
                        openat(dir_fd, entry.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (fd < 0)
                        continue; /* gone since */

                if (lseek(dir_fd, entry.next, SEEK_SET) < 0) {
                        (void) close(fd); /* only read from */
                        return -1;
                }
                return fd;
        }

        return -1;
}

/* Deeper trees, and more groups, exist in container hosts, but not within one service of ours. */
enum {
        DEPTH_MAX = 8,
        GROUPS_MAX = 256
};

static void list_below(int dir_fd, PidList *list) {
        int stack[DEPTH_MAX];
        unsigned depth = 0;
        unsigned n_groups = 0;

        /* A descriptor of our own: the offset of the kept one is not to be moved. */
        stack[0] = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (stack[0] < 0)
                return;

        for (;;) {
                int child = n_groups < GROUPS_MAX ? next_child(stack[depth]) : -1;

                if (child >= 0) {
                        n_groups++;
                        (void) list_one(child, list); /* gone since: its processes are too */

                        if (depth + 1 < DEPTH_MAX && has_children(child))
                                stack[++depth] = child;
                        else
                                (void) close(child); /* only read from */
                        continue;
                }

                (void) close(stack[depth]); /* only read from */
                if (depth == 0)
                        return;
                depth--;
        }
}

int cgroup_list(const CgroupSense *cgroup, PidList *list) {
        assert(cgroup);
        assert(cgroup->dir_fd >= 0);
        assert(list);

        int r = list_one(cgroup->dir_fd, list);
        if (r < 0)
                return r;

        if (has_children(cgroup->dir_fd))
                list_below(cgroup->dir_fd, list);

        return 0;
}
