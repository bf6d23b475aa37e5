/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Support: what the tests of this folder share.
 *
 * Captured files are read with the C library, not with the code under test, and handed out in
 * memory of exactly their size.
 */

#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static Text text_copied(const char *data, size_t length) {
        /* One byte for none, since memory of no size may be NULL. */
        Text text = { .data = malloc(length > 0 ? length : 1), .length = length };

        assert_non_null(text.data);
        if (length > 0)
                memcpy(text.data, data, length);
        return text;
}

Text text_of(const char *literal) {
        return text_copied(literal, strlen(literal));
}

Text text_head(Text text, size_t length) {
        assert_true(length <= text.length);
        return text_copied(text.data, length);
}

void text_done(Text *text) {
        free(text->data);
        *text = (Text){ 0 };
}

static void fixture_path(char *path, size_t size, const char *below) {
        int n = snprintf(path, size, "%s/%s", FIXTURES, below);

        assert_true(n > 0 && (size_t) n < size);
}

Text fixture_text(const char *path) {
        char buffer[16384];
        char whole[4096];

        fixture_path(whole, sizeof(whole), path);
        int fd = open(whole, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);

        ssize_t n = read(fd, buffer, sizeof(buffer));
        assert_true(n >= 0 && (size_t) n < sizeof(buffer));
        assert_int_equal(close(fd), 0);
        return text_copied(buffer, (size_t) n);
}

Kernel fixture_kernel(const char *name) {
        char path[4096];
        char below[256];
        Kernel kernel;

        (void) snprintf(below, sizeof(below), "proc/%s", name);
        fixture_path(path, sizeof(path), below);
        assert_int_equal(kernel_open(path, &kernel), 0);

        /* The real one was found through the captured table of mounts. */
        if (kernel.cgroup_fd >= 0)
                assert_int_equal(close(kernel.cgroup_fd), 0);
        fixture_path(path, sizeof(path), "cgroup/linux-6.1");
        kernel.cgroup_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(kernel.cgroup_fd >= 0);

        kernel.page_bytes = 4096;
        kernel.ticks_per_sec = 100;
        kernel.n_processors = 2;
        return kernel;
}

unsigned open_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(dir);
        for (const struct dirent *entry; (entry = readdir(dir));)
                n += entry->d_name[0] != '.';
        assert_int_equal(closedir(dir), 0);

        return n - 1; /* the listing itself */
}

pid_t child_start(bool is_leader, ChildPrepare prepare, void *userdata) {
        int ready[2];
        char byte = 0;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);

        if (pid == 0) {
                if (is_leader && setsid() < 0)
                        _exit(1);
                if (prepare)
                        prepare(userdata);
                if (write(ready[1], "", 1) != 1)
                        _exit(1);
                (void) close(ready[0]);
                (void) close(ready[1]);
                for (;;)
                        (void) pause();
        }

        assert_int_equal(close(ready[1]), 0);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(close(ready[0]), 0);
        return pid;
}

void child_kill(pid_t pid) {
        siginfo_t info;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
}

void child_end(pid_t pid) {
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

void wait_ticks(void) {
        usec_t start_usec = clock_boottime_usec();

        while (clock_boottime_usec() < start_usec + 50 * USEC_PER_MSEC)
                (void) sched_yield();
}
