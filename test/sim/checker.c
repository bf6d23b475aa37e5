/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checker: what must be true whatever the weather.
 *
 *   - never beyond the budget, in any window, except by a person's own hand
 *   - nothing is done while paused, nothing but the slow retry while held, nothing against a person's stop
 *   - nothing is done without an event that says why, in the same decision
 *   - no level changes before its patience has passed, and no failure is made of silence
 *   - what fails is acted on or refused with a reason, never forgotten
 *   - told once: holds, episodes, pauses; and what was told as bad is told as good in the end
 *   - an hour has a bounded number of events
 *   - after good weather everything is up and normal
 *
 * It keeps its own books from what it sees of the world and the decisions. It looks into the judge's
 * state only for what is claimed there: levels, and the refusal that status would show.
 */

#include "checker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

/* Of one service, all checks flapping at once; without damping it would be several hundred. */
static const unsigned EVENTS_PER_HOUR_MAX = 100;

static void complain(Checker *checker, const char *format, ...) PRINTF_LIKE(2, 3);

static void complain(Checker *checker, const char *format, ...) {
        va_list arguments;

        if (*checker->complaint)
                return;

        va_start(arguments, format);
        (void) vsnprintf(checker->complaint, sizeof(checker->complaint), format, arguments);
        va_end(arguments);
}

/* FNV-1a. */
static void hash_bytes(Checker *checker, const void *bytes, size_t n) {
        const unsigned char *byte = bytes;

        for (size_t i = 0; i < n; i++)
                checker->hash = (checker->hash ^ byte[i]) * UINT64_C(0x100000001B3);
}

void checker_init(Checker *checker, const World *world) {
        memset(checker, 0, sizeof(*checker));
        checker->hash = UINT64_C(0xCBF29CE484222325);
        (void) world;
}

static usec_t stale_usec(const World *world, unsigned i, CheckKind kind) {
        usec_t interval_usec = world->config.watch.interval_usec;
        usec_t timeout_usec = kind == CHECK_API ? world->services[i].api.timeout_usec : 0;

        return MAX(3 * interval_usec, interval_usec + 2 * timeout_usec);
}

static bool may_restart(const World *world, unsigned i, CheckKind kind) {
        const ServiceConfig *service = &world->services[i];

        if (!world->snapshot.services[i].checks[kind].is_configured)
                return false;

        return kind == CHECK_SERVICE || kind == CHECK_PROCESS || kind == CHECK_AGENT ||
               (kind == CHECK_API && service->api.may_restart) ||
               (kind == CHECK_LOGS && service->logs.may_restart) ||
               (kind == CHECK_HEARTBEAT && service->heartbeat.may_restart);
}

/* Failures as a fair witness would count them. */
static void count_failures(Checker *checker, const World *world, unsigned i) {
        CheckedBot *bot = &checker->bots[i];
        const ServiceFacts *facts = &world->snapshot.services[i];
        usec_t grace_end_usec = facts->started_usec + world->config.watch.grace_usec;

        if (facts->incarnation != bot->incarnation) {
                bot->incarnation = facts->incarnation;
                memset(bot->fails, 0, sizeof(bot->fails));
                memset(bot->sure_fails, 0, sizeof(bot->sure_fails));
        }

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                const CheckReading *reading = &facts->checks[kind];
                bool has_grace = kind != CHECK_SERVICE && kind != CHECK_PROCESS;

                if (reading->at_usec <= bot->seen_usec[kind])
                        continue;

                bot->seen_usec[kind] = reading->at_usec;
                if (reading->outcome == OUTCOME_UNKNOWN)
                        continue;

                if (reading->at_usec - bot->known_usec[kind] > stale_usec(world, i, kind))
                        bot->sure_fails[kind] = 0;
                bot->known_usec[kind] = reading->at_usec;

                if (facts->is_busy || facts->state != SERVICE_RUNNING ||
                    reading->at_usec < facts->started_usec ||
                    (has_grace && reading->outcome == OUTCOME_FAIL &&
                     world->now_usec < grace_end_usec))
                        continue;

                if (reading->outcome == OUTCOME_OK)
                        bot->fails[kind] = bot->sure_fails[kind] = 0;
                else if (reading->outcome == OUTCOME_FAIL) {
                        bot->fails[kind]++;
                        bot->sure_fails[kind]++;
                }
        }
}

