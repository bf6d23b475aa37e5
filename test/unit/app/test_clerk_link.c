/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The clerk is started, started again, and ended.
 *
 * The clerk is this same executable executed anew, as it is in the program: main() sees the verb and
 * plays the part that stands in place of the configuration's path. Processes and sockets are real,
 * time is not: the clock is ours and the one timer is fired by hand, so that a wait of a minute costs
 * nothing and is exact.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/clerk_link.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "io/bus.h"
#include "scratch.h"
#include "unit.h"

enum {
        NOBODY = 65534,
        CONTROL_FD = 3,
        CONFIG_FD = 4,
};

#define CONFIG_TEXT "the configuration in force\n"

/* Where a clerk that ends in order says so. */
#define END_VARIABLE "ALBRAGUARD_TEST_END"

/* The false clock, and what the timer was set to. */
static usec_t false_now_usec = USEC_PER_DAY;
static sd_event_source *timer;
static usec_t asked_usec;
static unsigned n_asked;

usec_t __wrap_clock_boottime_usec(void);
usec_t __wrap_clock_boottime_usec(void) {
        return false_now_usec;
}

int __real_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec);
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
        timer = source;
        asked_usec = usec - false_now_usec;
        n_asked++;
        return __real_sd_event_source_set_time(source, UINT64_MAX);
}

typedef struct Rig {
        Scratch *scratch;
        Config config;
        Control *control;
        ClerkLink *link;
        char state_dir[128];
        unsigned n_alive;
        unsigned n_died;
        char why[EXIT_WORDS_SIZE];
        usec_t wait_usec;
} Rig;

static void on_died(void *userdata, const char *why, usec_t wait_usec) {
        Rig *rig = userdata;

        rig->n_died++;
        rig->wait_usec = wait_usec;
        (void) text_copy(rig->why, sizeof(rig->why), why);
}

static void on_alive(void *userdata) {
        Rig *rig = userdata;

        rig->n_alive++;
        clerk_link_note_alive(rig->link);
}

static int rig_open(void **state) {
        Rig *rig = calloc(1, sizeof(*rig));
        const ControlHandlers handlers = { .on_alive = on_alive, .userdata = rig };

        assert_non_null(rig);
        assert_int_equal(scratch_open((void **) &rig->scratch), 0);
        assert_int_equal(chmod(rig->scratch->folder, 0755), 0);
        (void) snprintf(rig->state_dir, sizeof(rig->state_dir), "%s/state", rig->scratch->folder);
        assert_int_equal(mkdir(rig->state_dir, 0750), 0);
        rig->config = (Config){
                .path = "",
                .root = rig->scratch->folder,
                .state_dir = rig->state_dir,
                .clerk_user = "",
                .watch = { .interval_usec = 30 * USEC_PER_SEC },
        };
        assert_int_equal(control_new(rig->scratch->loop, scratch_path(rig->scratch, "sock"),
                                     &handlers, &rig->control),
                         0);
        n_asked = 0;
        *state = rig;
        return 0;
}

static int rig_close(void **state) {
        Rig *rig = *state;

        rig->link = clerk_link_free(rig->link);
        rig->control = control_free(rig->control);
        int r = scratch_close((void **) &rig->scratch);
        free(rig);
        return r;
}

/* Each part of the play is a clerk of its own kind. */
static void rig_start(Rig *rig, const char *part) {
        const ClerkHandlers handlers = { .on_died = on_died, .userdata = rig };

        rig->config.path = part;
        assert_int_equal(clerk_link_new(rig->scratch->loop, rig->control, &rig->config, CONFIG_TEXT,
                                        strlen(CONFIG_TEXT), &handlers, &rig->link),
                         0);
}

static bool has_died(void *userdata) {
        return ((Rig *) userdata)->n_died > 0;
}

static void wait_death(Rig *rig) {
        scratch_turn(rig->scratch->loop, has_died, rig);
        rig->n_died = 0;
}

static bool is_asked_again(void *userdata) {
        return n_asked != *(const unsigned *) userdata;
}

/* The moment that was waited for has come; it ends with the next one being waited for. */
static void fire(Rig *rig) {
        unsigned before = n_asked;

        false_now_usec += asked_usec;
        assert_int_equal(__real_sd_event_source_set_time(timer, 0), 0);
        scratch_turn(rig->scratch->loop, is_asked_again, &before);
}

static void kill_clerk(const Rig *rig, int signal_number) {
        pid_t pid = clerk_link_peek_pid(rig->link);

        assert_true(pid > 0);
        assert_int_equal(kill(pid, signal_number), 0);
}

static void test_dying_at_once_it_is_started_ever_more_slowly(void **state) {
        static const unsigned waits_msec[] = { 500,   1000,  2000,  4000,  8000,
                                               16000, 32000, 60000, 60000, 60000 };
        Rig *rig = *state;

        rig_start(rig, "dies");
        for (size_t i = 0; i < ELEMENTSOF(waits_msec); i++) {
                assert_int_not_equal(clerk_link_peek_pid(rig->link), 0);
                wait_death(rig);
                assert_string_equal(rig->why, "exit status 3");
                assert_int_equal(rig->wait_usec, waits_msec[i] * USEC_PER_MSEC);
                assert_int_equal(asked_usec, rig->wait_usec);
                assert_int_equal(clerk_link_peek_pid(rig->link), 0);
                fire(rig);
        }
}

