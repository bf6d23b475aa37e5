/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fence: one control group per embedded service, below our own.
 *
 * A process can hide from its group, its session and its parent by three system calls, but not from
 * its control group (cgroups(7), and the kernel's admin-guide/cgroup-v2). So when one can be had,
 * it is what "all processes of the service" means, its cgroup.kill is the last step of a stop, and
 * its memory controller holds the ceiling better than we could.
 *
 * Often it cannot be had whole. We may not write there; or the hierarchy is the old one; or our own
 * group has processes, us, and the kernel then forbids it to hand controllers down. Each of that
 * leaves us with less, and none of it keeps the service from running: roster.c knows other ways.
 *
 * The name carries a hash of run_dir, for two watchdogs of one user may well have a service of the
 * same name each, and must not end each other's.
 */

#include "service/fence.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/text.h"
#include "sense/cgroup.h"

/* Whole, or the second one of a hybrid layout (systemd, "Known Limitations" of its control group API). */
static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

static const char *mount_point(void) {
        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                struct statfs st;

                if (statfs(mounts[i], &st) == 0 && (uint32_t) st.f_type == CGROUP2_SUPER_MAGIC)
                        return mounts[i];
        }

        return NULL;
}

/* Our own group: the line "0::/path" of /proc/self/cgroup. */
static int read_home(char ret_path[static PATH_SIZE]) {
        char text[4096];
        size_t length;

        int r = file_read("/proc/self/cgroup", text, sizeof(text), &length);
        if (r < 0)
                return r;

        const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!line)
                return -ENOENT;

        line += *line == '\n' ? 4 : 3;

        /* "/.." is a group outside of what we are shown; "(deleted)" is one that cannot have children. */
        size_t n = strcspn(line, "\n");
        if (n == 0 || n >= PATH_SIZE || line[0] != '/' || memmem(line, n, "/..", 3) ||
            memmem(line, n, " (deleted)", 10))
                return -ENOENT;

        memcpy(ret_path, line, n);
        ret_path[n == 1 ? 0 : n] = '\0'; /* "/" is the empty beginning of every path */
        return 0;
}

/* FNV-1a, by its inventors' constants: short, even, and no secret. */
static uint32_t hash(const char *text) {
        uint32_t value = 2166136261U;

        for (; *text; text++)
                value = (value ^ (unsigned char) *text) * 16777619U;

        return value;
}

int fence_place(const char *run_dir, const char *name, char ret_path[static PATH_SIZE]) {
        assert(run_dir);
        assert(name);

        char home[PATH_SIZE];

        if (!mount_point())
                return -ENOENT;

        int r = read_home(home);
        if (r < 0)
                return r;

        char path[PATH_SIZE];
        Buf buf = BUF_OVER(path);
        buf_printf(&buf, "%s/albraguard-%s-%08" PRIx32, home, name, hash(run_dir));
        if (buf.is_truncated || strstr(path, "/.."))
                return -ENAMETOOLONG;

        (void) text_copy(ret_path, PATH_SIZE, path); /* same size */
        return 0;
}

static int write_file(int dir_fd, const char *name, const char *text) {
        CLEANUP_FD int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        return file_write_all(fd, text, strlen(text));
}

/* The nearest memory.events: without a controller of its own, a service is killed for the memory of a group above. */
static void open_events(Fence *fence) {
        static const char climb[] = "../../../../../../../../memory.events";
        const size_t most = (sizeof(climb) - sizeof("memory.events")) / strlen("../");
        size_t depth = 0;

        for (const char *p = fence->path; *p; p++)
                depth += *p == '/';

        for (size_t level = 0; level < MIN(depth, most + 1); level++) {
                const char *path = climb + (most - level) * strlen("../");

                fence->events_fd = openat(fence->fd, path, O_RDONLY | O_CLOEXEC);
                if (fence->events_fd >= 0) {
                        fence->has_own_events = level == 0;
                        return;
                }
        }
}

