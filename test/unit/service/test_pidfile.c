/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The texts by which processes are found again: the pid file, which must be exactly what we write
 * and nothing else, the kernel's line about a process, whose second field may be a lie, and the
 * count of kills for memory.
 */

#include <cmocka.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "service/fence.h"
#include "service/members.h"
#include "service/pidfile.h"

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

static void a_process_may_have_any_name(void **unused) {
#define REST " S 1 77 66 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31415 9 9\n"
        static const char *const names[] = { "sh", ") R 5 5 5 5", "a (b) c", "\n) S 1", "" };
        MembersStat stat;
        char text[256];

        (void) unused;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(text, sizeof(text), "1234 (%s)" REST, names[i]);
                assert_int_equal(members_parse_stat(text, strlen(text), &stat), 0);
                assert_int_equal(stat.state, 'S');
                assert_int_equal(stat.parent, 1);
                assert_int_equal(stat.session, 66);
                assert_int_equal(stat.start_ticks, 31415);
        }

        static const char *const bad[] = {
                "",
                "1234 (sh",
                "1234 (sh)",
                "1234 (sh) S",
                "1234 (sh) S 1 77 66 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0",
                "1234 (sh) S 1 77 -66 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31415 9",
                "1234 (sh) S 1 77 x 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31415 9",
                "1234 (sh) SS 1 77 66 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31415 9",
                "1234 (sh) S 4294967296 77 66 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 31415 9",
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                print_message("text %zu\n", i);
                assert_int_equal(members_parse_stat(bad[i], strlen(bad[i]), &stat), -EINVAL);
        }
}

static void the_count_of_memory_kills_is_found(void **unused) {
        static const char text[] = "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 2\n";

        (void) unused;

        assert_int_equal(fence_parse_oom_kills(text, strlen(text)), 3);
        assert_int_equal(fence_parse_oom_kills("oom_kill 3", 10), 0);
        assert_int_equal(fence_parse_oom_kills("oom_kill x\n", 11), 0);
        assert_int_equal(fence_parse_oom_kills("oom_kill 3x\n", 12), 0);
        assert_int_equal(fence_parse_oom_kills("oom 3\n", 6), 0);
        assert_int_equal(fence_parse_oom_kills("", 0), 0);
}

static void own_birth_is_known(void **unused) {
        MembersStat stat;

        (void) unused;

        assert_int_equal(members_read_stat(getpid(), &stat), 0);
        assert_int_equal(stat.parent, getppid());
        assert_int_equal(stat.session, getsid(0));
        assert_int_equal(stat.state, 'R');
        assert_true(stat.start_ticks > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_written_is_read),
                cmocka_unit_test(only_its_one_form_is_read),
                cmocka_unit_test(an_overlong_fence_is_refused),
                cmocka_unit_test(a_process_may_have_any_name),
                cmocka_unit_test(the_count_of_memory_kills_is_found),
                cmocka_unit_test(own_birth_is_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