static void test_one_that_lived_long_is_started_soon(void **state) {
        Rig *rig = *state;

        rig_start(rig, "dies");
        wait_death(rig);
        fire(rig);
        wait_death(rig);
        rig->config.path = "hangs";
        fire(rig);
        assert_int_equal(rig->wait_usec, USEC_PER_SEC);

        false_now_usec += 5 * USEC_PER_MINUTE - USEC_PER_SEC;
        kill_clerk(rig, SIGUSR2);
        wait_death(rig);
        assert_int_equal(rig->wait_usec, 2 * USEC_PER_SEC);

        fire(rig);
        false_now_usec += 5 * USEC_PER_MINUTE;
        kill_clerk(rig, SIGKILL);
        wait_death(rig);
        assert_string_equal(rig->why, "killed by SIGKILL");
        assert_int_equal(rig->wait_usec, USEC_PER_SEC / 2);
}

static void test_one_that_hangs_is_ended(void **state) {
        Rig *rig = *state;

        rig_start(rig, "hangs");
        pid_t pid = clerk_link_peek_pid(rig->link);
        assert_int_equal(asked_usec, 100 * USEC_PER_SEC);
        assert_int_equal(n_asked, 1);

        /* A word from it, and the patience begins anew. */
        clerk_link_note_alive(rig->link);
        assert_int_equal(n_asked, 2);
        assert_int_equal(asked_usec, 100 * USEC_PER_SEC);
        assert_int_equal(rig->n_died, 0);

        fire(rig);
        wait_death(rig);
        assert_string_equal(rig->why, "killed by SIGKILL");
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(rig->wait_usec, USEC_PER_SEC / 2);

        /* A late word of the dead does not put off the next start. */
        n_asked = 0;
        clerk_link_note_alive(rig->link);
        assert_int_equal(n_asked, 0);
        fire(rig);
        assert_int_not_equal(clerk_link_peek_pid(rig->link), 0);
        assert_int_not_equal(clerk_link_peek_pid(rig->link), pid);
}

static bool is_heard(void *userdata) {
        return ((Rig *) userdata)->n_alive >= 3;
}

static void test_one_that_is_well_is_heard_and_asked_to_end(void **state) {
        Rig *rig = *state;

        assert_int_equal(setenv(END_VARIABLE, scratch_path(rig->scratch, "ended in order"), 1), 0);
        rig_start(rig, "is well");
        n_asked = 0;
        scratch_turn(rig->scratch->loop, is_heard, rig);
        assert_int_equal(n_asked, rig->n_alive);
        assert_int_equal(rig->n_died, 0);

        pid_t pid = clerk_link_peek_pid(rig->link);
        rig->link = clerk_link_free(rig->link);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(access(scratch_path(rig->scratch, "ended in order"), F_OK), 0);
        assert_int_equal(rig->n_died, 0);
}

static void test_one_that_will_not_end_is_ended(void **state) {
        Rig *rig = *state;

        rig_start(rig, "will not end");
        scratch_turn(rig->scratch->loop, is_heard, rig);
        pid_t pid = clerk_link_peek_pid(rig->link);
        rig->link = clerk_link_free(rig->link);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(rig->n_died, 0);
        assert_int_equal(clerk_link_peek_pid(NULL), 0);
}

/* What is there is looked at from inside; its exit status says what was wrong. */
static void test_what_it_is_given(void **state) {
        Rig *rig = *state;

        rig_start(rig, "looks around");
        for (unsigned i = 0; i < 2; i++) {
                wait_death(rig);
                assert_string_equal(rig->why, "ended cleanly");
                fire(rig); /* the next one is given the same */
        }
}

static void test_it_becomes_who_owns_the_project(void **state) {
        Rig *rig = *state;
        struct stat st;

        if (geteuid() != 0) {
                print_message("SKIPPED: only root can become somebody else\n");
                skip();
        }

        assert_int_equal(chown(rig->scratch->folder, NOBODY, NOBODY), 0);
        rig_start(rig, "is nobody");
        wait_death(rig);
        assert_string_equal(rig->why, "ended cleanly");
        assert_int_equal(stat(rig->state_dir, &st), 0);
        assert_int_equal(st.st_uid, 0);
        assert_int_equal(st.st_gid, NOBODY);
        assert_int_equal(st.st_mode & 07777, 01770);
}

static void test_a_user_that_is_named(void **state) {
        Rig *rig = *state;

        if (geteuid() != 0) {
                print_message("SKIPPED: only root can become somebody else\n");
                skip();
        }

        rig->config.clerk_user = "nobody";
        rig_start(rig, "is nobody");
        wait_death(rig);
        assert_string_equal(rig->why, "ended cleanly");
}