static void
see(CheckedGauge *gauge, const Thresholds *edges, int64_t value, usec_t at_usec, usec_t now_usec) {
        const int64_t enter[] = {
                [LEVEL_WARNING] = edges->warning, [LEVEL_CRITICAL] = edges->critical
        };

        if (at_usec <= gauge->seen_usec)
                return;
        gauge->seen_usec = at_usec;

        for (Level l = LEVEL_WARNING; l < LEVEL_UNKNOWN; l++) {
                if (value < enter[l])
                        gauge->below_usec[l] = now_usec;
                if (value >= enter[l] - edges->warning / 20)
                        gauge->above_usec[l] = now_usec;
        }
}

static void
see_metric(CheckedGauge *gauge, const Thresholds *edges, const Metric *metric, usec_t now_usec) {
        if (metric->is_valid)
                see(gauge, edges, metric->value, metric->at_usec, now_usec);
}

static const CheckKind gauged[] = { CHECK_API, CHECK_LOGS, CHECK_MEMORY };

static const Thresholds *edges_of(const ServiceConfig *service, CheckKind kind) {
        return kind == CHECK_API    ? &service->api.latency
               : kind == CHECK_LOGS ? &service->logs.error_rate
                                    : &service->memory;
}

static Level level_of_gauge(const JudgeState *state, unsigned gauge) {
        if (gauge == 0)
                return state->cpu.level;
        if (gauge == 1)
                return state->memory.level;
        if (gauge == 2)
                return state->disks[0].level;

        return state->services[(gauge - 3) / 3].checks[gauged[(gauge - 3) % 3]].level.level;
}

void checker_before_step(Checker *checker, const World *world, const JudgeState *state) {
        const HostFacts *host = &world->snapshot.host;
        const HostConfig *edges = &world->config.host;

        see_metric(&checker->gauges[0], &edges->cpu, &host->cpu_permille, world->now_usec);
        see_metric(&checker->gauges[1], &edges->memory, &host->memory_permille, world->now_usec);
        see_metric(&checker->gauges[2], &edges->disk, &host->disks[0].used_permille,
                   world->now_usec);

        for (unsigned i = 0; i < world->n_bots; i++) {
                const ServiceFacts *facts = &world->snapshot.services[i];

                count_failures(checker, world, i);

                for (unsigned k = 0; k < ELEMENTSOF(gauged); k++) {
                        const CheckReading *reading = &facts->checks[gauged[k]];

                        if (reading->outcome == OUTCOME_OK && facts->state == SERVICE_RUNNING)
                                see(&checker->gauges[3 + 3 * i + k],
                                    edges_of(&world->services[i], gauged[k]), reading->value,
                                    reading->at_usec, world->now_usec);
                }
        }

        for (unsigned g = 0; g < 3 + 3 * world->n_bots; g++)
                checker->gauges[g].before = level_of_gauge(state, g);
}

static void check_patience(Checker *checker, const World *world, const JudgeState *state) {
        usec_t interval_usec = world->config.watch.interval_usec;

        for (unsigned g = 0; g < 3 + 3 * world->n_bots; g++) {
                const CheckedGauge *gauge = &checker->gauges[g];
                Level before = gauge->before;
                Level after = level_of_gauge(state, g);

                if (after > before &&
                    world->now_usec - gauge->below_usec[after] < 2 * interval_usec)
                        complain(checker, "gauge %u rose too fast", g);
                if (after < before &&
                    world->now_usec - gauge->above_usec[after + 1] < 4 * interval_usec)
                        complain(checker, "gauge %u fell too fast", g);
        }
}

