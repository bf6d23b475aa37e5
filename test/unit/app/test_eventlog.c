/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every event is told once, whenever we are killed.
 *
 * A kill is played with what it leaves behind: one checkpoint, and a spool that ends at any byte between
 * those written before and after it. Each life of the watch is an object of its own and knows nothing
 * of the one before but these two files.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/checkpoint.h"
#include "app/eventlog.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "scratch.h"
#include "unit.h"

enum {
        SHOWN_MAX = 70000,
};

static const usec_t REALTIME_USEC = 1795428000 * USEC_PER_SEC;

/* One watch: from its start until it ends or is killed. */
typedef struct Life {
        Scratch *scratch;
        Writer *writer;
        EventLog *log;
        unsigned n_shown;
        uint64_t shown[SHOWN_MAX];
} Life;

static void show(void *userdata, const Event *event) {
        Life *life = userdata;
        char expected[32];

        (void) snprintf(expected, sizeof(expected), "event %" PRIu64, event->seq);
        assert_string_equal(event->text, expected);
        assert_int_equal(event->realtime_usec, REALTIME_USEC + event->seq);
        assert_true(life->n_shown < SHOWN_MAX);
        life->shown[life->n_shown++] = event->seq;
}

static void on_done(void *userdata, uint64_t ticket, int r) {
        (void) userdata;
        (void) ticket;
        assert_int_equal(r, 0);
}

static bool is_idle(void *userdata) {
        return writer_peek_backlog(((Life *) userdata)->writer) == 0;
}

static void life_settle(Life *life) {
        scratch_turn(life->scratch->loop, is_idle, life);
}

static Life *life_begin(Scratch *scratch) {
        Life *life = calloc(1, sizeof(*life));

        assert_non_null(life);
        life->scratch = scratch;
        assert_int_equal(writer_new(scratch->loop, on_done, life, &life->writer), 0);
        assert_int_equal(eventlog_new(scratch_path(scratch, "spool"), life->writer, &life->log), 0);
        return life;
}

static void life_end(Life *life) {
        (void) writer_free(life->writer);
        (void) eventlog_free(life->log);
        free(life);
}

static const char *spool_path(const Scratch *scratch) {
        return scratch_path(scratch, "spool/events.jsonl");
}

static void make_event(Event *event, uint64_t seq) {
        *event = (Event){
                .kind = EVENT_STARTED,
                .level = LEVEL_NORMAL,
                .reason = "{\"code\":\"started\"}",
        };
        (void) snprintf(event->text, sizeof(event->text), "event %" PRIu64, seq);
}

static void admit(Life *life, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                uint64_t seq = eventlog_peek_next_seq(life->log);
                Event event;

                make_event(&event, seq);
                eventlog_admit(life->log, &event, REALTIME_USEC + seq);
                assert_int_equal(event.seq, seq);
        }
}

static void release_all(Life *life) {
        eventlog_release(life->log, eventlog_peek_next_seq(life->log) - 1, show, life);
}

static void expect_shown(Life *life, uint64_t first, uint64_t last) {
        assert_int_equal(life->n_shown, last + 1 - first);
        for (unsigned i = 0; i < life->n_shown; i++)
                assert_int_equal(life->shown[i], first + i);
        life->n_shown = 0;
}

static void
expect_listed(Life *life, uint64_t since, unsigned most, uint64_t first, uint64_t last) {
        assert_int_equal(eventlog_list(life->log, since, most, show, life), last + 1 - first);
        expect_shown(life, first, last);
}

/* The lines of a spool that holds these. */
static char *make_spool(uint64_t first, uint64_t last, size_t pad) {
        size_t size = (size_t) (last + 1 - first) * (256 + pad) + 1;
        char *text = malloc(size);
        Buf buf;

        assert_non_null(text);
        buf_init(&buf, text, size);
        for (uint64_t seq = first; seq <= last; seq++) {
                Event event;

                make_event(&event, seq);
                event.seq = seq;
                event.realtime_usec = REALTIME_USEC + seq;
                if (pad > 0)
                        (void) snprintf(event.reason, sizeof(event.reason), "{\"pad\":\"%0*d\"}",
                                        (int) pad, 0);
                event_render_json(&event, &buf);
                buf_put(&buf, "\n");
        }
        assert_false(buf.is_truncated);
        return text;
}

