/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scratch: what every test of files and loops needs.
 *
 * A loop is turned until something is true, never for a time: a slow machine makes a test slow, not
 * red. Only when nothing at all happens for half a minute it is said to hang.
 */

#include "scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/time.h"
#include "unit.h"

enum {
        NOBODY = 65534,
        READ_MAX = 64 << 20,
};

int scratch_open(void **state) {
        Scratch *scratch = calloc(1, sizeof(*scratch));

        assert_non_null(scratch);
        (void) snprintf(scratch->folder, sizeof(scratch->folder), "/tmp/albraguard-test-XXXXXX");
        assert_non_null(mkdtemp(scratch->folder));
        assert_true(sd_event_new(&scratch->loop) >= 0);
        *state = scratch;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        (void) st;
        (void) flag;
        (void) ftw;
        return remove(path);
}

int scratch_close(void **state) {
        Scratch *scratch = *state;

        (void) sd_event_unref(scratch->loop);
        int r = nftw(scratch->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(scratch);
        return r;
}

const char *scratch_path(const Scratch *scratch, const char *name) {
        static char paths[4][256];
        static unsigned n;
        char *path = paths[n++ % ELEMENTSOF(paths)];

        int length = snprintf(path, sizeof(paths[0]), "%s/%s", scratch->folder, name);
        assert_true(length > 0 && (size_t) length < sizeof(paths[0]));
        return path;
}

char *scratch_read(const char *path) {
        char *text;
        size_t length;

        return file_read_alloc(path, READ_MAX, &text, &length) < 0 ? NULL : text;
}

void scratch_write(const char *path, const char *text, size_t length) {
        CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(file_write_all(fd, text, length), 0);
}

void scratch_turn(sd_event *loop, bool (*is_done)(void *userdata), void *userdata) {
        while (!is_done(userdata)) {
                int r = sd_event_run(loop, 30 * USEC_PER_SEC);

                if (r < 0)
                        fail_msg("the loop failed: %s", strerror(-r));
                if (r == 0)
                        fail_msg("nothing happens");
        }
}

pid_t scratch_fork_nobody(int (*function)(void *userdata), void *userdata) {
        (void) fflush(NULL);
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                bool is_nobody =
                        setgroups(0, NULL) >= 0 && setgid(NOBODY) >= 0 && setuid(NOBODY) >= 0;
                _exit(is_nobody ? function(userdata) : 99);
        }

        return pid;
}

int scratch_as_nobody(int (*function)(void *userdata), void *userdata) {
        int status = 0;

        if (geteuid() != 0)
                return -1;

        pid_t pid = scratch_fork_nobody(function, userdata);

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}
