/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store on a disk that is well: events once each, samples in order, old ones gone, readers beside
 * the writer.
 *
 * What happens on a disk that is not well is in test/fault/store.
 */

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "store/store.h"
#include "unit.h"

static const usec_t NOW = UINT64_C(1795428000) * USEC_PER_SEC;

typedef struct World {
        char folder[64];
        char path[96];
        Store *store;

        /* What was listed. */
        unsigned n;
        unsigned stop_at;
        Event events[64];
        SamplePoint points[512];
        char series[256];
} World;

static const StoreLimits limits = { .max_bytes = 64 << 20, .keep_usec = 30 * USEC_PER_DAY };

static int set_up(void **state) {
        World *world = calloc(1, sizeof(*world));

        (void) snprintf(world->folder, sizeof(world->folder), "/tmp/test-store-XXXXXX");
        assert_non_null(mkdtemp(world->folder));
        (void) snprintf(world->path, sizeof(world->path), "%s/history.db", world->folder);
        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        World *world = *state;
        CLEANUP_DIR DIR *dir = opendir(world->folder);
        const struct dirent *entry;

        (void) store_close(world->store);
        while ((entry = readdir(dir)))
                (void) unlinkat(dirfd(dir), entry->d_name, 0);
        assert_int_equal(rmdir(world->folder), 0);
        free(world);
        return 0;
}

static Event event_of(uint64_t seq, const char *service) {
        Event event = {
                .seq = seq,
                .realtime_usec = NOW + seq * USEC_PER_SEC,
                .kind = EVENT_RESTART_DECIDED,
                .level = LEVEL_CRITICAL,
                .reason = "{\"code\": \"crash\"}",
        };

        (void) snprintf(event.service, sizeof(event.service), "%s", service);
        (void) snprintf(event.text, sizeof(event.text), "event %llu; it's \"quoted\"",
                        (unsigned long long) seq);
        return event;
}

static void put_events(World *world, uint64_t first, uint64_t last) {
        for (uint64_t seq = first; seq <= last; seq++) {
                Event event = event_of(seq, seq % 2 ? "bot" : "");
                uint64_t last_seq = 0;

                assert_int_equal(store_put_events(world->store, &event, 1, &last_seq), 0);
                assert_int_equal(last_seq, seq);
        }
}

static bool on_event(const Event *event, void *userdata) {
        World *world = userdata;

        if (world->n < ELEMENTSOF(world->events))
                world->events[world->n] = *event;
        world->n++;
        return world->n != world->stop_at;
}

static unsigned list_events(World *world, EventQuery query) {
        world->n = 0;
        assert_int_equal(store_list_events(world->store, &query, on_event, world), 0);
        return world->n;
}

static void test_events_come_back(void **state) {
        World *world = *state;
        Event events[3] = { event_of(5, "bot"), event_of(6, ""), event_of(9, "bot") };
        uint64_t seq = 77;

        assert_int_equal(store_last_seq(world->store, &seq), 0);
        assert_int_equal(seq, 0);
        assert_int_equal(store_put_events(world->store, events, 3, &seq), 0);
        assert_int_equal(seq, 9);

        assert_int_equal(list_events(world, (EventQuery){ 0 }), 3);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(world->events[i].seq, events[i].seq);
                assert_int_equal(world->events[i].realtime_usec, events[i].realtime_usec);
                assert_int_equal(world->events[i].kind, events[i].kind);
                assert_int_equal(world->events[i].level, events[i].level);
                assert_string_equal(world->events[i].service, events[i].service);
                assert_string_equal(world->events[i].text, events[i].text);
                assert_string_equal(world->events[i].reason, events[i].reason);
        }
}

static void test_each_event_once(void **state) {
        World *world = *state;
        Event events[3] = { event_of(1, "bot"), event_of(2, "bot"), event_of(3, "bot") };
        uint64_t seq;

        assert_int_equal(store_put_events(world->store, events, 2, &seq), 0);
        (void) snprintf(events[0].text, sizeof(events[0].text), "told differently");
        assert_int_equal(store_put_events(world->store, events, 3, &seq), 0);
        assert_int_equal(seq, 3);
        assert_int_equal(list_events(world, (EventQuery){ 0 }), 3);
        assert_string_equal(world->events[0].text, "event 1; it's \"quoted\"");
        assert_int_equal(store_put_events(world->store, NULL, 0, &seq), 0);
        assert_int_equal(seq, 3);
}