static void write_spool(const Scratch *scratch, const char *text, size_t length) {
        (void) mkdir(scratch_path(scratch, "spool"), 0700);
        scratch_write(spool_path(scratch), text, length);
}

static void expect_spool(const Scratch *scratch, uint64_t first, uint64_t last) {
        CLEANUP_FREE char *expected = make_spool(first, last, 0);
        CLEANUP_FREE char *text = scratch_read(spool_path(scratch));

        assert_non_null(text);
        assert_string_equal(text, expected);
}

static void test_admit_release_list(void **state) {
        Life *life = life_begin(*state);

        assert_int_equal(eventlog_peek_next_seq(life->log), 1);
        admit(life, 3);
        assert_int_equal(eventlog_peek_unspooled(life->log), 3);
        assert_int_equal(eventlog_get_unspooled(life->log, 2)->seq, 3);

        /* Nothing is shown that a kill could still undo. */
        assert_int_equal(eventlog_list(life->log, 0, 10, show, life), 0);

        eventlog_release(life->log, 2, show, life);
        expect_shown(life, 1, 2);
        assert_int_equal(eventlog_peek_unspooled(life->log), 1);
        assert_int_equal(eventlog_get_unspooled(life->log, 0)->seq, 3);
        expect_listed(life, 0, 10, 1, 2);

        eventlog_release(life->log, 2, show, life);
        assert_int_equal(life->n_shown, 0);
        release_all(life);
        expect_shown(life, 3, 3);
        expect_listed(life, 1, 1, 2, 2);
        assert_int_equal(eventlog_list(life->log, 3, 10, show, life), 0);
        assert_int_equal(eventlog_list(life->log, UINT64_MAX, 10, show, life), 0);
        assert_int_equal(eventlog_list(life->log, 0, 0, show, life), 0);

        life_settle(life);
        expect_spool(life->scratch, 1, 3);
        life_end(life);
}

static void test_the_next_life_goes_on(void **state) {
        Life *life = life_begin(*state);

        admit(life, 3);
        release_all(life);
        life_end(life);

        life = life_begin(*state);
        assert_int_equal(eventlog_peek_next_seq(life->log), 4);
        assert_int_equal(eventlog_peek_unspooled(life->log), 0);
        expect_listed(life, 0, 10, 1, 3);
        life_end(life);
}

/* What checkpoints need beside the events; there are no services. */
typedef struct Brain {
        Config config;
        Clockwork clock;
        JudgeState judge;
} Brain;

static Checkpoint checkpoint_of(Brain *brain, const Life *life) {
        clockwork_init(&brain->clock, "boot");
        return (Checkpoint){
                .config = &brain->config,
                .clock = &brain->clock,
                .events = life->log,
                .judge = &brain->judge,
        };
}

static char *checkpoint_of_life(const Life *life) {
        static Brain brain;
        const Checkpoint checkpoint = checkpoint_of(&brain, life);
        char *text;

        assert_int_equal(checkpoint_render(&checkpoint, USEC_PER_HOUR, REALTIME_USEC, &text), 0);
        return text;
}

static void take_up(const Life *life, const char *text) {
        static Brain brain;
        const Checkpoint checkpoint = checkpoint_of(&brain, life);

        assert_int_equal(
                checkpoint_parse(&checkpoint, text, strlen(text), 2 * USEC_PER_HOUR, REALTIME_USEC),
                0);
}