static void test_one_that_cannot_be_started_is_tried_again(void **state) {
        Rig *rig = *state;
        struct rlimit before;

        rig_start(rig, "hangs");
        kill_clerk(rig, SIGKILL);
        wait_death(rig);

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        const struct rlimit none = { .rlim_cur = 3, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        fire(rig);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(rig->n_died, 1);
        assert_string_equal(rig->why, strerror(EMFILE));
        assert_int_equal(rig->wait_usec, USEC_PER_SEC);
        assert_int_equal(clerk_link_peek_pid(rig->link), 0);

        fire(rig);
        assert_int_not_equal(clerk_link_peek_pid(rig->link), 0);
}

/* The parts. */

static volatile sig_atomic_t is_asked_to_end;

static void note_end(int signal_number) {
        (void) signal_number;
        is_asked_to_end = 1;
}

static _Noreturn void hang(void) {
        for (;;)
                (void) pause();
}

static int say_alive(sd_bus *bus) {
        return sd_bus_call_method(bus, NULL, BUS_OBJECT, BUS_INTERFACE, "Alive", NULL, NULL, NULL);
}

/* Says three times that it is alive, waits to be asked, and leaves a file behind. */
static int be_well(void) {
        struct sigaction action = { .sa_handler = note_end };
        sd_bus *bus = NULL;

        (void) sigaction(SIGTERM, &action, NULL);
        if (bus_open_client_take(CONTROL_FD, NULL, &bus) < 0)
                return 10;
        for (unsigned i = 0; i < 3; i++)
                if (say_alive(bus) < 0)
                        return 11;
        while (!is_asked_to_end)
                (void) poll(NULL, 0, 20);

        (void) sd_bus_flush_close_unref(bus);
        const char *path = getenv(END_VARIABLE);
        return path && file_write_atomic(path, "", 0, 0600) >= 0 ? 0 : 12;
}

static int will_not_end(void) {
        sd_bus *bus = NULL;

        (void) signal(SIGTERM, SIG_IGN);
        if (bus_open_client_take(CONTROL_FD, NULL, &bus) < 0)
                return 10;
        for (unsigned i = 0; i < 3; i++)
                if (say_alive(bus) < 0)
                        return 11;
        hang();
}

static bool status_has(const char *line) {
        char text[8192];
        size_t length;

        return file_read("/proc/self/status", text, sizeof(text), &length) >= 0 &&
               strstr(text, line);
}

static int look_around(void) {
        char text[256];
        struct stat st;

        if (fstat(CONTROL_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
                return 20;
        for (unsigned i = 0; i < 2; i++) { /* reading takes nothing away from the next clerk */
                ssize_t n = pread(CONFIG_FD, text, sizeof(text), 0);

                if (n != (ssize_t) strlen(CONFIG_TEXT) ||
                    memcmp(text, CONFIG_TEXT, (size_t) n) != 0)
                        return 21;
        }
        if (lseek(CONFIG_FD, 0, SEEK_CUR) != 0)
                return 22;
        if (write(CONFIG_FD, "x", 1) >= 0 || ftruncate(CONFIG_FD, 0) >= 0)
                return 23;
        if (fcntl(CONFIG_FD + 1, F_GETFD) >= 0 || fcntl(CONFIG_FD + 2, F_GETFD) >= 0)
                return 24;
        if (!status_has("\nNoNewPrivs:\t1\n") || !status_has("\nCapEff:\t0000000000000000\n"))
                return 25;

        return 0;
}

static int be_nobody(void) {
        if (getuid() != NOBODY || geteuid() != NOBODY || getgid() == 0 || getegid() == 0)
                return 30;
        if (getgroups(0, NULL) != 0)
                return 31;
        if (setuid(0) >= 0)
                return 32;

        return look_around();
}

static int play(const char *part) {
        static const struct {
                const char *name;
                int (*play)(void);
        } parts[] = {
                { "is well", be_well },
                { "will not end", will_not_end },
                { "looks around", look_around },
                { "is nobody", be_nobody },
        };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (strcmp(parts[i].name, part) == 0)
                        return parts[i].play();
        if (strcmp(part, "hangs") == 0)
                hang();

        return 3;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_dying_at_once_it_is_started_ever_more_slowly),
                TEST(test_one_that_lived_long_is_started_soon),
                TEST(test_one_that_hangs_is_ended),
                TEST(test_one_that_is_well_is_heard_and_asked_to_end),
                TEST(test_one_that_will_not_end_is_ended),
                TEST(test_what_it_is_given),
                TEST(test_it_becomes_who_owns_the_project),
                TEST(test_a_user_that_is_named),
                TEST(test_one_that_cannot_be_started_is_tried_again),
        };

        /* Without the ways out of an ordinary end: the sanitizers of the second life have nothing to say. */
        if (argc == 3 && strcmp(argv[1], "clerk") == 0)
                _exit(play(argv[2]));

        return cmocka_run_group_tests(tests, NULL, NULL);
}
