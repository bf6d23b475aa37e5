/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Story: a world of one service in which tests of the judge play.
 *
 * A test sets the weather (the API times out, the service dies 20 s after each start), lets time pass,
 * and then reads what was decided and told. Time is ours, so an hour costs nothing; readings come as
 * the daemon would bring them, and acts take as long as they are told to take.
 */

#include "story.h"

#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "unit.h"

/* The stories begin at a time that is not zero, so that "zero for never" is not tried by accident. */
static const usec_t BEGIN_USEC = 10 * USEC_PER_HOUR;

static unsigned second_of(const Story *story) {
        return (unsigned) ((story->now_usec - BEGIN_USEC) / USEC_PER_SEC);
}

static Config default_config(ServiceConfig *service) {
        return (Config){
                .watch = { .interval_usec = 30 * USEC_PER_SEC,
                           .sample_usec = 5 * USEC_PER_SEC,
                           .failures = 3,
                           .successes = 2,
                           .grace_usec = 60 * USEC_PER_SEC,
                           .cooldown_usec = 5 * USEC_PER_MINUTE,
                           .max_restarts = 3,
                           .per_usec = USEC_PER_HOUR,
                           .remind_usec = 6 * USEC_PER_HOUR },
                .host = { .cpu = { 700, 850 },
                          .memory = { 700, 800 },
                          .disk = { 800, 900 },
                          .n_disk_paths = 1,
                          .disk_paths = { "/" } },
                .n_services = 1,
                .services = service,
        };
}

static ServiceConfig default_service(void) {
        return (ServiceConfig){
                .name = "bot",
                .unit = "",
                .is_started = true,
                .stop_timeout_usec = 30 * USEC_PER_SEC,
                .restart_delay_usec = 30 * USEC_PER_SEC,
                .start_limit = 3,
                .start_limit_per_usec = 600 * USEC_PER_SEC,
                .api = { .url = "http://localhost:5000/api/status",
                         .timeout_usec = 10 * USEC_PER_SEC,
                         .latency = { USEC_PER_SEC, 5 * USEC_PER_SEC },
                         .may_restart = true },
                .logs = { .error_rate = { 10, 50 } },
                .heartbeat = { .file = "", .may_restart = true },
                .memory = { 700, 850 },
        };
}

void story_init_stopped(Story *story) {
        memset(story, 0, sizeof(*story));
        story->service = default_service();
        story->config = default_config(&story->service);
        story->now_usec = BEGIN_USEC;
        story->snapshot.n_services = 1;
        story->facts = &story->snapshot.services[0];
        story->facts->cpu_permille = -1;
        story->facts->memory_bytes = -1;
        story->facts->checks[CHECK_API].is_configured = true;
        story->facts->checks[CHECK_PROCESS].is_configured = true;
        story->is_obeyed = true;
        story->act_seconds = 1;
        story->api = OUTCOME_OK;
        story->api_usec = 20 * USEC_PER_MSEC;
        story->exit_cause = EXIT_CAUSE_FAILURE;
        story->exit_value = 1;
        judge_init(&story->state, &story->config);
}

static void begin_life(Story *story, usec_t started_usec) {
        ServiceFacts *facts = story->facts;

        facts->state = SERVICE_RUNNING;
        facts->started_usec = started_usec;
        facts->state_since_usec = started_usec;
        facts->incarnation++;
        facts->pid = (pid_t) (1000 + facts->incarnation);
        facts->is_operator_stopped = false;
}

void story_init(Story *story) {
        story_init_stopped(story);
        begin_life(story, BEGIN_USEC - USEC_PER_HOUR);
}

static void end_life(Story *story, ServiceState state, ExitCause cause, int value) {
        ServiceFacts *facts = story->facts;

        facts->state = state;
        facts->state_since_usec = story->now_usec;
        facts->started_usec = 0;
        facts->pid = 0;
        facts->exit_cause = cause;
        facts->exit_value = value;
}