static void test_killed_at_any_byte_each_is_told_once(void **state) {
        static const unsigned steps[] = { 1, 3, 2, 4 };
        Scratch *scratch = *state;
        uint64_t last = 0;

        for (size_t step = 0; step < ELEMENTSOF(steps); step++) {
                uint64_t before = last;
                last += steps[step];

                CLEANUP_FREE char *old = make_spool(1, before, 0);
                CLEANUP_FREE char *whole = make_spool(1, last, 0);

                write_spool(scratch, old, strlen(old));
                Life *life = life_begin(scratch);
                admit(life, steps[step]);
                CLEANUP_FREE char *checkpoint = checkpoint_of_life(life);
                life_end(life);

                for (size_t cut = strlen(old); cut <= strlen(whole); cut++) {
                        write_spool(scratch, whole, cut);
                        life = life_begin(scratch);
                        take_up(life, checkpoint);

                        /* What the watch does first. */
                        unsigned n_late = eventlog_peek_unspooled(life->log);
                        release_all(life);
                        if (n_late > 0)
                                expect_shown(life, last + 1 - n_late, last);
                        assert_int_equal(eventlog_peek_next_seq(life->log), last + 1);
                        expect_listed(life, 0, 100, 1, last);
                        life_settle(life);
                        expect_spool(scratch, 1, last);
                        life_end(life);
                }
        }
}

/* Stored, acknowledged, emptied, and then killed before the next checkpoint: it may be told to the store again, under
 * the number it has there. */
static void test_killed_after_the_spool_was_emptied(void **state) {
        Scratch *scratch = *state;
        CLEANUP_FREE char *old = make_spool(1, 6, 0);

        write_spool(scratch, old, strlen(old));
        Life *life = life_begin(scratch);
        admit(life, 2);
        CLEANUP_FREE char *checkpoint = checkpoint_of_life(life);
        release_all(life);
        eventlog_acknowledge(life->log, 8);
        life_settle(life);
        life_end(life);

        life = life_begin(scratch);
        assert_int_equal(eventlog_peek_next_seq(life->log), 1);
        take_up(life, checkpoint);
        assert_int_equal(eventlog_peek_unspooled(life->log), 2);
        release_all(life);
        expect_shown(life, 7, 8);
        assert_int_equal(eventlog_peek_next_seq(life->log), 9);
        CLEANUP_FREE char *later = checkpoint_of_life(life);
        eventlog_acknowledge(life->log, 8);
        life_settle(life);
        life_end(life);

        /* And with nothing in either of them, the numbers still go on. */
        life = life_begin(scratch);
        take_up(life, later);
        assert_int_equal(eventlog_peek_next_seq(life->log), 9);
        assert_int_equal(eventlog_peek_unspooled(life->log), 0);
        life_end(life);
}

static void test_readmit_believes_no_nonsense(void **state) {
        Life *life = life_begin(*state);
        Event event;

        admit(life, 2);
        release_all(life);
        make_event(&event, 0);

        event.seq = 2;
        assert_false(eventlog_readmit(life->log, &event));
        event.seq = UINT64_MAX;
        assert_false(eventlog_readmit(life->log, &event));
        event.seq = UINT64_C(1) << 62;
        assert_false(eventlog_readmit(life->log, &event));
        assert_int_equal(eventlog_peek_next_seq(life->log), 3);

        /* After a gap only when nothing waits: those in between were stored. */
        event.seq = 10;
        assert_true(eventlog_readmit(life->log, &event));
        assert_int_equal(eventlog_peek_unspooled(life->log), 1);
        event.seq = 12;
        assert_false(eventlog_readmit(life->log, &event));
        for (event.seq = 11; event.seq < 10 + EVENTLOG_RECENT_MAX; event.seq++)
                assert_true(eventlog_readmit(life->log, &event));
        assert_false(eventlog_readmit(life->log, &event));
        assert_int_equal(eventlog_peek_unspooled(life->log), EVENTLOG_RECENT_MAX);
        life_end(life);
}

static void test_floor(void **state) {
        Life *life = life_begin(*state);

        eventlog_set_floor(life->log, 0);
        eventlog_set_floor(life->log, 1);
        assert_int_equal(eventlog_peek_next_seq(life->log), 1);
        eventlog_set_floor(life->log, 1000);
        assert_int_equal(eventlog_peek_next_seq(life->log), 1000);
        eventlog_set_floor(life->log, 999);
        eventlog_set_floor(life->log, UINT64_MAX);
        assert_int_equal(eventlog_peek_next_seq(life->log), 1000);
        assert_int_equal(eventlog_peek_unspooled(life->log), 0);

        admit(life, 1);
        release_all(life);
        expect_shown(life, 1000, 1000);
        life_end(life);
}