static void test_events_are_chosen(void **state) {
        World *world = *state;

        put_events(world, 1, 20);
        assert_int_equal(list_events(world, (EventQuery){ .after_seq = 15 }), 5);
        assert_int_equal(world->events[0].seq, 16);
        assert_int_equal(list_events(world, (EventQuery){ .since_usec = NOW + 18 * USEC_PER_SEC }),
                         3);
        assert_int_equal(list_events(world, (EventQuery){ .service = "bot" }), 10);
        assert_int_equal(list_events(world, (EventQuery){ .service = "" }), 10);
        assert_int_equal(list_events(world, (EventQuery){ .service = "none" }), 0);
        assert_int_equal(list_events(world, (EventQuery){ .limit = 4 }), 4);
        assert_int_equal(world->events[0].seq, 1);
        assert_int_equal(list_events(world, (EventQuery){ .limit = 4, .is_newest = true }), 4);
        assert_int_equal(world->events[0].seq, 17);
        assert_int_equal(world->events[3].seq, 20);
        world->stop_at = 2;
        assert_int_equal(list_events(world, (EventQuery){ 0 }), 2);
}

static bool on_point(const SamplePoint *point, void *userdata) {
        World *world = userdata;

        assert_true(world->n < ELEMENTSOF(world->points));
        world->points[world->n++] = *point;
        return world->n != world->stop_at;
}

static unsigned list_samples(World *world, SampleQuery query) {
        world->n = 0;
        assert_int_equal(store_list_samples(world->store, &query, on_point, world), 0);
        return world->n;
}

static bool on_series(const char *metric, const char *service, void *userdata) {
        World *world = userdata;
        size_t length = strlen(world->series);

        (void) snprintf(world->series + length, sizeof(world->series) - length, "%s/%s ", metric,
                        service);
        return true;
}

static void test_samples_come_back(void **state) {
        World *world = *state;

        for (int i = 0; i < 100; i++) {
                usec_t at = NOW + (usec_t) i * 5 * USEC_PER_SEC;
                Sample samples[] = {
                        { at, "cpu", "", i },
                        { at, "cpu", "bot", -i },
                        { at, "memory", NULL, 7 },
                };
                assert_int_equal(store_put_samples(world->store, samples, ELEMENTSOF(samples)), 0);
        }
        /* The same instant again: the last one holds. */
        assert_int_equal(store_put_samples(world->store, &(Sample){ NOW, "memory", "", 8 }, 1), 0);

        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "cpu", .service = "bot" }),
                         100);
        assert_int_equal(world->points[99].value, -99);
        assert_int_equal(world->points[99].realtime_usec, NOW + 99 * 5 * USEC_PER_SEC);
        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "memory" }), 100);
        assert_int_equal(world->points[0].value, 8);
        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "nothing" }), 0);
        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "cpu",
                                                            .from_usec = NOW + 10 * USEC_PER_SEC,
                                                            .to_usec = NOW + 20 * USEC_PER_SEC }),
                         3);
        assert_int_equal(world->points[0].value, 2);

        assert_int_equal(store_list_series(world->store, on_series, world), 0);
        assert_string_equal(world->series, "cpu/ cpu/bot memory/ ");
}

static void test_samples_are_summed_up(void **state) {
        World *world = *state;
        uint64_t count = 0;

        for (int i = 0; i < 1000; i++)
                assert_int_equal(store_put_samples(
                                         world->store,
                                         &(Sample){ NOW + (usec_t) i * USEC_PER_SEC, "cpu", "", i },
                                         1),
                                 0);

        unsigned n = list_samples(world, (SampleQuery){ .metric = "cpu", .points = 10 });
        assert_int_equal(n, 10);
        for (unsigned i = 0; i < n; i++) {
                const SamplePoint *point = &world->points[i];

                assert_int_equal(point->high - point->low + 1, point->count);
                assert_in_range(point->value, point->low, point->high);
                assert_int_equal(point->value, (point->low + point->high) / 2);
                count += point->count;
        }
        assert_int_equal(count, 1000);
        assert_int_equal(world->points[0].low, 0);
        assert_int_equal(world->points[n - 1].high, 999);

        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "cpu", .points = 1 }), 1);
        assert_int_equal(world->points[0].value, 499);
}

