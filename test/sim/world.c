/* SPDX-License-Identifier: Apache-2.0 */

/*
 * World: a false machine with false services, in virtual time.
 *
 * It is as unkind as we could make it and as plain as it can be: a service has a state, a process with
 * a start, and troubles that last until their time. Whoever runs it is either like systemd, which
 * restarts by itself and gives up after three starts in ten minutes, or like our own runner, which does
 * as it is told, slowly.
 *
 * What it does not do is judge. It says what is, the checker says what may be.
 */

#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

static const int64_t MEBIBYTE = 1 << 20;
static const int64_t MACHINE_BYTES = INT64_C(4) << 30;

static usec_t minutes_from_now(World *world, uint64_t low, uint64_t high) {
        return world->now_usec + dice_between(&world->dice, low * 60, high * 60) * USEC_PER_SEC;
}

static void init_watch(World *world) {
        Dice *dice = &world->dice;

        world->config.watch = (WatchConfig){
                .interval_usec = 30 * USEC_PER_SEC,
                .sample_usec = 5 * USEC_PER_SEC,
                .failures = (unsigned) dice_between(dice, 2, 4),
                .successes = (unsigned) dice_between(dice, 1, 3),
                .grace_usec = dice_between(dice, 0, 120) * USEC_PER_SEC,
                .cooldown_usec = dice_between(dice, 1, 10) * USEC_PER_MINUTE,
                .max_restarts = (unsigned) dice_between(dice, 1, 5),
                .per_usec = USEC_PER_HOUR,
                .remind_usec = 6 * USEC_PER_HOUR,
        };
        world->config.host = (HostConfig){
                .cpu = { 700, 850 },
                .memory = { 700, 800 },
                .disk = { 800, 900 },
                .n_disk_paths = 1,
                .disk_paths = { "/" },
        };
}

static void init_bot(World *world, unsigned i) {
        Dice *dice = &world->dice;
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];

        (void) snprintf(bot->name, sizeof(bot->name), "bot-%u", i);
        bot->is_systemd = dice_is(dice, 50);
        bot->base_bytes = (int64_t) dice_between(dice, 50, 300) * MEBIBYTE;
        bot->warm_usec = dice_between(dice, 0, 70) * USEC_PER_SEC;
        bot->dies_usec = USEC_INFINITY;
        bot->backend_restart_usec = USEC_INFINITY;
        bot->config = (ServiceConfig){
                .name = bot->name,
                .unit = bot->is_systemd ? "bot.service" : "",
                .is_started = dice_is(dice, 90),
                .stop_timeout_usec = 40 * USEC_PER_SEC,
                .restart_delay_usec = dice_between(dice, 1, 30) * USEC_PER_SEC,
                .start_limit = (unsigned) dice_between(dice, 2, 5),
                .start_limit_per_usec = 600 * USEC_PER_SEC,
                .memory_max_bytes = dice_is(dice, 70) ? (uint64_t) (1024 * MEBIBYTE) : 0,
                .api = { .url = "http://localhost/",
                         .timeout_usec = 10 * USEC_PER_SEC,
                         .latency = { USEC_PER_SEC, 5 * USEC_PER_SEC },
                         .may_restart = dice_is(dice, 80) },
                .logs = { .error_rate = { 10, 50 }, .may_restart = dice_is(dice, 20) },
                .heartbeat = { .file = "heartbeat", .may_restart = true },
                .memory = { 700, 850 },
        };

        facts->is_memory_enforced = bot->is_systemd;
        facts->checks[CHECK_SERVICE].is_configured = true;
        facts->checks[CHECK_PROCESS].is_configured = true;
        facts->checks[CHECK_API].is_configured = dice_is(dice, 80);
        facts->checks[CHECK_LOGS].is_configured = dice_is(dice, 60);
        facts->checks[CHECK_HEARTBEAT].is_configured = dice_is(dice, 40);
        facts->checks[CHECK_MEMORY].is_configured = true;

        /* What is only guarded has to be run by somebody else first. */
        if (!bot->config.is_started || dice_is(dice, 50))
                world_person_starts(world, i);
}