void story_die(Story *story, ExitCause cause, int value) {
        end_life(story, cause == EXIT_CAUSE_CLEAN ? SERVICE_STOPPED : SERVICE_FAILED, cause, value);
}

static Line *new_line(Story *story) {
        assert_true(story->n_lines < STORY_LINES_MAX);
        Line *line = &story->lines[story->n_lines++];

        *line = (Line){ .second = second_of(story) };
        return line;
}

static void begin_act(Story *story, ActionKind action) {
        story->act = action;
        story->act_end_usec = story->now_usec + story->act_seconds * USEC_PER_SEC;
        story->facts->is_busy = true;
}

static void write_down(Story *story) {
        const Decision *decision = &story->decision;

        assert_int_equal(decision->n_events_dropped, 0);

        for (unsigned i = 0; i < decision->n_events; i++) {
                Line *line = new_line(story);
                const Event *event = &decision->events[i];

                line->kind = event->kind;
                line->level = event->level;
                memcpy(line->text, event->text, sizeof(line->text));
                memcpy(line->reason, event->reason, sizeof(line->reason));
                assert_true(strlen(event->text) > 0);
                assert_true(event->reason[0] == '{' &&
                            event->reason[strlen(event->reason) - 1] == '}');
        }

        if (decision->intents[0].action == ACTION_NONE)
                return;

        /* Nothing is done that is not told in the same breath. */
        assert_true(decision->n_events > 0);

        Line *line = new_line(story);

        line->is_intent = true;
        line->intent = decision->intents[0];

        if (story->is_obeyed)
                begin_act(story, line->intent.action);
}

void story_step(Story *story) {
        judge_step(&story->state, &story->config, &story->snapshot, story->now_usec,
                   &story->decision);
        write_down(story);
}

static void finish_act(Story *story) {
        ActionKind action = story->act;
        ServiceFacts *facts = story->facts;
        bool is_person = story->state.services[0].is_operator_stopped;

        story->act = ACTION_NONE;
        facts->is_busy = false;

        if (action == ACTION_STOP) {
                end_life(story, is_person ? SERVICE_STOPPED : SERVICE_FAILED,
                         is_person ? EXIT_CAUSE_CLEAN : EXIT_CAUSE_OOM, 0);
                facts->is_operator_stopped = is_person;
        } else
                begin_life(story, story->now_usec);

        judge_outcome(&story->state, &story->config, 0, action, /* is_done= */ true, "",
                      story->act_seconds * USEC_PER_SEC, story->now_usec, &story->decision);
        write_down(story);
        story_step(story);
}

static void read_checks(Story *story) {
        CheckReading *api = &story->facts->checks[CHECK_API];
        CheckReading *process = &story->facts->checks[CHECK_PROCESS];

        if (story->facts->state != SERVICE_RUNNING)
                return;

        if (!story->is_api_silent) {
                api->outcome = story->api;
                api->cause = story->api == OUTCOME_FAIL ? story->api_cause : CAUSE_NONE;
                api->at_usec = story->now_usec;
                api->value = story->api_usec;
        }

        process->outcome = OUTCOME_OK;
        process->at_usec = story->now_usec;
        process->value = (int64_t) (story->now_usec - story->facts->started_usec);
}

void story_host(Story *story, int64_t cpu, int64_t steal, int64_t psi_cpu) {
        HostFacts *host = &story->snapshot.host;

        host->cpu_permille = (Metric){ true, story->now_usec, cpu };
        host->steal_permille = (Metric){ true, story->now_usec, steal };
        host->psi_cpu_permille = (Metric){ true, story->now_usec, psi_cpu };
}

static void refresh(Metric *metric, usec_t now_usec) {
        if (metric->is_valid)
                metric->at_usec = now_usec;
}