static bool has_event_for(const Decision *decision, const char *service, const Intent *intent) {
        EventKind kind = intent->action != ACTION_STOP         ? EVENT_RESTART_DECIDED
                         : intent->reason == REASON_MEMORY_MAX ? EVENT_OOM_KILL
                                                               : EVENT_OPERATOR_STOP;
        char code[64];

        (void) snprintf(code, sizeof(code), "{\"code\":\"%s\"", reason_to_string(intent->reason));

        for (unsigned i = 0; i < decision->n_events; i++) {
                const Event *event = &decision->events[i];

                if (event->kind == kind && strcmp(event->service, service) == 0 &&
                    strncmp(event->reason, code, strlen(code)) == 0)
                        return true;
        }

        return false;
}

static void charge(Checker *checker, const World *world, unsigned i) {
        CheckedBot *bot = &checker->bots[i];

        if (bot->n_restarts == CHECKED_RESTARTS_MAX) {
                memmove(bot->restarts_usec, bot->restarts_usec + 1,
                        sizeof(bot->restarts_usec) - sizeof(bot->restarts_usec[0]));
                bot->n_restarts--;
        }

        bot->restarts_usec[bot->n_restarts++] = world->now_usec;
}

static unsigned used(const CheckedBot *bot, const World *world) {
        unsigned n = 0;

        for (unsigned i = 0; i < bot->n_restarts; i++)
                if (bot->restarts_usec[i] + world->config.watch.per_usec > world->now_usec)
                        n++;

        return n;
}

static void check_own_act(Checker *checker, const World *world, unsigned i, const Intent *intent) {
        const CheckedBot *bot = &checker->bots[i];
        bool is_start = intent->action != ACTION_STOP;

        if (world->now_usec < bot->paused_until_usec)
                complain(checker, "%s: %s while paused", world->bots[i].name,
                         action_to_string(intent->action));
        if (world->bots[i].is_person_stopped && is_start)
                complain(checker, "%s: %s against a person's stop", world->bots[i].name,
                         action_to_string(intent->action));
        if (is_start && bot->is_held != (intent->reason == REASON_SLOW_RETRY))
                complain(checker, "%s: %s while %s held", world->bots[i].name,
                         reason_to_string(intent->reason), bot->is_held ? "" : "not");
        if (is_start && intent->reason != REASON_FIRST_START &&
            used(bot, world) >= world->config.watch.max_restarts)
                complain(checker, "%s: beyond the budget", world->bots[i].name);
        if (intent->reason == REASON_CONSECUTIVE_FAILURES &&
            (bot->fails[intent->check] < world->config.watch.failures ||
             world->now_usec - bot->seen_usec[intent->check] > stale_usec(world, i, intent->check)))
                complain(checker, "%s: restarted for %u failures of %s", world->bots[i].name,
                         bot->fails[intent->check], check_to_string(intent->check));
}

static void
check_intent(Checker *checker, const World *world, const Decision *decision, unsigned i) {
        const Intent *intent = &decision->intents[i];

        if (intent->action == ACTION_NONE)
                return;

        checker->n_acts++;
        hash_bytes(checker, intent, sizeof(*intent));

        if (!has_event_for(decision, world->bots[i].name, intent))
                complain(checker, "%s: %s without an event", world->bots[i].name,
                         action_to_string(intent->action));

        if (intent->reason != REASON_OPERATOR) {
                check_own_act(checker, world, i, intent);
                if (world->snapshot.services[i].is_busy)
                        complain(checker, "%s: two acts at once", world->bots[i].name);
        }

        if (intent->action != ACTION_STOP && intent->reason != REASON_FIRST_START &&
            !(intent->action == ACTION_START && intent->reason == REASON_OPERATOR))
                charge(checker, world, i);
}

static bool told_of(const Event *event, CheckKind *ret_kind) {
        char part[64];

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                (void) snprintf(part, sizeof(part), "\"check\":\"%s\"", check_to_string(kind));
                if (strstr(event->reason, part)) {
                        *ret_kind = kind;
                        return true;
                }
        }

        return false;
}

