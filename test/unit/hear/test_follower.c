/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The follower on a real loop: what is written is heard of, whatever becomes of the file.
 *
 * Each wait ends when the awaited is there; the limit only keeps a broken follower from hanging the
 * test for ever.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "hear/follower.h"
#include "unit.h"

#define PATIENCE_USEC (60 * USEC_PER_SEC)

typedef struct World {
        char folder[64];
        char logs_folder[96];
        char path[128];
        char former[128];
        sd_event *event;
        Follower *follower;
        LogsConfig config;
        Logs *logs;
        unsigned n_told;
        char text[SEVERE_TEXT_SIZE];
} World;

static void on_severe(Logs *logs, const SevereLine *line, void *userdata) {
        World *world = userdata;

        (void) logs;
        world->n_told++;
        memcpy(world->text, line->text, sizeof(world->text));
}

static void wait_for(World *world, const unsigned *count, unsigned wanted) {
        usec_t limit_usec = clock_boottime_usec() + PATIENCE_USEC;

        while (*count < wanted) {
                if (clock_boottime_usec() > limit_usec)
                        fail_msg("%u of %u lines came", *count, wanted);
                assert_true(sd_event_run(world->event, USEC_PER_SEC) >= 0);
        }
        assert_int_equal(*count, wanted);
}

static void put(const char *path, const char *text) {
        CLEANUP_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void begin(World *world) {
        char error[MATCHER_ERROR_SIZE];

        assert_int_equal(sd_event_new(&world->event), 0);
        assert_int_equal(follower_new(world->event, &world->follower), 0);
        assert_int_equal(follower_add(world->follower, &world->config, NULL, on_severe, world,
                                      error, &world->logs),
                         0);
}

static void end(World *world) {
        world->follower = follower_free(world->follower);
        world->event = sd_event_unref(world->event);
}

static int set_up(void **state) {
        World *world = calloc(1, sizeof(*world));

        (void) snprintf(world->folder, sizeof(world->folder), "/tmp/test-follower-XXXXXX");
        assert_non_null(mkdtemp(world->folder));
        (void) snprintf(world->logs_folder, sizeof(world->logs_folder), "%s/logs", world->folder);
        (void) snprintf(world->path, sizeof(world->path), "%s/bot.log", world->logs_folder);
        (void) snprintf(world->former, sizeof(world->former), "%s/bot.log.1", world->logs_folder);
        assert_int_equal(mkdir(world->logs_folder, 0755), 0);
        world->config = (LogsConfig){
                .n_files = 1,
                .files = { world->path },
                .window_usec = 5 * USEC_PER_MINUTE,
                .n_patterns = 1,
                .patterns = { { .match = "CRITICAL", .level = LEVEL_CRITICAL } },
        };
        begin(world);
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        World *world = *state;

        end(world);
        (void) unlink(world->path);
        (void) unlink(world->former);
        (void) rmdir(world->logs_folder);
        (void) rmdir(world->folder);
        free(world);
        return 0;
}

/* Lets the follower have its first look at everything. */
static void first_look(World *world) {
        assert_int_equal(follower_start(world->follower), 0);
        for (int i = 0; i < 3; i++)
                assert_true(sd_event_run(world->event, 0) >= 0);
}

static void test_appended_lines_are_heard(void **state) {
        World *world = *state;

        put(world->path, "CRITICAL before, of unknown age\n");
        first_look(world);

        put(world->path, "CRITICAL one\nINFO two\n");
        wait_for(world, &world->n_told, 1);
        assert_string_equal(world->text, "CRITICAL one");
        put(world->path, "CRITICAL two\n");
        wait_for(world, &world->n_told, 2);

        CheckReading reading;
        logs_check(world->logs, clock_boottime_usec(), &reading);
        assert_int_equal(reading.cause, CAUSE_LOG_CRITICAL);
        assert_int_equal(reading.detail, 2);
}

static void test_a_file_and_its_folder_come_later(void **state) {
        World *world = *state;
        int error = -1;

        assert_int_equal(rmdir(world->logs_folder), 0);
        first_look(world);
        assert_int_equal(logs_file_state(world->logs, 0, &error), TAIL_ABSENT);
        assert_int_equal(error, 0);

        assert_int_equal(mkdir(world->logs_folder, 0755), 0);
        put(world->path, "CRITICAL one\n");
        wait_for(world, &world->n_told, 1);
}

static void test_renamed_truncated_deleted(void **state) {
        World *world = *state;

        first_look(world);
        put(world->path, "CRITICAL one\n");
        wait_for(world, &world->n_told, 1);

        put(world->path, "CRITICAL two\n");
        assert_int_equal(rename(world->path, world->former), 0);
        put(world->path, "CRITICAL three\n");
        wait_for(world, &world->n_told, 3);

        put(world->former, "CRITICAL four, by a writer that has not let go\n");
        wait_for(world, &world->n_told, 4);

        assert_int_equal(truncate(world->path, 0), 0);
        put(world->path, "CRITICAL five\n");
        wait_for(world, &world->n_told, 5);

        assert_int_equal(unlink(world->path), 0);
        put(world->path, "CRITICAL six\n");
        wait_for(world, &world->n_told, 6);
        put(world->path, "CRITICAL seven\n");
        wait_for(world, &world->n_told, 7);
}

static void test_a_new_life(void **state) {
        World *world = *state;
        FollowPosition position;

        first_look(world);
        put(world->path, "CRITICAL one\n");
        wait_for(world, &world->n_told, 1);
        assert_true(follower_save(world->logs, 0, &position));
        end(world);

        put(world->path, "CRITICAL two\n");
        begin(world);
        follower_load(world->logs, 0, &position);
        assert_int_equal(follower_start(world->follower), 0);
        wait_for(world, &world->n_told, 2);
        assert_string_equal(world->text, "CRITICAL two");
}

/* More than one wake-up's worth, and two services that share the file. */
static void test_a_backlog_in_pieces(void **state) {
        World *world = *state;
        World other = { 0 };
        char error[MATCHER_ERROR_SIZE];
        Logs *logs;

        assert_int_equal(
                follower_add(world->follower, &world->config, "", on_severe, &other, error, &logs),
                0);
        first_look(world);

        CLEANUP_FD int fd = open(world->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        for (int i = 0; i < 1000; i++) {
                char chunk[16384];

                memset(chunk, '.', sizeof(chunk));
                for (size_t k = 63; k < sizeof(chunk); k += 64)
                        chunk[k] = '\n';
                assert_int_equal(write(fd, chunk, sizeof(chunk)), sizeof(chunk));
        }
        put(world->path, "CRITICAL last\n");
        wait_for(world, &world->n_told, 1);
        wait_for(world, &other.n_told, 1);

        LogCounts counts;
        logs_read(logs, clock_boottime_usec(), &counts);
        assert_int_equal(counts.lines, 256001);
}

static void test_a_bad_pattern_is_said(void **state) {
        World *world = *state;
        LogsConfig config = world->config;
        char error[MATCHER_ERROR_SIZE] = "";
        Logs *logs;

        config.patterns[0].match = "(";
        config.patterns[0].line = 7;
        assert_true(follower_add(world->follower, &config, NULL, on_severe, world, error, &logs) <
                    0);
        assert_non_null(strstr(error, "line 7"));
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD_TEST(test_appended_lines_are_heard),
                WORLD_TEST(test_a_file_and_its_folder_come_later),
                WORLD_TEST(test_renamed_truncated_deleted),
                WORLD_TEST(test_a_new_life),
                WORLD_TEST(test_a_backlog_in_pieces),
                WORLD_TEST(test_a_bad_pattern_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