static void read_host(Story *story) {
        HostFacts *host = &story->snapshot.host;

        refresh(&host->cpu_permille, story->now_usec);
        refresh(&host->steal_permille, story->now_usec);
        refresh(&host->psi_cpu_permille, story->now_usec);
        refresh(&host->psi_memory_permille, story->now_usec);
        refresh(&host->psi_io_permille, story->now_usec);
        refresh(&host->memory_permille, story->now_usec);
        refresh(&host->memory_total_bytes, story->now_usec);
        refresh(&host->is_outside_reachable, story->now_usec);
        refresh(&host->root_free_bytes, story->now_usec);
        refresh(&host->disks[0].used_permille, story->now_usec);
        refresh(&host->disks[0].inodes_permille, story->now_usec);
}

static usec_t death_usec(const Story *story) {
        if (story->dies_after_seconds == 0 || story->facts->state != SERVICE_RUNNING)
                return USEC_INFINITY;

        return story->facts->started_usec + story->dies_after_seconds * USEC_PER_SEC;
}

void story_until(Story *story, unsigned second) {
        usec_t end_usec = BEGIN_USEC + second * USEC_PER_SEC;
        usec_t interval_usec = story->config.watch.interval_usec;

        for (;;) {
                usec_t tick_usec = (story->now_usec / interval_usec + 1) * interval_usec;
                usec_t next_usec = MIN(tick_usec, death_usec(story));

                if (story->act != ACTION_NONE)
                        next_usec = MIN(next_usec, story->act_end_usec);
                if (story->decision.next_usec > story->now_usec)
                        next_usec = MIN(next_usec, story->decision.next_usec);
                if (next_usec > end_usec)
                        break;

                story->now_usec = next_usec;

                if (story->act != ACTION_NONE && next_usec == story->act_end_usec)
                        finish_act(story);
                else if (next_usec >= death_usec(story))
                        story_die(story, story->exit_cause, story->exit_value);

                if (next_usec == tick_usec) {
                        read_checks(story);
                        if (!story->is_host_silent)
                                read_host(story);
                }

                story_step(story);
        }

        story->now_usec = end_usec;
}

void story_command(Story *story, CommandKind command, usec_t until_usec) {
        judge_command(&story->state, &story->config, &story->snapshot, 0, command, until_usec,
                      story->now_usec, &story->decision);
        write_down(story);
}

const Line *story_event(const Story *story, EventKind kind, unsigned n) {
        for (unsigned i = 0; i < story->n_lines; i++)
                if (!story->lines[i].is_intent && story->lines[i].kind == kind && n-- == 0)
                        return &story->lines[i];

        return NULL;
}

const Line *story_intent(const Story *story, ActionKind action, unsigned n) {
        for (unsigned i = 0; i < story->n_lines; i++)
                if (story->lines[i].is_intent && story->lines[i].intent.action == action &&
                    n-- == 0)
                        return &story->lines[i];

        return NULL;
}

unsigned story_count(const Story *story, EventKind kind) {
        unsigned n = 0;

        while (story_event(story, kind, n))
                n++;

        return n;
}

int story_when(const Story *story, EventKind kind, unsigned n) {
        const Line *line = story_event(story, kind, n);

        return line ? (int) line->second : -1;
}

unsigned story_count_intents(const Story *story, ActionKind action, ReasonCode reason) {
        unsigned n = 0;

        for (unsigned i = 0; i < story->n_lines; i++)
                if (story->lines[i].is_intent && story->lines[i].intent.action == action &&
                    story->lines[i].intent.reason == reason)
                        n++;

        return n;
}

bool story_has_reason(const Story *story, EventKind kind, const char *part) {
        for (unsigned i = 0; i < story->n_lines; i++)
                if (!story->lines[i].is_intent && story->lines[i].kind == kind &&
                    strstr(story->lines[i].reason, part))
                        return true;

        return false;
}

void story_print(const Story *story) {
        for (unsigned i = 0; i < story->n_lines; i++) {
                const Line *line = &story->lines[i];

                if (line->is_intent)
                        print_message("%6u    -> %s (%s)\n", line->second,
                                      action_to_string(line->intent.action),
                                      reason_to_string(line->intent.reason));
                else
                        print_message("%6u %-16s %-8s %s %s\n", line->second,
                                      event_kind_to_string(line->kind),
                                      level_to_string(line->level), line->text, line->reason);
        }
}