void world_init(World *world, uint64_t seed) {
        memset(world, 0, sizeof(*world));
        world->dice.state = seed;
        world->now_usec = dice_between(&world->dice, 1, 1000) * USEC_PER_MINUTE;
        init_watch(world);
        world->n_bots = (unsigned) dice_between(&world->dice, 1, BOTS_MAX);
        world->config.n_services = world->n_bots;
        world->config.services = world->services;
        world->snapshot.n_services = world->n_bots;

        for (unsigned i = 0; i < world->n_bots; i++) {
                init_bot(world, i);
                world->services[i] = world->bots[i].config;
        }

        world->next_trouble_usec = minutes_from_now(world, 1, 60);
}

static int64_t memory_of(const World *world, unsigned i) {
        const Bot *bot = &world->bots[i];
        const ServiceFacts *facts = &world->snapshot.services[i];
        int64_t age_seconds =
                (int64_t) (usec_sub(world->now_usec, facts->started_usec) / USEC_PER_SEC);

        return bot->base_bytes + bot->trouble.leak_bytes_per_hour / 3600 * age_seconds;
}

static void live(World *world, unsigned i) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];
        Trouble *trouble = &bot->trouble;

        facts->state = SERVICE_RUNNING;
        facts->started_usec = world->now_usec;
        facts->state_since_usec = world->now_usec;
        facts->incarnation++;
        facts->pid = (pid_t) (1000 + facts->incarnation);
        facts->is_operator_stopped = false;
        facts->is_backend_restarting = false;
        facts->is_start_limited = false;
        facts->memory_bytes = bot->base_bytes;
        bot->backend_restart_usec = USEC_INFINITY;
        bot->dies_usec = USEC_INFINITY;

        if (trouble->is_cured_by_restart)
                trouble->hang_until_usec = 0;
        if (world->now_usec < trouble->loop_until_usec)
                bot->dies_usec = world->now_usec + trouble->loop_life_usec;
        trouble->frozen_until_usec = 0;
}

/* As systemd does after Restart=on-failure: soon, and not more than three times in ten minutes. */
static void plan_backend_restart(World *world, unsigned i) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];

        if (world->now_usec - bot->backend_window_usec >= 600 * USEC_PER_SEC) {
                bot->backend_window_usec = world->now_usec;
                bot->n_backend_starts = 1;
        }

        if (bot->n_backend_starts >= 3) {
                facts->is_start_limited = true;
                return;
        }

        facts->is_backend_restarting = true;
        bot->backend_restart_usec = world->now_usec + 10 * USEC_PER_SEC;
}

static void die(World *world, unsigned i, ServiceState state, ExitCause cause, int value) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];

        facts->state = state;
        facts->state_since_usec = world->now_usec;
        facts->started_usec = 0;
        facts->pid = 0;
        facts->exit_cause = cause;
        facts->exit_value = value;
        facts->memory_bytes = -1;
        bot->dies_usec = USEC_INFINITY;

        if (bot->is_systemd && state == SERVICE_FAILED && bot->act == ACTION_NONE)
                plan_backend_restart(world, i);
}

void world_person_starts(World *world, unsigned bot) {
        ServiceState state = world->snapshot.services[bot].state;

        if (world->bots[bot].act != ACTION_NONE || state == SERVICE_RUNNING)
                return;

        world->bots[bot].is_person_stopped = false;
        live(world, bot);
}

void world_person_stops(World *world, unsigned bot) {
        if (world->bots[bot].act != ACTION_NONE)
                return;

        world->bots[bot].is_person_stopped = true;
        die(world, bot, SERVICE_STOPPED, EXIT_CAUSE_CLEAN, 0);
        world->snapshot.services[bot].is_operator_stopped = true;
        world->snapshot.services[bot].is_backend_restarting = false;
        world->bots[bot].backend_restart_usec = USEC_INFINITY;
}

