/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Nothing the judge remembers is forgotten, and nothing that makes no sense is believed.
 *
 * The first test knows no field by name. A memory in which every member is one shows where members
 * begin; then one of them after the other is set and sent through a checkpoint. A field that is new in
 * judge/judge.h and missing in the table of app/checkpoint.c comes back empty and is found here.
 */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/checkpoint.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "ones.h"
#include "scratch.h"
#include "unit.h"

enum {
        SERVICES = 2,
};

static const usec_t WALL_USEC = 1795428000 * USEC_PER_SEC;

static const usec_t BOOT_USEC = USEC_PER_HOUR;

typedef struct Brain {
        Scratch *scratch;
        Writer *writer;
        Config config;
        ServiceConfig services[SERVICES];
        Clockwork clock;
        EventLog *events;
        JudgeState judge;
        PendingAct pending[SERVICES];
} Brain;

static void on_done(void *userdata, uint64_t ticket, int r) {
        (void) userdata;
        (void) ticket;
        (void) r;
}

/* As after a start without a checkpoint. */
static void brain_begin(Brain *brain) {
        clockwork_init(&brain->clock, "this boot");
        judge_init(&brain->judge, &brain->config);
        memset(brain->pending, 0, sizeof(brain->pending));
        brain->events = eventlog_free(brain->events);
        assert_int_equal(
                eventlog_new(scratch_path(brain->scratch, "spool"), brain->writer, &brain->events),
                0);
}

static int brain_open(void **state) {
        static const char *const paths[DISKS_MAX] = { "/",      "/var",          "/home", "/srv",
                                                      "/\"q\"", "/\xed\x95\x9c", "/a b",  "/z" };
        Brain *brain = calloc(1, sizeof(*brain));

        assert_non_null(brain);
        assert_int_equal(scratch_open((void **) &brain->scratch), 0);
        assert_int_equal(writer_new(brain->scratch->loop, on_done, NULL, &brain->writer), 0);

        brain->services[0].name = "bot";
        brain->services[1].name = "other";
        brain->config.n_services = SERVICES;
        brain->config.services = brain->services;
        brain->config.watch = (WatchConfig){
                .interval_usec = 30 * USEC_PER_SEC,
                .cooldown_usec = 5 * USEC_PER_MINUTE,
                .max_restarts = 3,
                .per_usec = USEC_PER_HOUR,
        };
        brain->config.host.n_disk_paths = DISKS_MAX;
        memcpy(brain->config.host.disk_paths, paths, sizeof(paths));
        brain_begin(brain);
        *state = brain;
        return 0;
}

static int brain_close(void **state) {
        Brain *brain = *state;

        (void) eventlog_free(brain->events);
        (void) writer_free(brain->writer);
        int r = scratch_close((void **) &brain->scratch);
        free(brain);
        return r;
}

static Checkpoint checkpoint_of(Brain *brain) {
        return (Checkpoint){
                .config = &brain->config,
                .clock = &brain->clock,
                .events = brain->events,
                .judge = &brain->judge,
                .pending = brain->pending,
        };
}

static char *render(Brain *brain) {
        const Checkpoint checkpoint = checkpoint_of(brain);
        char *text = NULL;

        assert_int_equal(checkpoint_render(&checkpoint, BOOT_USEC, WALL_USEC, &text), 0);
        return text;
}

static int parse(Brain *brain, const char *text) {
        const Checkpoint checkpoint = checkpoint_of(brain);

        return checkpoint_parse(&checkpoint, text, strlen(text), BOOT_USEC, WALL_USEC);
}

/* Out of one life and into the next. */
static void pass_on(Brain *brain) {
        CLEANUP_FREE char *text = render(brain);

        brain_begin(brain);
        assert_int_equal(parse(brain, text), 0);
}

/* The one member at this place, and nothing else. */
static void expect_remembered(Brain *brain, void *object, size_t size, size_t at) {
        static unsigned char expected[sizeof(JudgeState)];

        brain_begin(brain);
        ((unsigned char *) object)[at] = 1;
        memcpy(expected, object, size);
        pass_on(brain);
        if (memcmp(object, expected, size) != 0)
                fail_msg("byte %zu does not come back alone; is its field missing in the table?",
                         at);
}

static bool is_ledger(size_t at) {
        return at >= offsetof(JudgeState, services[0].budget.n_restarts) &&
               at < offsetof(JudgeState, services[0].budget.n_unhealthy);
}