static void test_wild_numbers(void **state) {
        World *world = *state;

        assert_int_equal(store_put_samples(world->store, &(Sample){ NOW, "x", "", INT64_MAX }, 1),
                         0);
        assert_int_equal(store_put_samples(world->store,
                                           &(Sample){ NOW + USEC_PER_SEC, "x", "", INT64_MAX }, 1),
                         0);
        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "x", .points = 1 }), 1);
        assert_int_equal(world->points[0].high, INT64_MAX);
}

static void test_positions(void **state) {
        World *world = *state;
        char data[8] = "";

        assert_int_equal(store_get_position(world->store, "bot:/a", data, 8), -ENOENT);
        assert_int_equal(store_put_position(world->store, "bot:/a", "1234567", 8), 0);
        assert_int_equal(store_put_position(world->store, "bot:/a", "7654321", 8), 0);
        assert_int_equal(store_get_position(world->store, "bot:/a", data, 8), 0);
        assert_string_equal(data, "7654321");
        assert_int_equal(store_get_position(world->store, "bot:/a", data, 7), -EMSGSIZE);
}

static void test_all_is_there_after_reopening(void **state) {
        World *world = *state;
        uint64_t seq;

        put_events(world, 1, 3);
        world->store = store_close(world->store);
        assert_int_equal(store_open(world->path, &limits, &world->store), 0);
        assert_int_equal(store_last_seq(world->store, &seq), 0);
        assert_int_equal(seq, 3);
        assert_false(store_was_damaged(world->store));
}

static int prune_all(World *world, usec_t now_usec) {
        int r;

        for (int i = 0; (r = store_prune(world->store, now_usec)) > 0; i++)
                assert_true(i < 1000);
        return r;
}

static void test_old_things_go(void **state) {
        World *world = *state;

        put_events(world, 1, 20);
        for (int i = 0; i < 60; i++)
                assert_int_equal(store_put_samples(
                                         world->store,
                                         &(Sample){ NOW + (usec_t) i * USEC_PER_DAY, "cpu", "", i },
                                         1),
                                 0);

        assert_int_equal(prune_all(world, NOW + 10 * USEC_PER_DAY), 0);
        assert_int_equal(list_events(world, (EventQuery){ 0 }), 20);

        assert_int_equal(prune_all(world, NOW + 59 * USEC_PER_DAY), 0);
        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "cpu" }), 31);
        assert_int_equal(world->points[0].value, 29);

        /* The last event stays, so that its number stays known. */
        assert_int_equal(list_events(world, (EventQuery){ 0 }), 1);
        assert_int_equal(world->events[0].seq, 20);

        /* A clock that says 1970 makes nothing old. */
        assert_int_equal(prune_all(world, 0), 0);
        assert_int_equal(list_samples(world, (SampleQuery){ .metric = "cpu" }), 31);
}

static void test_the_file_stays_under_its_cap(void **state) {
        World *world = *state;
        StoreLimits small = { .max_bytes = 1 << 20, .keep_usec = 3650 * USEC_PER_DAY };
        Sample *samples = calloc(1000, sizeof(*samples));
        uint64_t bytes = 0;

        world->store = store_close(world->store);
        assert_int_equal(store_open(world->path, &small, &world->store), 0);

        for (int i = 0; i < 150; i++) {
                for (int k = 0; k < 1000; k++)
                        samples[k] =
                                (Sample){ NOW + ((usec_t) i * 1000 + (usec_t) k) * USEC_PER_SEC,
                                          "cpu", "bot", k };
                assert_int_equal(store_put_samples(world->store, samples, 1000), 0);
                assert_true(store_prune(world->store, NOW) >= 0);
        }
        assert_int_equal(prune_all(world, NOW), 0);
        free(samples);

        world->store = store_close(world->store);
        assert_int_equal(store_open(world->path, &small, &world->store), 0);
        assert_int_equal(store_size(world->store, &bytes), 0);
        assert_in_range(bytes, 1 << 19, (1 << 20) + (1 << 20));

        /* The newest are the ones that stayed. */
        world->n = 0;
        assert_int_equal(
                list_samples(world,
                             (SampleQuery){ .metric = "cpu", .service = "bot", .points = 1 }),
                1);
        assert_true(world->points[0].count > 10000);
        assert_int_equal(
                list_samples(world, (SampleQuery){ .metric = "cpu",
                                                   .service = "bot",
                                                   .from_usec = NOW + 149999 * USEC_PER_SEC }),
                1);
}