static void show_seq(void *userdata, const Event *event) {
        Life *life = userdata;

        life->shown[life->n_shown++] = event->seq;
}

static void test_a_floor_loses_nothing_that_waits(void **state) {
        Life *life = life_begin(*state);

        admit(life, 2);
        eventlog_release(life->log, 1, show, life);
        expect_shown(life, 1, 1);
        admit(life, EVENTLOG_RECENT_MAX - 1);
        eventlog_set_floor(life->log, 5000);
        assert_int_equal(eventlog_peek_unspooled(life->log), EVENTLOG_RECENT_MAX);

        /* The checkpoint that held them under their first numbers comes to disk: that says nothing about the new ones. */
        eventlog_release(life->log, EVENTLOG_RECENT_MAX, show, life);
        assert_int_equal(life->n_shown, 0);

        eventlog_release(life->log, eventlog_peek_next_seq(life->log) - 1, show_seq, life);
        assert_int_equal(life->n_shown, EVENTLOG_RECENT_MAX);
        assert_true(life->shown[0] >= 5000);
        for (unsigned i = 0; i < life->n_shown; i++)
                assert_int_equal(life->shown[i], life->shown[0] + i);
        assert_int_equal(eventlog_peek_next_seq(life->log), life->shown[0] + life->n_shown);
        life_end(life);
}

static void test_acknowledge_empties_the_spool(void **state) {
        Life *life = life_begin(*state);

        admit(life, 3);
        release_all(life);
        eventlog_acknowledge(life->log, 2);
        life_settle(life);
        expect_spool(life->scratch, 1, 3);

        /* One that is not released yet is not what was acknowledged. */
        admit(life, 1);
        eventlog_acknowledge(life->log, UINT64_MAX);
        life_settle(life);
        expect_spool(life->scratch, 1, 0);
        release_all(life);
        life_settle(life);
        expect_spool(life->scratch, 4, 4);
        eventlog_acknowledge(life->log, 3);
        life_settle(life);
        expect_spool(life->scratch, 4, 4);
        eventlog_acknowledge(life->log, 4);
        eventlog_acknowledge(life->log, 4);
        life_settle(life);
        expect_spool(life->scratch, 1, 0);

        /* Those who look are still shown what is in memory. */
        life->n_shown = 0;
        expect_listed(life, 0, 10, 1, 4);
        life_end(life);
}

/* All services may fall at once, and the queue to the disk has far fewer places. */
static void test_a_whole_step_fits(void **state) {
        Life *life = life_begin(*state);

        admit(life, DECISION_EVENTS_MAX);
        assert_int_equal(eventlog_peek_unspooled(life->log), DECISION_EVENTS_MAX);
        assert_int_equal(eventlog_get_unspooled(life->log, 0)->seq, 1);
        release_all(life);
        expect_shown(life, 1, DECISION_EVENTS_MAX);
        assert_int_equal(eventlog_peek_dropped(life->log), 0);
        life_settle(life);
        expect_spool(life->scratch, 1, DECISION_EVENTS_MAX);
        life_end(life);
}

static void test_what_does_not_fit_is_counted(void **state) {
        Life *life = life_begin(*state);

        admit(life, EVENTLOG_RECENT_MAX + 2);
        assert_int_equal(eventlog_peek_dropped(life->log), 2);
        assert_int_equal(eventlog_peek_unspooled(life->log), EVENTLOG_RECENT_MAX);
        release_all(life);
        expect_shown(life, 3, EVENTLOG_RECENT_MAX + 2);
        life_end(life);
}