static usec_t stop_takes_usec(World *world) {
        return dice_is(&world->dice, 20) ? 40 * USEC_PER_SEC
                                         : dice_between(&world->dice, 1, 3000) * USEC_PER_MSEC;
}

bool world_begin_act(World *world, unsigned i, ActionKind action, ReasonCode reason) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];

        if (bot->act != ACTION_NONE)
                return false;

        bot->act = action;
        bot->act_reason = reason;
        bot->act_begin_usec = world->now_usec;
        bot->is_act_half = action == ACTION_START || facts->state != SERVICE_RUNNING;
        bot->backend_restart_usec = USEC_INFINITY;
        facts->is_backend_restarting = false;
        facts->is_operator_stopped = action == ACTION_STOP && reason == REASON_OPERATOR;
        facts->is_busy = true;

        if (bot->is_act_half)
                bot->act_usec =
                        world->now_usec + dice_between(&world->dice, 1, 2000) * USEC_PER_MSEC;
        else {
                facts->state = SERVICE_STOPPING;
                bot->act_usec = world->now_usec + stop_takes_usec(world);
        }

        return true;
}

static void end_act(World *world, unsigned i, bool is_done, const WorldHandlers *handlers) {
        Bot *bot = &world->bots[i];
        ActionKind action = bot->act;

        bot->act = ACTION_NONE;
        world->snapshot.services[i].is_busy = false;
        handlers->on_act_end(handlers->userdata, i, action, is_done);
}

static void end_stop(World *world, unsigned i, const WorldHandlers *handlers) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];

        if (bot->act_reason == REASON_OPERATOR) {
                die(world, i, SERVICE_STOPPED, EXIT_CAUSE_CLEAN, 0);
                facts->is_operator_stopped = true;
        } else
                die(world, i, SERVICE_FAILED, EXIT_CAUSE_OOM, 0);

        end_act(world, i, /* is_done= */ true, handlers);
}

static void move_act(World *world, unsigned i, const WorldHandlers *handlers) {
        Bot *bot = &world->bots[i];

        if (bot->act == ACTION_STOP) {
                end_stop(world, i, handlers);
                return;
        }

        if (!bot->is_act_half) {
                die(world, i, SERVICE_STOPPED, EXIT_CAUSE_CLEAN, 0);
                bot->is_act_half = true;
                bot->act_usec =
                        world->now_usec + dice_between(&world->dice, 1, 2000) * USEC_PER_MSEC;
                return;
        }

        if (world->now_usec < bot->trouble.no_exec_until_usec) {
                die(world, i, SERVICE_FAILED, EXIT_CAUSE_EXEC, 2);
                end_act(world, i, /* is_done= */ false, handlers);
                return;
        }

        live(world, i);
        end_act(world, i, /* is_done= */ true, handlers);
}

void world_drop_acts(World *world) {
        for (unsigned i = 0; i < world->n_bots; i++) {
                Bot *bot = &world->bots[i];
                ServiceFacts *facts = &world->snapshot.services[i];

                facts->is_operator_stopped = false;

                /* systemd goes on with what it was asked to do. */
                if (bot->act == ACTION_NONE || (bot->is_systemd && dice_is(&world->dice, 80)))
                        continue;

                bot->act = ACTION_NONE;
                facts->is_busy = false;
                if (facts->state == SERVICE_STOPPING)
                        facts->state = SERVICE_RUNNING;
        }
}

static void move_bot(World *world, unsigned i, const WorldHandlers *handlers) {
        Bot *bot = &world->bots[i];
        usec_t now_usec = world->now_usec;

        if (bot->dies_usec <= now_usec && bot->act == ACTION_NONE) {
                handlers->on_told(handlers->userdata, i, bot->dies_cleanly ? "ends" : "dies");
                if (bot->dies_cleanly)
                        die(world, i, SERVICE_STOPPED, EXIT_CAUSE_CLEAN, 0);
                else
                        die(world, i, SERVICE_FAILED, EXIT_CAUSE_FAILURE, 1);
                bot->dies_cleanly = false;
        }

        if (bot->backend_restart_usec <= now_usec) {
                handlers->on_told(handlers->userdata, i, "is restarted by systemd");
                bot->n_backend_starts++;
                live(world, i);
                handlers->on_backend_restart(handlers->userdata, i);
        }

        if (bot->act != ACTION_NONE && bot->act_usec <= now_usec)
                move_act(world, i, handlers);
}

