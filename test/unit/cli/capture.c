/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Capture: the whole tool, from its words to its bytes and its exit code.
 *
 * It runs in the test's own process, where the sanitizers look; only the two streams are led
 * elsewhere meanwhile. So what a test sees is what a shell would see.
 */

#include "capture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

enum {
        WORDS_MAX = 16,
};

static int redirect(int fd, int *ret_memory_fd) {
        int saved = dup(fd);
        int memory_fd = memfd_create("capture", MFD_CLOEXEC);

        assert_true(saved >= 0 && memory_fd >= 0);
        assert_int_equal(dup2(memory_fd, fd), fd);
        *ret_memory_fd = memory_fd;
        return saved;
}

static void restore(int fd, int saved, int memory_fd, char text[static CAPTURE_SIZE]) {
        ssize_t n = pread(memory_fd, text, CAPTURE_SIZE - 1, 0);

        assert_true(n >= 0);
        text[n] = '\0';
        assert_int_equal(dup2(saved, fd), fd);
        (void) close(saved);     /* its copy lives on */
        (void) close(memory_fd); /* read to the end */
}

int capture_cli(Capture *capture, const CliApp *app, const char *const *words) {
        char texts[WORDS_MAX][1024] = { "albraguard" };
        char *argv[WORDS_MAX + 1] = { texts[0] };
        int argc = 1;
        int out_fd;
        int err_fd;

        for (; words[argc - 1] && argc < WORDS_MAX; argc++) {
                (void) snprintf(texts[argc], sizeof(texts[argc]), "%s", words[argc - 1]);
                argv[argc] = texts[argc];
        }

        (void) fflush(NULL); /* what the test printed before is not the tool's */
        int saved_out = redirect(STDOUT_FILENO, &out_fd);
        int saved_err = redirect(STDERR_FILENO, &err_fd);

        int code = cli_main(argc, argv, app);

        (void) fflush(NULL); /* memory takes everything */
        restore(STDOUT_FILENO, saved_out, out_fd, capture->out);
        restore(STDERR_FILENO, saved_err, err_fd, capture->err);
        return code;
}