static int open_folder(const char *path, Fence *ret_fence) {
        const char *mount = mount_point();
        char full[PATH_SIZE + 64];

        if (!mount)
                return -ENOENT;

        int n = snprintf(full, sizeof(full), "%s%s", mount, path);
        if (n < 0 || (size_t) n >= sizeof(full))
                return -ENAMETOOLONG;

        Fence fence = FENCE_NONE;
        fence.fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fence.fd < 0)
                return -errno;

        (void) text_copy(fence.path, sizeof(fence.path), path); /* it fitted above */
        *ret_fence = fence;
        return 0;
}

int fence_open(const char *path, Fence *ret_fence) {
        assert(path);
        assert(path[0] == '/');
        assert(ret_fence);

        int r = open_folder(path, ret_fence);
        if (r < 0)
                return r;

        open_events(ret_fence);
        return 0;
}

int fence_make(const char *path, Fence *ret_fence) {
        assert(path);
        assert(path[0] == '/');
        assert(ret_fence);

        const char *mount = mount_point();
        char full[PATH_SIZE + 64];

        if (!mount)
                return -ENOENT;

        int n = snprintf(full, sizeof(full), "%s%s", mount, path);
        if (n < 0 || (size_t) n >= sizeof(full))
                return -ENAMETOOLONG;

        if (mkdir(full, 0755) < 0 && errno != EEXIST)
                return -errno;

        Fence fence = FENCE_NONE;
        int r = open_folder(path, &fence);
        if (r < 0)
                return r;

        /* One at a time: a write that names one controller too many does nothing at all. EBUSY is the rule about
         * processes inside; we go on with what there is. */
        (void) write_file(fence.fd, "../cgroup.subtree_control", "+memory");
        (void) write_file(fence.fd, "../cgroup.subtree_control", "+pids");

        open_events(&fence);
        *ret_fence = fence;
        return 0;
}

void fence_close(Fence *fence) {
        assert(fence);

        fd_cleanup(&fence->fd);
        fd_cleanup(&fence->events_fd);
        *fence = FENCE_NONE;
}

void fence_remove(Fence *fence) {
        assert(fence);

        const char *mount = mount_point();
        char full[PATH_SIZE + 64];

        if (fence->fd >= 0 && mount) {
                int n = snprintf(full, sizeof(full), "%s%s", mount, fence->path);

                /* EBUSY: not empty; the next start finds it again by its name. */
                if (n > 0 && (size_t) n < sizeof(full))
                        (void) rmdir(full);
        }

        fence_close(fence);
}

static bool limit_write(int fd, const char *name, uint64_t value) {
        char text[32] = "max";

        if (value > 0) {
                Buf buf = BUF_OVER(text);
                buf_printf(&buf, "%" PRIu64, value);
        }

        return write_file(fd, name, text) >= 0 && value > 0;
}

void fence_limit(Fence *fence, uint64_t memory_max_bytes, uint64_t processes_max) {
        assert(fence);

        if (fence->fd < 0)
                return;

        fence->has_process_max = limit_write(fence->fd, "pids.max", processes_max);
        fence->has_memory_max = limit_write(fence->fd, "memory.max", memory_max_bytes);

        /* A ceiling with a hole into swap is none. Without swap accounting there is no such file. */
        int r = write_file(fence->fd, "memory.swap.max", fence->has_memory_max ? "0" : "max");
        if (r < 0 && r != -ENOENT)
                fence->has_memory_max = false;
}

int fence_join(const Fence *fence) {
        assert(fence);

        return write_file(fence->fd, "cgroup.procs", "0");
}

int fence_kill(const Fence *fence) {
        assert(fence);

        return fence->fd < 0 ? -ENOENT : write_file(fence->fd, "cgroup.kill", "1");
}

bool fence_is_populated(const Fence *fence) {
        assert(fence);

        char text[256];
        size_t length;

        return fence->fd >= 0 &&
               file_read_at(fence->fd, "cgroup.events", text, sizeof(text), &length) >= 0 &&
               strstr(text, "populated 1");
}

int fence_read_oom_kills(const Fence *fence, uint64_t *ret_kills) {
        assert(fence);

        char text[1024];
        size_t length;

        if (fence->events_fd < 0)
                return -ENOENT;

        int r = file_read_fd(fence->events_fd, text, sizeof(text), &length);
        if (r < 0)
                return r;

        return cgroup_parse_keyed(text, length, "oom_kill", ret_kills);
}