void world_move(World *world, const WorldHandlers *handlers) {
        for (unsigned i = 0; i < world->n_bots; i++)
                move_bot(world, i, handlers);
}

usec_t world_next_usec(const World *world) {
        usec_t next_usec = world->next_trouble_usec;

        for (unsigned i = 0; i < world->n_bots; i++) {
                const Bot *bot = &world->bots[i];

                if (bot->act != ACTION_NONE)
                        next_usec = MIN(next_usec, bot->act_usec);
                else
                        next_usec = MIN(next_usec, bot->dies_usec);
                next_usec = MIN(next_usec, bot->backend_restart_usec);
        }

        return next_usec;
}

static void put(CheckReading *reading, usec_t now_usec, bool is_ok, Cause cause, int64_t value) {
        reading->outcome = is_ok ? OUTCOME_OK : OUTCOME_FAIL;
        reading->cause = is_ok ? CAUSE_NONE : cause;
        reading->value = value;
        reading->detail = is_ok ? 0 : 300 * (int64_t) USEC_PER_SEC;
        reading->at_usec = now_usec;
}

static void read_heard(World *world, unsigned i) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];
        const Trouble *trouble = &bot->trouble;
        usec_t now_usec = world->now_usec;
        bool is_warm = now_usec >= facts->started_usec + bot->warm_usec;
        bool is_starved = now_usec < world->starved_until_usec;
        bool is_hung = now_usec < trouble->hang_until_usec || now_usec < trouble->frozen_until_usec;
        Cause cause = now_usec < trouble->frozen_until_usec ? CAUSE_TIMEOUT : trouble->hang_cause;
        bool is_stale = now_usec < world->outside_gone_until_usec;
        int64_t latency_usec = (int64_t) (now_usec < trouble->slow_until_usec ? 3 * USEC_PER_SEC
                                                                              : 20 * USEC_PER_MSEC);

        if (is_starved && dice_is(&world->dice, 80))
                put(&facts->checks[CHECK_API], now_usec, /* is_ok= */ false, CAUSE_TIMEOUT, 0);
        else if (is_hung || !is_warm)
                put(&facts->checks[CHECK_API], now_usec, /* is_ok= */ false,
                    is_warm ? cause : CAUSE_REFUSED, 0);
        else
                put(&facts->checks[CHECK_API], now_usec, !is_stale, CAUSE_STALE_BODY, latency_usec);

        if (facts->checks[CHECK_API].is_configured && dice_is(&world->dice, 1))
                facts->checks[CHECK_API].outcome = OUTCOME_UNKNOWN;

        bool has_errors = now_usec < trouble->errors_until_usec;

        put(&facts->checks[CHECK_LOGS], now_usec, !has_errors || dice_is(&world->dice, 50),
            CAUSE_LOG_CRITICAL, has_errors ? 80 : 0);
}

static void read_seen(World *world, unsigned i) {
        Bot *bot = &world->bots[i];
        ServiceFacts *facts = &world->snapshot.services[i];
        usec_t now_usec = world->now_usec;
        bool is_frozen = now_usec < bot->trouble.frozen_until_usec;
        bool is_beating = !is_frozen && !(now_usec < bot->trouble.hang_until_usec &&
                                          bot->trouble.hang_cause == CAUSE_TIMEOUT);

        facts->memory_bytes = memory_of(world, i);
        facts->cpu_permille = now_usec < world->hot_until_usec && i == 0 ? 600 : 20;
        put(&facts->checks[CHECK_SERVICE], now_usec, /* is_ok= */ true, CAUSE_NONE, 0);
        put(&facts->checks[CHECK_PROCESS], now_usec, !is_frozen, CAUSE_STOPPED, 0);
        put(&facts->checks[CHECK_HEARTBEAT], now_usec, is_beating, CAUSE_HEARTBEAT_OLD, 0);
        put(&facts->checks[CHECK_MEMORY], now_usec, /* is_ok= */ true, CAUSE_NONE,
            facts->memory_bytes / (1024 * MEBIBYTE / 1000));
}