static void test_every_member_is_remembered(void **state) {
        Brain *brain = *state;
        const unsigned char *judge = (const unsigned char *) &judge_of_ones;
        const unsigned char *pending = (const unsigned char *) &pending_of_ones;
        unsigned n = 0;

        assert_int_equal(judge_of_ones.services[SERVICES_MAX - 1].n_same_exits, 1);

        /* How many services there are is said by the configuration. The ledgers are a test of their own. */
        for (size_t at = sizeof(unsigned); at < offsetof(JudgeState, services[1]); at++)
                if (judge[at] && !is_ledger(at)) {
                        expect_remembered(brain, &brain->judge, sizeof(brain->judge), at);
                        n++;
                }
        for (size_t at = 0; at < sizeof(PendingAct); at++)
                if (pending[at]) {
                        expect_remembered(brain, brain->pending, sizeof(brain->pending), at);
                        n++;
                }

        print_message("%u members\n", n);
        assert_true(n > 200);
}

static void test_the_ledgers_are_remembered(void **state) {
        Brain *brain = *state;

        for (unsigned n = 0; n <= LEDGER_MAX; n++) {
                Budget expected = { .n_restarts = n, .n_starts = LEDGER_MAX - n };

                for (unsigned i = 0; i < n; i++)
                        expected.restarts_usec[i] = 1000 + i;
                for (unsigned i = 0; i < expected.n_starts; i++)
                        expected.starts_usec[i] = 5000 + i;
                brain_begin(brain);
                brain->judge.services[0].budget = expected;
                pass_on(brain);

                const Budget *budget = &brain->judge.services[0].budget;
                assert_int_equal(budget->n_restarts, n);
                assert_int_equal(budget->n_starts, LEDGER_MAX - n);
                assert_memory_equal(budget->restarts_usec, expected.restarts_usec,
                                    sizeof(expected.restarts_usec));
                assert_memory_equal(budget->starts_usec, expected.starts_usec,
                                    sizeof(expected.starts_usec));
                assert_int_equal(brain->judge.services[1].budget.n_restarts, 0);
        }
}

static void test_for_ever_is_remembered(void **state) {
        Brain *brain = *state;

        brain->judge.services[1].paused_until_usec = USEC_INFINITY;
        brain->judge.services[1].retry_usec = USEC_INFINITY;
        brain->judge.services[1].incarnation = UINT64_MAX - 1;
        brain->judge.services[0].paused_until_usec = 600 * USEC_PER_DAY;
        pass_on(brain);
        assert_true(brain->judge.services[1].paused_until_usec == USEC_INFINITY);
        assert_true(brain->judge.services[1].retry_usec == USEC_INFINITY);
        assert_true(brain->judge.services[1].incarnation == UINT64_MAX - 1);
        assert_true(brain->judge.services[0].paused_until_usec == 600 * USEC_PER_DAY);
}

static void test_services_are_found_by_name(void **state) {
        Brain *brain = *state;

        brain->judge.services[0].n_retries = 7;
        brain->judge.services[1].n_retries = 9;
        brain->pending[1].action = ACTION_RESTART;
        CLEANUP_FREE char *text = render(brain);

        /* The one moved to the front, the other is gone, a third is new. */
        brain->services[0].name = "other";
        brain->services[1].name = "third";
        brain_begin(brain);
        assert_int_equal(parse(brain, text), 0);
        assert_int_equal(brain->judge.services[0].n_retries, 9);
        assert_int_equal(brain->pending[0].action, ACTION_RESTART);
        assert_int_equal(brain->judge.services[1].n_retries, 0);
        assert_int_equal(brain->pending[1].action, ACTION_NONE);
}

static void test_events_that_wait_are_remembered(void **state) {
        Brain *brain = *state;
        Event event = {
                .kind = EVENT_HELD,
                .level = LEVEL_CRITICAL,
                .service = "bot",
                .text = "“bot” is held\nfor \"now\"",
                .reason = "{\"code\":\"budget\",\"used\":3}",
        };

        for (unsigned i = 0; i < EVENTLOG_RECENT_MAX; i++)
                eventlog_admit(brain->events, &event, WALL_USEC + i);
        pass_on(brain);
        assert_int_equal(eventlog_peek_unspooled(brain->events), EVENTLOG_RECENT_MAX);
        for (unsigned i = 0; i < EVENTLOG_RECENT_MAX; i++) {
                const Event *back = eventlog_get_unspooled(brain->events, i);

                assert_int_equal(back->seq, i + 1);
                assert_int_equal(back->realtime_usec, WALL_USEC + i);
                assert_int_equal(back->kind, EVENT_HELD);
                assert_int_equal(back->level, LEVEL_CRITICAL);
                assert_string_equal(back->service, "bot");
                assert_string_equal(back->text, event.text);
                assert_string_equal(back->reason, event.reason);
        }
}

