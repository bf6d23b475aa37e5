/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The text by which a process is found again. Somebody will be signalled because of it, so it must
 * be exactly what we write and nothing else: each field is tried with what it must not be, and the
 * whole is cut at every byte.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "service/pidfile.h"
#include "unit.h"

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"
#define GOOD \
        "albraguard-pid 1\npid 1234\nticks 567890\nboot " BOOT "\nincarnation 3\nfence /a b/c\n"

static void what_is_written_is_read(void **unused) {
        PidFile pidfile = {
                .pid = 4194304, .start_ticks = UINT64_MAX, .boot_id = BOOT, .incarnation = 7
        };
        PidFile back;
        char text[PIDFILE_SIZE];

        (void) unused;

        size_t length = pidfile_render(&pidfile, text);
        assert_int_equal(pidfile_parse(text, length, &back), 0);
        assert_memory_equal(&back, &pidfile, sizeof(back));

        memset(pidfile.fence, 'f', sizeof(pidfile.fence) - 1);
        pidfile.fence[0] = '/';
        length = pidfile_render(&pidfile, text);
        assert_int_equal(pidfile_parse(text, length, &back), 0);
        assert_memory_equal(&back, &pidfile, sizeof(back));
}

static void only_its_one_form_is_read(void **unused) {
        static const char *const bad[] = {
                "",
                "1234\n",
                "albraguard-pid 2\npid 1234\nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1\nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 0\nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid -1\nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 4194305\nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 18446744073709551617\nticks 5\nboot " BOOT
                "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 01234\nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1234 \nticks 5\nboot " BOOT "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1234\nticks 18446744073709551616\nboot " BOOT
                "\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot 0123456789abcdef0123456789abcdef0123\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot 01234567-89AB-cdef-0123-456789abcdef\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot 01234567\nincarnation 3\nfence -\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot " BOOT "\nincarnation 3\nfence \n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot " BOOT "\nincarnation 3\nfence /\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot " BOOT "\nincarnation 3\nfence a/b\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot " BOOT
                "\nincarnation 3\nfence /a/../b\n",
                "albraguard-pid 1\npid 1234\nticks 5\nboot " BOOT "\nincarnation 3\nfence /a\tb\n",
                "albraguard-pid 1\npid 1234\nboot " BOOT "\nticks 5\nincarnation 3\nfence -\n",
                GOOD "\n",
                GOOD GOOD,
        };
        static const char with_nul[] =
                "albraguard-pid 1\npid 1234\nticks 5\nboot " BOOT "\nincarnation 3\nfence /a\0b\n";
        PidFile pidfile = { .pid = 99 };

        (void) unused;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                print_message("text %zu\n", i);
                assert_int_equal(pidfile_parse(bad[i], strlen(bad[i]), &pidfile), -EINVAL);
        }
        assert_int_equal(pidfile_parse(with_nul, sizeof(with_nul) - 1, &pidfile), -EINVAL);

        /* Cut anywhere, it is no pid file; and a failure leaves the result alone. */
        for (size_t length = 0; length < strlen(GOOD); length++)
                assert_int_equal(pidfile_parse(GOOD, length, &pidfile), -EINVAL);
        assert_int_equal(pidfile.pid, 99);

        assert_int_equal(pidfile_parse(GOOD, strlen(GOOD), &pidfile), 0);
        assert_int_equal(pidfile.pid, 1234);
        assert_string_equal(pidfile.fence, "/a b/c");
}

static void an_overlong_fence_is_refused(void **unused) {
        char text[2 * PIDFILE_SIZE];
        PidFile pidfile;

        (void) unused;

        int n = snprintf(text, sizeof(text),
                         "albraguard-pid 1\npid 9\nticks 5\nboot " BOOT "\nincarnation 3\nfence /");
        memset(text + n, 'x', PATH_SIZE);
        memcpy(text + n + PATH_SIZE, "\n", 2);
        assert_int_equal(pidfile_parse(text, strlen(text), &pidfile), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_written_is_read),
                cmocka_unit_test(only_its_one_form_is_read),
                cmocka_unit_test(an_overlong_fence_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