static void read_host(World *world) {
        Dice *dice = &world->dice;
        HostFacts *host = &world->snapshot.host;
        usec_t now_usec = world->now_usec;
        bool is_starved = now_usec < world->starved_until_usec;
        bool is_hot = now_usec < world->hot_until_usec;
        int64_t cpu = is_hot ? (int64_t) dice_between(dice, 650, 950) : 100;

        if (is_starved && world->starved_how == 0)
                cpu = 990;

        host->cpu_permille = (Metric){ true, now_usec, cpu };
        host->psi_cpu_permille =
                (Metric){ true, now_usec, is_starved && world->starved_how == 0 ? 800 : 10 };
        host->steal_permille =
                (Metric){ true, now_usec, is_starved && world->starved_how == 1 ? 500 : 0 };
        host->psi_io_permille =
                (Metric){ true, now_usec, is_starved && world->starved_how == 2 ? 700 : 0 };
        host->memory_total_bytes = (Metric){ true, now_usec, MACHINE_BYTES };
        host->memory_permille = (Metric){ true, now_usec, is_hot ? 780 : 300 };
        host->root_free_bytes =
                (Metric){ true, now_usec,
                          now_usec < world->disk_full_until_usec ? 4096 : INT64_C(5) << 30 };
        host->disks[0].used_permille =
                (Metric){ true, now_usec, now_usec < world->disk_full_until_usec ? 999 : 400 };
        host->is_outside_reachable =
                (Metric){ true, now_usec, now_usec >= world->outside_gone_until_usec };
}

void world_read(World *world) {
        usec_t now_usec = world->now_usec;

        if (now_usec >= world->senses_silent_until_usec)
                read_host(world);

        for (unsigned i = 0; i < world->n_bots; i++) {
                if (world->snapshot.services[i].state != SERVICE_RUNNING)
                        continue;
                if (now_usec >= world->senses_silent_until_usec)
                        read_seen(world, i);
                if (now_usec >= world->clerk_silent_until_usec &&
                    now_usec >= world->bots[i].trouble.silent_until_usec)
                        read_heard(world, i);
        }
}

bool world_is_calm(const World *world) {
        usec_t now_usec = world->now_usec;

        if (now_usec < MAX(world->clerk_silent_until_usec, world->senses_silent_until_usec) ||
            now_usec < MAX(world->starved_until_usec, world->disk_full_until_usec) ||
            now_usec < MAX(world->outside_gone_until_usec, world->hot_until_usec))
                return false;

        for (unsigned i = 0; i < world->n_bots; i++) {
                const Bot *bot = &world->bots[i];
                const Trouble *t = &bot->trouble;

                if (bot->act != ACTION_NONE || bot->dies_usec != USEC_INFINITY ||
                    bot->backend_restart_usec != USEC_INFINITY || t->leak_bytes_per_hour > 0 ||
                    now_usec < MAX(t->hang_until_usec, t->frozen_until_usec) ||
                    now_usec < MAX(t->slow_until_usec, t->errors_until_usec) ||
                    now_usec < MAX(t->silent_until_usec, t->no_exec_until_usec))
                        return false;
        }

        return true;
}

static const char *trouble_of_machine(World *world) {
        Dice *dice = &world->dice;

        switch (dice_between(dice, 0, 6)) {
        case 0:
                world->clerk_silent_until_usec = minutes_from_now(world, 1, 120);
                return "the clerk hangs";
        case 1:
                world->senses_silent_until_usec = minutes_from_now(world, 1, 30);
                return "the senses fall silent";
        case 2:
        case 3:
                world->starved_until_usec = minutes_from_now(world, 1, 60);
                world->starved_how = (int) dice_between(dice, 0, 2);
                return "the machine is starved";
        case 4:
                world->disk_full_until_usec = minutes_from_now(world, 1, 120);
                return "the disk is full";
        case 5:
                world->outside_gone_until_usec = minutes_from_now(world, 1, 120);
                return "the outside is gone";
        default:
                world->hot_until_usec = minutes_from_now(world, 1, 120);
                return "the machine runs hot";
        }
}