static void test_listing_across_memory_and_spool(void **state) {
        const unsigned n = 3 * EVENTLOG_RECENT_MAX;
        Life *life = life_begin(*state);

        for (unsigned i = 0; i < n; i += 64) {
                admit(life, 64);
                release_all(life);
        }
        expect_shown(life, 1, n);
        life_settle(life);
        expect_listed(life, 0, 2 * n, 1, n);
        expect_listed(life, 0, 10, 1, 10);
        expect_listed(life, 100, 50, 101, 150);
        expect_listed(life, n - EVENTLOG_RECENT_MAX - 5, 10, n - EVENTLOG_RECENT_MAX - 4,
                      n - EVENTLOG_RECENT_MAX + 5);
        expect_listed(life, n - 3, 10, n - 2, n);

        /* With waiting ones in memory, which push older ones out of it. */
        admit(life, 100);
        expect_listed(life, 0, 2 * n, 1, n);
        life_end(life);

        life = life_begin(*state);
        expect_listed(life, 0, 2 * n, 1, n);
        expect_listed(life, 100, 50, 101, 150);
        eventlog_acknowledge(life->log, n);
        life_settle(life);
        expect_listed(life, 0, 2 * n, n - EVENTLOG_RECENT_MAX + 1, n);
        life_end(life);
}

/* What the disk has not taken yet is listed all the same. */
static void test_listing_while_the_disk_is_stuck(void **state) {
        Life *life = life_begin(*state);
        const char *fifo = scratch_path(life->scratch, "fifo");

        admit(life, EVENTLOG_RECENT_MAX);
        release_all(life);
        admit(life, 10);
        release_all(life);
        life->n_shown = 0;
        life_settle(life);

        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(writer_put(life->writer, WRITE_APPEND, fifo, 0600, "x", 1, 1), 0);
        admit(life, 20);
        release_all(life);
        expect_shown(life, EVENTLOG_RECENT_MAX + 11, EVENTLOG_RECENT_MAX + 30);
        expect_listed(life, 0, 1000, 1, EVENTLOG_RECENT_MAX + 30);

        int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        life_settle(life);
        (void) close(fd);
        life_end(life);
}

/* Over eight megabytes: more than two weeks of a busy bot without a clerk. */
static void test_an_overfull_spool_is_halved_and_counted(void **state) {
        Scratch *scratch = *state;
        const uint64_t n = 20000;
        CLEANUP_FREE char *full = make_spool(1, n, 280);
        size_t length = strlen(full);
        struct stat st;

        assert_true(length > SPOOL_SIZE_MAX && length < 2 * (size_t) SPOOL_SIZE_MAX);
        write_spool(scratch, full, length);

        Life *life = life_begin(scratch);
        admit(life, 2);
        release_all(life);
        expect_shown(life, n + 1, n + 2);
        life_settle(life);

        uint64_t n_dropped = eventlog_peek_dropped(life->log);
        assert_true(n_dropped > n / 2 - 100 && n_dropped < n / 2 + 100);
        assert_int_equal(stat(spool_path(scratch), &st), 0);
        assert_true((size_t) st.st_size < length / 2 + 1000);
        expect_listed(life, 0, UINT32_MAX, n_dropped + 1, n + 2);

        life_end(life);
        life = life_begin(scratch);
        expect_listed(life, 0, UINT32_MAX, n_dropped + 1, n + 2);
        assert_int_equal(eventlog_peek_next_seq(life->log), n + 3);
        life_end(life);
}

/* It is halved only when the file holds all that was said to be in it. */
static void test_a_spool_in_use_is_not_halved(void **state) {
        Scratch *scratch = *state;
        const uint64_t n = 20000;
        CLEANUP_FREE char *full = make_spool(1, n, 280);
        const char *fifo = scratch_path(scratch, "fifo");

        write_spool(scratch, full, strlen(full));
        Life *life = life_begin(scratch);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(writer_put(life->writer, WRITE_APPEND, fifo, 0600, "x", 1, 1), 0);
        admit(life, 2);
        release_all(life);
        expect_shown(life, n + 1, n + 2);
        assert_int_equal(eventlog_peek_dropped(life->log), 0);

        int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        life_settle(life);
        (void) close(fd);
        expect_listed(life, 0, UINT32_MAX, 1, n + 2);

        admit(life, 1);
        release_all(life);
        life->n_shown = 0;
        life_settle(life);
        expect_listed(life, 0, UINT32_MAX, eventlog_peek_dropped(life->log) + 1, n + 3);
        assert_true(eventlog_peek_dropped(life->log) > 0);
        life_end(life);
}