static void check_episode(Checker *checker, const World *world, unsigned i, const Event *event) {
        CheckedBot *bot = &checker->bots[i];
        bool is_failed = event->kind == EVENT_CHECK_FAILED;
        CheckKind kind;

        if (!told_of(event, &kind)) {
                complain(checker, "%s: %s without its check", event->service,
                         event_kind_to_string(event->kind));
                return;
        }

        if (bot->is_failing[kind] == is_failed)
                complain(checker, "%s: %s told twice of %s", event->service,
                         event_kind_to_string(event->kind), check_to_string(kind));
        if (is_failed && bot->fails[kind] == 0)
                complain(checker, "%s: %s failed and nobody saw it", event->service,
                         check_to_string(kind));
        if (is_failed && world->now_usec - bot->seen_usec[kind] > stale_usec(world, i, kind))
                complain(checker, "%s: %s failed by silence", event->service,
                         check_to_string(kind));

        bot->is_failing[kind] = is_failed;
}

static void check_hold(Checker *checker, unsigned i, const Event *event) {
        CheckedBot *bot = &checker->bots[i];
        bool is_held = event->kind == EVENT_HELD;

        if (is_held == bot->is_held && !strstr(event->reason, "operator"))
                complain(checker, "%s: %s told twice", event->service,
                         event_kind_to_string(event->kind));

        bot->is_held = is_held;
}

static void
check_service_event(Checker *checker, const World *world, unsigned i, const Event *event) {
        CheckedBot *bot = &checker->bots[i];
        uint64_t hour = world->now_usec / USEC_PER_HOUR;

        bot->n_events = hour == bot->hour ? bot->n_events + 1 : 1;
        bot->hour = hour;
        checker->most_events_per_hour = MAX(checker->most_events_per_hour, bot->n_events);
        if (bot->n_events > EVENTS_PER_HOUR_MAX)
                complain(checker, "%s: %u events in an hour", event->service, bot->n_events);

        if (event->kind == EVENT_CHECK_FAILED || event->kind == EVENT_CHECK_RECOVERED)
                check_episode(checker, world, i, event);
        else if (event->kind == EVENT_HELD || event->kind == EVENT_RELEASED)
                check_hold(checker, i, event);
        else if (event->kind == EVENT_SERVICE_DOWN || event->kind == EVENT_RESTART_DECIDED)
                bot->is_down_told = true;
        else if (event->kind == EVENT_RESUMED)
                bot->paused_until_usec = 0;
        else if (event->kind == EVENT_SERVICE_UP) {
                if (!bot->is_down_told)
                        complain(checker, "%s: up told, but never down", event->service);
                bot->is_down_told = false;
        }
}

void checker_decision(Checker *checker, const World *world, const Decision *decision) {
        if (decision->n_events_dropped > 0)
                complain(checker, "events were dropped");

        for (unsigned e = 0; e < decision->n_events; e++) {
                const Event *event = &decision->events[e];

                checker->n_events++;
                hash_bytes(checker, &world->now_usec, sizeof(world->now_usec));
                hash_bytes(checker, event->text, strlen(event->text));
                hash_bytes(checker, event->reason, strlen(event->reason));

                if (event->reason[0] != '{' || event->reason[strlen(event->reason) - 1] != '}')
                        complain(checker, "a broken reason: %s", event->reason);
        }

        /* Acts are checked against what was told before them. */
        for (unsigned i = 0; i < world->n_bots; i++)
                check_intent(checker, world, decision, i);

        for (unsigned e = 0; e < decision->n_events; e++)
                for (unsigned i = 0; i < world->n_bots; i++)
                        if (strcmp(decision->events[e].service, world->bots[i].name) == 0)
                                check_service_event(checker, world, i, &decision->events[e]);
}