/* Half of the budget was spent before the reboot and is still spent after it, until its hour is over. */
static void test_a_reboot_does_not_refill_the_budget(void **state) {
        Brain *brain = *state;
        const usec_t now_usec = BOOT_USEC + USEC_PER_DAY;
        const usec_t early_usec = 20 * USEC_PER_SEC;
        unsigned used;
        usec_t left_usec;

        budget_charge_restart(&brain->judge.services[0].budget, now_usec - 30 * USEC_PER_MINUTE);
        budget_charge_restart(&brain->judge.services[0].budget, now_usec - USEC_PER_MINUTE);
        budget_prove(&brain->judge.services[0].budget);
        CLEANUP_FREE char *text = render(brain);

        brain_begin(brain);
        clockwork_init(&brain->clock, "the next boot");
        const Checkpoint checkpoint = checkpoint_of(brain);
        assert_int_equal(checkpoint_parse(&checkpoint, text, strlen(text), early_usec,
                                          WALL_USEC + 2 * USEC_PER_MINUTE),
                         0);

        usec_t later_usec = usec_add(early_usec, brain->clock.offset_usec);
        assert_int_equal(later_usec, now_usec + 2 * USEC_PER_MINUTE);
        assert_string_equal(brain->clock.boot_id, "the next boot");
        judge_peek_budget(&brain->judge, &brain->config, 0, later_usec, &used, &left_usec);
        assert_int_equal(used, 2);
        assert_int_equal(left_usec, 2 * USEC_PER_MINUTE);

        later_usec += 30 * USEC_PER_MINUTE;
        judge_peek_budget(&brain->judge, &brain->config, 0, later_usec, &used, &left_usec);
        assert_int_equal(used, 1);
        assert_int_equal(left_usec, 0);
}

static void test_what_had_ended_by_itself(void **state) {
        Brain *brain = *state;

        brain->judge.services[0].down = DOWN_ENDED;
        brain->judge.services[1].down = DOWN_OPERATOR;
        brain->judge.services[1].is_operator_stopped = true;
        CLEANUP_FREE char *text = render(brain);

        /* Our own restart changes nothing about it. */
        brain_begin(brain);
        assert_int_equal(parse(brain, text), 0);
        assert_int_equal(brain->judge.services[0].down, DOWN_ENDED);

        /* After a reboot it has not run yet; what a person stopped stays stopped. */
        brain_begin(brain);
        clockwork_init(&brain->clock, "the next boot");
        assert_int_equal(parse(brain, text), 0);
        assert_int_equal(brain->judge.services[0].down, DOWN_NEVER);
        assert_int_equal(brain->judge.services[1].down, DOWN_OPERATOR);
        assert_true(brain->judge.services[1].is_operator_stopped);
}

static void expect_unchanged(Brain *brain, const char *text, size_t length) {
        const Checkpoint checkpoint = checkpoint_of(brain);
        static Brain before;

        before = *brain;
        uint64_t next_seq = eventlog_peek_next_seq(brain->events);
        assert_int_equal(checkpoint_parse(&checkpoint, text, length, BOOT_USEC, WALL_USEC),
                         -EINVAL);
        assert_memory_equal(&brain->judge, &before.judge, sizeof(before.judge));
        assert_memory_equal(&brain->clock, &before.clock, sizeof(before.clock));
        assert_memory_equal(brain->pending, before.pending, sizeof(before.pending));
        assert_int_equal(eventlog_peek_next_seq(brain->events), next_seq);
}

/* A brain that knows something, and its document. */
static char *learn(Brain *brain) {
        Event event = { .kind = EVENT_HELD, .reason = "{}" };

        brain->judge.services[0].n_retries = 7;
        brain->judge.services[0].is_held = true;
        brain->pending[0].action = ACTION_START;
        budget_charge_restart(&brain->judge.services[0].budget, 77);
        eventlog_admit(brain->events, &event, WALL_USEC);
        return render(brain);
}

static void test_a_torn_document_changes_nothing(void **state) {
        Brain *brain = *state;
        CLEANUP_FREE char *text = learn(brain);

        brain_begin(brain);
        brain->judge.services[1].n_retries = 3;
        for (size_t cut = 0; cut < strlen(text); cut++)
                expect_unchanged(brain, text, cut);
        assert_int_equal(parse(brain, text), 0);
        assert_int_equal(brain->judge.services[0].n_retries, 7);
}

