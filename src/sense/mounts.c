/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mounts: which file system a path lies on, asked without going there.
 *
 * statfs(2) on a network file system whose server is dead waits, unkillably, and so would the
 * watch. The table of mounts tells the type beforehand from text alone. The table can be long
 * (containers have hundreds of lines) and a line can be long (overlay lists its layers), so it is
 * taken in pieces: what we need stands at the head of each line, and the tail of one that does not
 * fit is passed over.
 */

#include "sense/mounts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/text.h"

/* What may stand between us and the data. autofs mounts when it is touched, and then waits. */
static const char *const remote_types[] = {
        "nfs",    "nfs4", "cifs",  "smb3", "smbfs",   "afs",    "ceph",
        "lustre", "coda", "ncpfs", "fuse", "fuseblk", "autofs",
};

bool mounts_is_remote(const char *type) {
        assert(type);

        /* The root of rootless containers; it lies on local files. */
        if (strcmp(type, "fuse.fuse-overlayfs") == 0)
                return false;

        for (size_t i = 0; i < ELEMENTSOF(remote_types); i++)
                if (strcmp(type, remote_types[i]) == 0)
                        return true;

        return strncmp(type, "fuse.", 5) == 0;
}

static bool copy_span(Span span, char *target, size_t size) {
        size_t length = (size_t) (span.end - span.start);

        if (length >= size)
                return false;

        memcpy(target, span.start, length);
        target[length] = '\0';
        return true;
}

static bool is_octal(const char *p) {
        return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
               p[2] <= '7';
}

/* Space, tab, newline and backslash are written as a backslash and three octal digits. */
static bool copy_unescaped(Span span, char *target, size_t size) {
        size_t length = 0;

        for (const char *p = span.start; p < span.end; length++) {
                if (length + 1 >= size)
                        return false;

                if (*p == '\\' && span.end - p >= 4 && is_octal(p + 1)) {
                        target[length] =
                                (char) ((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
                        p += 4;
                } else
                        target[length] = *p++;
        }

        target[length] = '\0';
        return true;
}

bool mounts_parse_line(Span line, Mount *ret) {
        assert(ret);

        const char *p = line.start;
        Span word;
        Span path;

        /* "36 35 98:0 /root /mount/point options [optional ...] - type source options" */
        for (unsigned i = 0; i < 5; i++)
                if (!scan_word(&p, line.end, &path))
                        return false;

        do
                if (!scan_word(&p, line.end, &word))
                        return false;
        while (!scan_is(word, "-"));

        if (!scan_word(&p, line.end, &word))
                return false;

        return path.start[0] == '/' && copy_unescaped(path, ret->path, sizeof(ret->path)) &&
               copy_span(word, ret->type, sizeof(ret->type));
}

/* Calls for every mount until the callee says that it has seen enough. */
typedef bool (*MountVisit)(const Mount *mount, void *userdata);

static int mounts_visit(int proc_fd, MountVisit visit, void *userdata) {
        CLEANUP_FD int fd = openat(proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        char buffer[8192];
        size_t length = 0;
        bool is_tail = false; /* what comes up to the next newline belongs to a line already cut */

        for (;;) {
                ssize_t n = read(fd, buffer + length, sizeof(buffer) - length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;

                length += (size_t) n;

                const char *p = buffer;
                const char *end = buffer + length;
                Span line;
                Mount mount;

                while (scan_line(&p, end, &line)) {
                        if (!is_tail && mounts_parse_line(line, &mount) && visit(&mount, userdata))
                                return 0;
                        is_tail = false;
                }

                length = (size_t) (end - p);
                if (length == sizeof(buffer)) {
                        line = (Span){ .start = buffer, .end = end };
                        if (!is_tail && mounts_parse_line(line, &mount) && visit(&mount, userdata))
                                return 0;
                        is_tail = true;
                        length = 0;
                } else
                        memmove(buffer, p, length);
        }
}

typedef struct PathSearch {
        const char *path;
        size_t best; /* length of the longest mount point over the path */
        char type[32];
        bool is_found;
} PathSearch;

static bool is_under(const char *path, const char *mount_point, size_t length) {
        if (length == 1)
                return true; /* "/" */

        return strncmp(path, mount_point, length) == 0 &&
               (path[length] == '/' || path[length] == '\0');
}

static bool visit_path(const Mount *mount, void *userdata) {
        PathSearch *search = userdata;
        size_t length = strlen(mount->path);

        /* Of two at the same place the later one lies on top. */
        if (is_under(search->path, mount->path, length) && length >= search->best) {
                search->best = length;
                search->is_found = true;
                (void) text_copy(search->type, sizeof(search->type), mount->type); /* same size */
        }

        return false;
}

int mounts_find_path(int proc_fd, const char *path, char *ret_type, size_t size) {
        assert(path);
        assert(ret_type);

        PathSearch search = { .path = path };

        int r = mounts_visit(proc_fd, visit_path, &search);
        if (r < 0)
                return r;
        if (!search.is_found)
                return -ENOENT;

        return text_copy(ret_type, size, search.type) ? 0 : -ENAMETOOLONG;
}

typedef struct TypeSearch {
        const char *type;
        Mount found;
        bool is_found;
} TypeSearch;

static bool visit_type(const Mount *mount, void *userdata) {
        TypeSearch *search = userdata;

        if (strcmp(mount->type, search->type) != 0)
                return false;

        search->found = *mount;
        return search->is_found = true;
}

int mounts_find_type(int proc_fd, const char *type, char *ret_path, size_t size) {
        assert(type);
        assert(ret_path);

        TypeSearch search = { .type = type };

        int r = mounts_visit(proc_fd, visit_type, &search);
        if (r < 0)
                return r;
        if (!search.is_found)
                return -ENOENT;

        return text_copy(ret_path, size, search.found.path) ? 0 : -ENAMETOOLONG;
}