/* The write-ahead log is moved into the file beside us, and does not grow without end. */
static void test_the_log_is_moved_into_the_file(void **state) {
        World *world = *state;
        Sample *samples = calloc(1000, sizeof(*samples));
        char wal[128];
        struct stat st = { 0 };

        for (int i = 0; i < 150; i++) {
                for (int k = 0; k < 1000; k++)
                        samples[k] =
                                (Sample){ NOW + ((usec_t) i * 1000 + (usec_t) k) * USEC_PER_SEC,
                                          "cpu", "bot", k };
                assert_int_equal(store_put_samples(world->store, samples, 1000), 0);
        }
        free(samples);

        (void) snprintf(wal, sizeof(wal), "%s-wal", world->path);
        assert_int_equal(stat(wal, &st), 0);
        assert_in_range(st.st_size, 1, 32 << 20);
        assert_int_equal(stat(world->path, &st), 0);
        assert_true(st.st_size > 1 << 20);
}

static void test_readers_beside_the_writer(void **state) {
        World *world = *state;
        Store *reader = NULL;
        Store *writer = world->store;
        uint64_t seq = 0;

        put_events(world, 1, 3);
        assert_int_equal(store_open_readonly(world->path, &reader), 0);
        assert_int_equal(store_last_seq(reader, &seq), 0);
        assert_int_equal(seq, 3);

        put_events(world, 4, 5);
        world->store = reader;
        assert_int_equal(list_events(world, (EventQuery){ 0 }), 5);
        world->store = writer;

        Event event = event_of(6, "");
        assert_int_equal(store_put_events(reader, &event, 1, NULL), -EROFS);
        (void) store_close(reader);
        assert_int_equal(store_open_readonly("/nonexistent/history.db", &reader), -ENOENT);
}

/* Someone who may read the file and nothing else, after the writer has gone. */
static void test_a_reader_without_rights(void **state) {
        World *world = *state;
        int status = -1;

        if (getuid() != 0) {
                print_message("!!! only root can give up rights: NOT TESTED HERE\n");
                skip();
        }

        put_events(world, 1, 3);
        world->store = store_close(world->store);
        assert_int_equal(chmod(world->folder, 0755), 0);

        pid_t pid = fork();
        if (pid == 0) {
                Store *reader = NULL;
                uint64_t seq = 0;

                if (setuid(65534) < 0)
                        _exit(2);
                int r = store_open_readonly(world->path, &reader);
                if (r < 0 || store_last_seq(reader, &seq) < 0 || seq != 3)
                        _exit(1);
                (void) store_close(reader);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void test_a_newer_file_is_left_alone(void **state) {
        World *world = *state;
        sqlite3 *db = NULL;

        world->store = store_close(world->store);
        assert_int_equal(sqlite3_open(world->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(store_open(world->path, &limits, &world->store), -EINVAL);
        assert_null(world->store);
}

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD_TEST(test_events_come_back),
                WORLD_TEST(test_each_event_once),
                WORLD_TEST(test_events_are_chosen),
                WORLD_TEST(test_samples_come_back),
                WORLD_TEST(test_samples_are_summed_up),
                WORLD_TEST(test_wild_numbers),
                WORLD_TEST(test_positions),
                WORLD_TEST(test_all_is_there_after_reopening),
                WORLD_TEST(test_old_things_go),
                WORLD_TEST(test_the_file_stays_under_its_cap),
                WORLD_TEST(test_the_log_is_moved_into_the_file),
                WORLD_TEST(test_readers_beside_the_writer),
                WORLD_TEST(test_a_reader_without_rights),
                WORLD_TEST(test_a_newer_file_is_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