static const char *hang(World *world, Trouble *trouble) {
        static const Cause causes[] = { CAUSE_TIMEOUT, CAUSE_REFUSED, CAUSE_HTTP_STATUS,
                                        CAUSE_BAD_BODY, CAUSE_STALE_BODY };

        trouble->hang_until_usec = minutes_from_now(world, 1, 300);
        trouble->hang_cause = causes[dice_between(&world->dice, 0, ELEMENTSOF(causes) - 1)];
        trouble->is_cured_by_restart = dice_is(&world->dice, 60);
        return trouble->is_cured_by_restart ? "hangs" : "hangs for good";
}

static const char *trouble_of_bot(World *world, unsigned i) {
        Dice *dice = &world->dice;
        Bot *bot = &world->bots[i];
        Trouble *trouble = &bot->trouble;
        bool is_up = world->snapshot.services[i].state == SERVICE_RUNNING;

        switch (dice_between(dice, 0, 13)) {
        case 0:
        case 1:
                bot->dies_usec = is_up ? world->now_usec : USEC_INFINITY;
                return "will die";
        case 2:
        case 3:
                trouble->loop_until_usec = minutes_from_now(world, 1, 300);
                trouble->loop_life_usec = dice_between(dice, 0, 400) * USEC_PER_SEC;
                bot->dies_usec = is_up ? world->now_usec : USEC_INFINITY;
                return "begins a crash loop";
        case 4:
        case 5:
        case 6:
                return hang(world, trouble);
        case 7:
                trouble->frozen_until_usec = minutes_from_now(world, 1, 60);
                return "freezes";
        case 8:
                trouble->slow_until_usec = minutes_from_now(world, 1, 60);
                return "answers slowly";
        case 9:
                trouble->errors_until_usec = minutes_from_now(world, 1, 60);
                return "logs errors";
        case 10:
                trouble->silent_until_usec = minutes_from_now(world, 1, 60);
                return "cannot be looked at";
        case 11:
                trouble->no_exec_until_usec = minutes_from_now(world, 1, 60);
                return "cannot be started";
        case 12:
                trouble->leak_bytes_per_hour = (int64_t) dice_between(dice, 50, 20000) * MEBIBYTE;
                return "leaks";
        default:
                bot->dies_usec = is_up ? world->now_usec : USEC_INFINITY;
                bot->dies_cleanly = is_up;
                return "will end by itself";
        }
}

void world_make_trouble(World *world, const WorldHandlers *handlers) {
        unsigned i = (unsigned) dice_between(&world->dice, 0, world->n_bots - 1);

        if (dice_is(&world->dice, 30))
                handlers->on_told(handlers->userdata, UINT32_MAX, trouble_of_machine(world));
        else
                handlers->on_told(handlers->userdata, i, trouble_of_bot(world, i));

        /* Troubles come in heaps, and then for hours there are none. */
        world->next_trouble_usec = dice_is(&world->dice, 60) ? minutes_from_now(world, 0, 20)
                                                             : minutes_from_now(world, 60, 1440);
}

void world_clear(World *world) {
        world->clerk_silent_until_usec = 0;
        world->senses_silent_until_usec = 0;
        world->starved_until_usec = 0;
        world->disk_full_until_usec = 0;
        world->outside_gone_until_usec = 0;
        world->hot_until_usec = 0;
        world->next_trouble_usec = USEC_INFINITY;

        for (unsigned i = 0; i < world->n_bots; i++) {
                Bot *bot = &world->bots[i];

                bot->trouble = (Trouble){ 0 };
                bot->dies_usec = USEC_INFINITY;
                bot->dies_cleanly = false;
        }
}