static void test_a_spool_beyond_all_measure_takes_no_more(void **state) {
        Scratch *scratch = *state;
        const uint64_t n = 45000;
        CLEANUP_FREE char *full = make_spool(1, n, 280);
        size_t length = strlen(full);
        struct stat st;

        assert_true(length > 2 * (size_t) SPOOL_SIZE_MAX);
        write_spool(scratch, full, length);
        Life *life = life_begin(scratch);
        admit(life, 2);
        release_all(life);
        expect_shown(life, n + 1, n + 2);
        life_settle(life);
        assert_int_equal(eventlog_peek_dropped(life->log), 2);
        assert_int_equal(stat(spool_path(scratch), &st), 0);
        assert_int_equal(st.st_size, length);

        /* Until the store has them. */
        eventlog_acknowledge(life->log, n + 2);
        admit(life, 1);
        release_all(life);
        life_settle(life);
        expect_spool(scratch, n + 3, n + 3);
        life_end(life);
}

static void test_lines_that_make_no_sense_cost_only_themselves(void **state) {
        Scratch *scratch = *state;
        CLEANUP_FREE char *first = make_spool(1, 2, 0);
        CLEANUP_FREE char *second = make_spool(4, 5, 0);
        char text[4096];
        struct stat st;

        int length = snprintf(text, sizeof(text), "%s%s%s%s%s%s%s", first, "this was event 3\n",
                              "{\"seq\": 18446744073709551615, \"time\": \"2026-11-23T10:00:00Z\", "
                              "\"service\": \"\", \"kind\": \"started\", \"level\": \"normal\", "
                              "\"text\": \"event\", \"reason\": {}}\n",
                              "\n", second, "{\"seq\": 6, \"time\"", "");
        assert_true(length > 0 && (size_t) length < sizeof(text));
        write_spool(scratch, text, (size_t) length);

        Life *life = life_begin(scratch);
        assert_int_equal(eventlog_peek_next_seq(life->log), 6);
        assert_int_equal(eventlog_list(life->log, 0, 10, show, life), 4);
        assert_int_equal(life->shown[1], 2);
        assert_int_equal(life->shown[2], 4);

        /* The torn line is gone from the file, so that the next one is not spoilt by it. */
        assert_int_equal(stat(spool_path(scratch), &st), 0);
        assert_int_equal(st.st_size, (size_t) length - strlen("{\"seq\": 6, \"time\""));
        life->n_shown = 0;
        admit(life, 1);
        release_all(life);
        expect_shown(life, 6, 6);
        life_settle(life);
        life_end(life);

        life = life_begin(scratch);
        assert_int_equal(eventlog_list(life->log, 0, 10, show, life), 5);
        life_end(life);
}

static void test_a_folder_that_cannot_be_made(void **state) {
        Scratch *scratch = *state;
        EventLog *log = NULL;
        Writer *writer = NULL;

        scratch_write(scratch_path(scratch, "file"), "", 0);
        assert_int_equal(writer_new(scratch->loop, on_done, NULL, &writer), 0);
        assert_int_equal(eventlog_new(scratch_path(scratch, "file/spool"), writer, &log), -ENOTDIR);
        assert_null(log);
        (void) writer_free(writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_admit_release_list),
                TEST(test_the_next_life_goes_on),
                TEST(test_killed_at_any_byte_each_is_told_once),
                TEST(test_killed_after_the_spool_was_emptied),
                TEST(test_readmit_believes_no_nonsense),
                TEST(test_floor),
                TEST(test_a_floor_loses_nothing_that_waits),
                TEST(test_acknowledge_empties_the_spool),
                TEST(test_a_whole_step_fits),
                TEST(test_what_does_not_fit_is_counted),
                TEST(test_listing_across_memory_and_spool),
                TEST(test_listing_while_the_disk_is_stuck),
                TEST(test_an_overfull_spool_is_halved_and_counted),
                TEST(test_a_spool_in_use_is_not_halved),
                TEST(test_a_spool_beyond_all_measure_takes_no_more),
                TEST(test_lines_that_make_no_sense_cost_only_themselves),
                TEST(test_a_folder_that_cannot_be_made),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
