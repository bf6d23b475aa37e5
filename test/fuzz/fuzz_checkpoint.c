/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as the state of an earlier watch.
 *
 * What is refused changes nothing. What is taken up is a state the judge can go on from: written out
 * and read again it is the same, and some hours of judging later nothing has been asserted.
 */

#include <stdlib.h>
#include <string.h>

#include "app/checkpoint.h"
#include "fuzz.h"

static const usec_t BOOT_USEC = 3 * USEC_PER_HOUR;
static const usec_t WALL_USEC = 1795428000 * USEC_PER_SEC;

/* The folder is there and takes no file: an event log that never wrote and never will. */
static const char SPOOL[] = "/proc";

typedef struct Brain {
        Clockwork clock;
        EventLog *events;
        JudgeState judge;
        PendingAct pending[1];
} Brain;

static ServiceConfig service = {
        .name = "bot",
        .is_started = true,
        .restart_delay_usec = 30 * USEC_PER_SEC,
        .start_limit = 3,
        .start_limit_per_usec = 10 * USEC_PER_MINUTE,
        .api = { .url = "http://localhost/",
                 .timeout_usec = 10 * USEC_PER_SEC,
                 .latency = { USEC_PER_SEC, 5 * USEC_PER_SEC },
                 .may_restart = true },
        .memory = { 700, 900 },
};

static const Config config = {
        .path = "",
        .language = "en",
        .n_services = 1,
        .services = &service,
        .watch = { .interval_usec = 30 * USEC_PER_SEC,
                   .failures = 3,
                   .successes = 2,
                   .grace_usec = USEC_PER_MINUTE,
                   .cooldown_usec = 5 * USEC_PER_MINUTE,
                   .max_restarts = 3,
                   .per_usec = USEC_PER_HOUR,
                   .remind_usec = 6 * USEC_PER_HOUR },
        .host = { .cpu = { 700, 850 },
                  .memory = { 700, 800 },
                  .disk = { 800, 900 },
                  .n_disk_paths = 1,
                  .disk_paths = { "/" } },
};

static void on_done(void *userdata, uint64_t ticket, int r) {
        (void) userdata;
        (void) ticket;
        (void) r;
}

static Writer *writer_of_nothing(void) {
        static Writer *writer;
        sd_event *loop = NULL;

        if (!writer &&
            (sd_event_default(&loop) < 0 || writer_new(loop, on_done, NULL, &writer) < 0))
                abort();
        return writer;
}

static void brain_begin(Brain *brain) {
        memset(brain, 0, sizeof(*brain));
        clockwork_init(&brain->clock, "this boot");
        judge_init(&brain->judge, &config);
        if (eventlog_new(SPOOL, writer_of_nothing(), &brain->events) < 0)
                abort();
}

static Checkpoint checkpoint_of(Brain *brain) {
        return (Checkpoint){
                .config = &config,
                .clock = &brain->clock,
                .events = brain->events,
                .judge = &brain->judge,
                .pending = brain->pending,
        };
}

static void expect_same(const Brain *a, const Brain *b) {
        /* Both were zeroed whole, so that padding is the same too. */
        assert(memcmp((const char *) &a->judge, (const char *) &b->judge, sizeof(a->judge)) == 0);
        assert(memcmp((const char *) &a->clock, (const char *) &b->clock, sizeof(a->clock)) == 0);
        assert(memcmp(a->pending, b->pending, sizeof(a->pending)) == 0);
        assert(eventlog_peek_next_seq(a->events) == eventlog_peek_next_seq(b->events));
        assert(eventlog_peek_unspooled(a->events) == eventlog_peek_unspooled(b->events));
}

/* Written out and read again nothing is lost, and nothing is made up. */
static void expect_kept(Brain *brain) {
        static Brain next;
        const Checkpoint checkpoint = checkpoint_of(brain);
        char *text = NULL;

        if (checkpoint_render(&checkpoint, BOOT_USEC, WALL_USEC, &text) < 0)
                abort();
        brain_begin(&next);
        const Checkpoint again = checkpoint_of(&next);
        int r = checkpoint_parse(&again, text, strlen(text), BOOT_USEC, WALL_USEC);

        assert(r == 0);
        expect_same(brain, &next);
        next.events = eventlog_free(next.events);
        free(text);
}

static void look(Snapshot *snapshot, usec_t now_usec, int64_t level, Outcome outcome) {
        const Metric metric = { .is_valid = true, .at_usec = now_usec, .value = level };
        ServiceFacts *facts = &snapshot->services[0];
        CheckReading reading = { .is_configured = true, .outcome = outcome, .at_usec = now_usec };

        snapshot->n_services = 1;
        snapshot->host.cpu_permille = metric;
        snapshot->host.memory_permille = metric;
        snapshot->host.disks[0].used_permille = metric;
        facts->incarnation = 1;
        reading.value = level * (int64_t) USEC_PER_MSEC;
        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                facts->checks[kind] = reading;
}

static void expect_judgeable(Brain *brain) {
        static Snapshot snapshot;
        static Decision decision;
        usec_t now_usec = usec_add(BOOT_USEC, brain->clock.offset_usec);

        memset(&snapshot, 0, sizeof(snapshot));
        for (unsigned i = 0; i < 60; i++) {
                ServiceFacts *facts = &snapshot.services[0];

                facts->state = i % 20 < 15 ? SERVICE_RUNNING : SERVICE_FAILED;
                facts->exit_cause = EXIT_CAUSE_FAILURE;
                facts->pid = i % 20 < 15 ? 7 : 0;
                look(&snapshot, now_usec, i % 3 == 0 ? 950 : 100,
                     i % 10 < 5 ? OUTCOME_FAIL : OUTCOME_OK);
                judge_step(&brain->judge, &config, &snapshot, now_usec, &decision);
                now_usec += i < 30 ? 30 * USEC_PER_SEC : 10 * USEC_PER_MINUTE;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Brain fresh;
        static Brain brain;
        char *text = malloc(size > 0 ? size : 1);

        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);

        brain_begin(&fresh);
        brain_begin(&brain);
        const Checkpoint checkpoint = checkpoint_of(&brain);

        /* Exactly so long: what lies behind is not looked at. */
        if (checkpoint_parse(&checkpoint, text, size, BOOT_USEC, WALL_USEC) < 0)
                expect_same(&brain, &fresh);
        else {
                expect_kept(&brain);
                expect_judgeable(&brain);
        }

        fresh.events = eventlog_free(fresh.events);
        brain.events = eventlog_free(brain.events);
        free(text);
        return 0;
}