/* `text` with the value of one member of the whole replaced, or taken out when it is NULL. */
static char *changed(const char *text, const char *name, json_t *value) {
        json_t *json = json_loads(text, 0, NULL);

        assert_non_null(json);
        if (value)
                assert_int_equal(json_object_set_new(json, name, value), 0);
        else
                assert_int_equal(json_object_del(json, name), 0);

        char *made = json_dumps(json, 0);
        assert_non_null(made);
        json_decref(json);
        return made;
}

static void test_what_is_no_checkpoint_changes_nothing(void **state) {
        Brain *brain = *state;
        CLEANUP_FREE char *text = learn(brain);
        static const char *const strangers[] = {
                "",
                " ",
                "null",
                "{}",
                "[]",
                "7",
                "\"",
                "[[[[",
                "{\"version\":1}",
                "{\"version\":1,\"boot_id\":\"this boot\"}",
                "{\"version\":1.0,\"boot_id\":\"x\",\"offset_usec\":1,\"now_usec\":1,\"realtime_usec\":1}",
                "{\"version\":1,\"boot_id\":\"x\",\"offset_usec\":1e3,\"now_usec\":1,\"realtime_usec\":1}",
                "{\"version\":1,\"boot_id\":\"x\",\"offset_usec\":99999999999999999999,\"now_usec\":1,\"realtime_usec\":1}",
                "\xff\xfe{}",
        };
        const struct {
                const char *name;
                json_t *value;
        } changes[] = {
                { "version", json_integer(0) },
                { "version", json_integer(2) },
                { "version", json_string("1") },
                { "version", NULL },
                { "boot_id", json_integer(1) },
                { "boot_id", NULL },
                { "offset_usec", NULL },
                { "offset_usec", json_integer(-1) },
                { "offset_usec", json_integer(INT64_MAX) },
                { "now_usec", NULL },
                { "now_usec", json_true() },
                { "now_usec", json_integer(-5) },
                { "now_usec", json_integer(INT64_MAX) },
                { "realtime_usec", NULL },
                { "realtime_usec", json_integer(INT64_MIN) },
        };

        brain_begin(brain);
        for (size_t i = 0; i < ELEMENTSOF(strangers); i++)
                expect_unchanged(brain, strangers[i], strlen(strangers[i]));
        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                CLEANUP_FREE char *wrong = changed(text, changes[i].name, changes[i].value);

                expect_unchanged(brain, wrong, strlen(wrong));
        }
}

static void test_parts_of_another_kind_are_passed_over(void **state) {
        Brain *brain = *state;
        CLEANUP_FREE char *text = learn(brain);
        static const char *const names[] = { "host", "services", "events", "next_seq", "more" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                json_t *const values[] = {
                        json_null(),
                        json_integer(-7),
                        json_string("x"),
                        json_array(),
                        json_pack("[i,s,n,[],{},{s:n}]", 1, "x", "name"),
                        json_object(),
                };

                for (size_t k = 0; k < ELEMENTSOF(values); k++) {
                        CLEANUP_FREE char *odd = changed(text, names[i], values[k]);

                        brain_begin(brain);
                        assert_int_equal(parse(brain, odd), 0);
                        bool has_services = strcmp(names[i], "services") != 0;
                        assert_int_equal(brain->judge.services[0].n_retries, has_services ? 7 : 0);
                        assert_int_equal(eventlog_peek_next_seq(brain->events), 2);
                }
        }
}

/* One service with these members, and what must come of it: nothing. */
static void expect_not_believed(Brain *brain, const char *members) {
        static JudgeState fresh;
        char text[2048];

        int n = snprintf(text, sizeof(text),
                         "{\"version\":1,\"boot_id\":\"this boot\",\"offset_usec\":%llu,"
                         "\"now_usec\":1,\"realtime_usec\":1,\"services\":[{\"name\":\"bot\",%s}]}",
                         (unsigned long long) USEC_PER_DAY, members);
        assert_true(n > 0 && (size_t) n < sizeof(text));

        brain_begin(brain);
        fresh = brain->judge;
        assert_int_equal(parse(brain, text), 0);
        if (memcmp((const char *) &brain->judge, (const char *) &fresh, sizeof(fresh)) != 0)
                fail_msg("believed: %s", members);
        assert_int_equal(brain->pending[0].action, ACTION_NONE);
}