/* What should be acted on is acted on, refused, or due at a time that was asked for. */
static void check_not_forgotten(Checker *checker,
                                const World *world,
                                const JudgeState *state,
                                const Decision *decision,
                                unsigned i) {
        const CheckedBot *bot = &checker->bots[i];
        const ServiceFacts *facts = &world->snapshot.services[i];
        usec_t delay_usec = world->services[i].restart_delay_usec;

        if (facts->is_busy || decision->intents[i].action != ACTION_NONE ||
            state->services[i].refusal != REFUSAL_NONE)
                return;

        /* A stop that was decided a moment ago comes first, and is asked for again in a minute. */
        if (facts->state == SERVICE_RUNNING && state->services[i].wanted != REASON_NONE &&
            decision->next_usec <= world->now_usec + USEC_PER_MINUTE)
                return;

        /* What is only guarded, and was never remembered to be up, is not ours to start: a person does. */
        bool is_ours = world->services[i].is_started || state->services[i].has_run;

        if (is_ours && !world->bots[i].is_person_stopped && facts->state == SERVICE_FAILED &&
            decision->next_usec > world->now_usec + delay_usec)
                complain(checker, "%s: dead and forgotten", world->bots[i].name);

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                if (facts->state == SERVICE_RUNNING && may_restart(world, i, kind) &&
                    facts->checks[kind].outcome != OUTCOME_UNKNOWN &&
                    bot->sure_fails[kind] >= world->config.watch.failures &&
                    world->now_usec - bot->seen_usec[kind] <= stale_usec(world, i, kind))
                        complain(checker, "%s: %s failed %u times and nothing was said",
                                 world->bots[i].name, check_to_string(kind), bot->sure_fails[kind]);
}

static void check_level(Checker *checker, const World *world, const JudgeState *state, unsigned i) {
        const ServiceFacts *facts = &world->snapshot.services[i];
        Level level = state->services[i].level;

        if (facts->state == SERVICE_FAILED && !facts->is_busy && level != LEVEL_CRITICAL &&
            !world->bots[i].is_person_stopped)
                complain(checker, "%s: dead and %s", world->bots[i].name, level_to_string(level));
}

void checker_after_step(Checker *checker,
                        const World *world,
                        const JudgeState *state,
                        const Decision *decision) {
        check_patience(checker, world, state);
        checker_decision(checker, world, decision);

        for (unsigned i = 0; i < world->n_bots; i++) {
                check_not_forgotten(checker, world, state, decision, i);
                check_level(checker, world, state, i);
        }
}

void checker_command(Checker *checker,
                     const World *world,
                     unsigned bot,
                     CommandKind command,
                     usec_t until_usec) {
        CheckedBot *checked = &checker->bots[bot];

        (void) world;

        if (command == COMMAND_PAUSE)
                checked->paused_until_usec = until_usec;
        if (command == COMMAND_RELEASE)
                checked->n_restarts = 0;
}

void checker_backend_restart(Checker *checker, const World *world, unsigned bot) {
        charge(checker, world, bot);
}

void checker_watchdog_restart(Checker *checker) {
        for (unsigned i = 0; i < BOTS_MAX; i++)
                memset(checker->bots[i].sure_fails, 0, sizeof(checker->bots[i].sure_fails));

        /* It may have seen a value come back to its own side of an edge, and not remember it. */
        memset(checker->gauges, 0, sizeof(checker->gauges));
}

void checker_end(Checker *checker, const World *world, const JudgeState *state) {
        for (unsigned i = 0; i < world->n_bots; i++) {
                const CheckedBot *bot = &checker->bots[i];
                const ServiceJudgement *j = &state->services[i];
                const char *name = world->bots[i].name;

                if (world->snapshot.services[i].state != SERVICE_RUNNING)
                        complain(checker, "%s: not running in the end", name);
                if (j->level != LEVEL_NORMAL)
                        complain(checker, "%s: %s in the end", name, level_to_string(j->level));
                if (bot->is_held || j->is_held)
                        complain(checker, "%s: held in the end", name);
                if (bot->is_down_told)
                        complain(checker, "%s: told to be down, and never up", name);
                if (bot->paused_until_usec > 0)
                        complain(checker, "%s: paused in the end", name);

                for (CheckKind kind = 0; kind < _CHECK_MAX; kind++)
                        if (bot->is_failing[kind])
                                complain(checker, "%s: %s told to fail, and never to recover", name,
                                         check_to_string(kind));
        }

        if (state->host_level != LEVEL_NORMAL)
                complain(checker, "the machine is %s in the end",
                         level_to_string(state->host_level));
}