static void test_values_out_of_range_are_not_believed(void **state) {
        static const char *const members[] = {
                "\"state\":-1",
                "\"state\":6",
                "\"down\":5",
                "\"level\":4",
                "\"refusal\":11",
                "\"wanted\":7",
                "\"last_exit_cause\":7",
                "\"n_retries\":-1",
                "\"n_retries\":4294967296",
                "\"n_retries\":2000000000",
                "\"n_retries\":\"7\"",
                "\"n_retries\":7.0",
                "\"last_exit_value\":2147483648",
                "\"is_held\":true",
                "\"act_usec\":-1",
                "\"act_usec\":9000000000000000000",
                "\"healthy_since_usec\":90000000001", /* one microsecond after now */
                "\"pending\":{\"action\":4}",
                "\"pending\":{\"action\":-1}",
                "\"pending\":7",
                "\"budget\":{\"restarts\":7}",
                "\"budget\":{\"restarts\":[]}",
                "\"budget\":{\"restarts\":[-1,\"x\",null,90000000001]}",
                "\"budget\":{\"n_unhealthy\":1000000000}",
                "\"budget\":[]",
                "\"checks\":[]",
                "\"checks\":{\"api\":{\"streak\":7,\"level\":{\"level\":3,\"nearest\":3}}}",
                "\"checks\":{\"api\":{\"level\":{\"since_usec\":90000000001}}}",
                "\"checks\":{\"none\":{\"known_usec\":7}}",
        };
        Brain *brain = *state;

        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                expect_not_believed(brain, members[i]);
}

static void test_a_ledger_is_read_newest_last(void **state) {
        Brain *brain = *state;
        char text[4096];
        Buf buf = BUF_OVER(text);

        buf_init(&buf, text, sizeof(text));
        buf_printf(&buf,
                   "{\"version\":1,\"boot_id\":\"this boot\",\"offset_usec\":%llu,\"now_usec\":1,"
                   "\"realtime_usec\":1,\"services\":[{\"name\":\"bot\",\"budget\":{\"restarts\":[",
                   (unsigned long long) USEC_PER_DAY);
        for (unsigned i = 0; i < LEDGER_MAX + 10; i++)
                buf_printf(&buf, "%u,", 1000 + i);
        buf_put(&buf, "5,2000]}}]}");
        assert_false(buf.is_truncated);
        assert_int_equal(parse(brain, text), 0);

        const Budget *budget = &brain->judge.services[0].budget;
        assert_int_equal(budget->n_restarts, LEDGER_MAX - 1);
        assert_int_equal(budget->restarts_usec[0], 1000 + 12);
        assert_int_equal(budget->restarts_usec[LEDGER_MAX - 2], 2000);
}

static void test_numbers_of_events_make_sense(void **state) {
        static const char *const next_seqs[] = {
                "-1", "0", "4611686018427387904", "9223372036854775807", "\"7\"", "7.5"
        };
        Brain *brain = *state;
        char text[512];

        for (size_t i = 0; i < ELEMENTSOF(next_seqs); i++) {
                (void) snprintf(text, sizeof(text),
                                "{\"version\":1,\"boot_id\":\"b\",\"offset_usec\":1,\"now_usec\":1,"
                                "\"realtime_usec\":1,\"next_seq\":%s}",
                                next_seqs[i]);
                brain_begin(brain);
                assert_int_equal(parse(brain, text), 0);
                assert_int_equal(eventlog_peek_next_seq(brain->events), 1);
        }
}

/* The file is for people as well: words for names, no surprise for a reader of JSON. */
static void test_it_reads_well(void **state) {
        Brain *brain = *state;
        CLEANUP_FREE char *text = learn(brain);
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        json_t *service = json_array_get(json_object_get(json, "services"), 0);

        assert_non_null(service);
        assert_string_equal(json_string_value(json_object_get(service, "name")), "bot");
        assert_int_equal(json_integer_value(json_object_get(service, "n_retries")), 7);
        assert_non_null(json_object_get(json_object_get(service, "checks"), "heartbeat"));
        assert_int_equal(json_array_size(json_object_get(json, "services")), SERVICES);
        assert_int_equal(json_array_size(json_object_get(json, "events")), 1);
        assert_int_equal(json_object_size(json_object_get(json_object_get(json, "host"), "disks")),
                         DISKS_MAX);
        json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, brain_open, brain_close)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_every_member_is_remembered),
                TEST(test_the_ledgers_are_remembered),
                TEST(test_for_ever_is_remembered),
                TEST(test_services_are_found_by_name),
                TEST(test_events_that_wait_are_remembered),
                TEST(test_a_reboot_does_not_refill_the_budget),
                TEST(test_what_had_ended_by_itself),
                TEST(test_a_torn_document_changes_nothing),
                TEST(test_what_is_no_checkpoint_changes_nothing),
                TEST(test_parts_of_another_kind_are_passed_over),
                TEST(test_values_out_of_range_are_not_believed),
                TEST(test_a_ledger_is_read_newest_last),
                TEST(test_numbers_of_events_make_sense),
                TEST(test_it_reads_well),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
