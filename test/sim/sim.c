/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sim: the real judge in a false world, by the seed.
 *
 *        sim --seed=N        plays one seed twice, tells its story, complains
 *        sim --seeds=A-B     plays many, stops at the first that breaks a rule
 *
 * Two days of bad weather, then half a day of good: services leak, hang, freeze and die, the machine
 * starves, senses and clerk fall silent, the machine sleeps for hours, the watchdog itself is killed
 * between a decision and its execution, and a person pauses and stops at the worst moment. The wall
 * clock needs no steps here: the judge is never shown it.
 *
 * Time jumps to the next instant at which something can happen; in calm weather, with nothing pending,
 * it jumps over the checks as well. What must hold at every step is in the checker.
 */

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"
#include "checker.h"
#include "judge/judge.h"
#include "world.h"

static const usec_t BAD_WEATHER_USEC = 2 * USEC_PER_DAY;
static const usec_t GOOD_WEATHER_USEC = 4 * USEC_PER_HOUR;

/* Between the end of the troubles and a person who looks after it: all that was under way has ended. */
static const usec_t MORNING_USEC = 10 * USEC_PER_MINUTE;

static const usec_t CHECKPOINT_IDLE_USEC = 10 * USEC_PER_MINUTE;

/* Whoever asks to be asked again at once, for ever, would hang the daemon. */
static const unsigned STEPS_PER_INSTANT_MAX = 50;

typedef struct Sim {
        World world;
        Checker checker;
        JudgeState judge;
        JudgeState checkpoint;
        Decision decision;
        usec_t begin_usec;
        usec_t asked_usec;      /* when the judge wants to be asked */
        usec_t back_usec;       /* the watchdog is dead until then; zero: it lives */
        usec_t next_death_usec; /* of the watchdog */
        usec_t next_person_usec;
        unsigned n_unseen_restarts[BOTS_MAX];
        unsigned
                surprise; /* a person comes in just when something was decided of this service, counted from 1 */
        usec_t written_usec;
        unsigned failures[BOTS_MAX]; /* as written down last */
        usec_t instant_usec;
        unsigned n_at_instant;
        uint64_t n_steps;
        bool is_told;
} Sim;

static Sim sims[2];

/* Only the services there are: the rest of the table is most of it. */
static void copy_state(JudgeState *to, const JudgeState *from) {
        memcpy(to, from,
               offsetof(JudgeState, services) + from->n_services * sizeof(from->services[0]));
}

static void write_checkpoint(Sim *sim) {
        copy_state(&sim->checkpoint, &sim->judge);
        sim->written_usec = sim->world.now_usec;
}

static void say(const Sim *sim, const char *who, const char *what) {
        char age[DURATION_TEXT_SIZE];

        if (sim->is_told)
                printf("%-12s %-8s %s\n",
                       text_render_duration(age, sim->world.now_usec - sim->begin_usec), who, what);
}

static const char *name_of(const Sim *sim, unsigned bot) {
        return bot < sim->world.n_bots ? sim->world.bots[bot].name : "machine";
}

static void say_decision(const Sim *sim) {
        for (unsigned i = 0; i < sim->decision.n_events; i++) {
                char line[EVENT_TEXT_SIZE + EVENT_REASON_SIZE + 64];
                const Event *event = &sim->decision.events[i];

                (void) snprintf(line, sizeof(line), "    %s (%s) %s %s",
                                event_kind_to_string(event->kind), level_to_string(event->level),
                                event->text, event->reason);
                say(sim, "", line);
        }
}

static void kill_watchdog(Sim *sim) {
        Dice *dice = &sim->world.dice;

        say(sim, "watchdog", "is killed");
        world_drop_acts(&sim->world);
        sim->back_usec = sim->world.now_usec + dice_between(dice, 1, 90) * USEC_PER_SEC;
}

/* Acts that were decided begin, unless we are killed before, or a person comes in between. */
static void execute(Sim *sim) {
        Dice *dice = &sim->world.dice;

        /* Written down before anything is done or told. */
        if (sim->decision.n_events > 0)
                write_checkpoint(sim);

        if (sim->is_told)
                say_decision(sim);

        for (unsigned i = 0; i < sim->world.n_bots; i++) {
                Intent intent = sim->decision.intents[i];

                if (intent.action == ACTION_NONE)
                        continue;

                if (dice_is(dice, 3) && sim->world.now_usec < sim->world.fair_usec) {
                        kill_watchdog(sim);
                        return;
                }

                (void) world_begin_act(&sim->world, i, intent.action, intent.reason);

                if (dice_is(dice, 5) && intent.reason != REASON_OPERATOR &&
                    sim->world.now_usec < sim->world.fair_usec)
                        sim->surprise = i + 1;
        }
}

static void command(Sim *sim, unsigned bot, CommandKind kind, usec_t until_usec) {
        static const char *const words[] = {
                [COMMAND_PAUSE] = "is paused by a person",
                [COMMAND_RESUME] = "is resumed by a person",
                [COMMAND_START] = "is started by a person",
                [COMMAND_STOP] = "is stopped by a person",
                [COMMAND_RESTART] = "is restarted by a person",
                [COMMAND_RELEASE] = "is released by a person",
                [COMMAND_ACK] = "is acknowledged by a person",
        };
        static_assert(ELEMENTSOF(words) == _COMMAND_MAX, "a sentence for each command");
        World *world = &sim->world;

        if (world->snapshot.services[bot].is_busy &&
            (kind == COMMAND_START || kind == COMMAND_RESTART))
                return; /* told to ask again */

        say(sim, name_of(sim, bot), words[kind]);

        if (kind == COMMAND_STOP)
                world->bots[bot].is_person_stopped = true;
        if (kind == COMMAND_START || kind == COMMAND_RESTART)
                world->bots[bot].is_person_stopped = false;

        checker_command(&sim->checker, world, bot, kind, until_usec);
        judge_command(&sim->judge, &world->config, &world->snapshot, bot, kind, until_usec,
                      world->now_usec, &sim->decision);
        checker_decision(&sim->checker, world, &sim->decision);
        write_checkpoint(sim);
        sim->asked_usec = world->now_usec;
        execute(sim);
}

static void person_acts(Sim *sim, unsigned bot) {
        Dice *dice = &sim->world.dice;
        usec_t until_usec = sim->world.now_usec + dice_between(dice, 1, 120) * USEC_PER_MINUTE;

        switch (dice_between(dice, 0, 8)) {
        case 0:
                command(sim, bot, COMMAND_PAUSE, until_usec);
                break;
        case 1:
                command(sim, bot, COMMAND_PAUSE, USEC_INFINITY);
                break;
        case 2:
                command(sim, bot, COMMAND_RESUME, 0);
                break;
        case 3:
                command(sim, bot, COMMAND_START, 0);
                break;
        case 4:
                command(sim, bot, COMMAND_STOP, 0);
                break;
        case 5:
                command(sim, bot, COMMAND_RESTART, 0);
                break;
        case 6:
                command(sim, bot, COMMAND_RELEASE, 0);
                break;
        case 7:
                say(sim, name_of(sim, bot), "is started with systemctl");
                world_person_starts(&sim->world, bot);
                break;
        default:
                say(sim, name_of(sim, bot), "is stopped with systemctl");
                world_person_stops(&sim->world, bot);
                break;
        }
}

/* The daemon writes failures down when they change, as a row must not seem longer than it was because its end was
 * forgotten; and everything else after a while. */
static void write_now_and_then(Sim *sim) {
        bool has_changed = false;

        for (unsigned i = 0; i < sim->world.n_bots; i++) {
                unsigned failures = judge_peek_failures(&sim->judge, &sim->world.config, i);

                has_changed |= failures != sim->failures[i];
                sim->failures[i] = failures;
        }

        if (has_changed || sim->world.now_usec - sim->written_usec >= CHECKPOINT_IDLE_USEC)
                write_checkpoint(sim);
}

static void step(Sim *sim) {
        World *world = &sim->world;

        if (sim->back_usec > 0)
                return;

        if (world->now_usec != sim->instant_usec) {
                sim->instant_usec = world->now_usec;
                sim->n_at_instant = 0;
        }
        if (++sim->n_at_instant > STEPS_PER_INSTANT_MAX)
                (void) snprintf(sim->checker.complaint, sizeof(sim->checker.complaint),
                                "it asks to be asked again, for ever");

        sim->n_steps++;
        checker_before_step(&sim->checker, world, &sim->judge);
        judge_step(&sim->judge, &world->config, &world->snapshot, world->now_usec, &sim->decision);
        checker_after_step(&sim->checker, world, &sim->judge, &sim->decision);
        sim->asked_usec = sim->decision.next_usec;
        write_now_and_then(sim);
        execute(sim);
}

static void on_act_end(void *userdata, unsigned bot, ActionKind action, bool is_done) {
        Sim *sim = userdata;
        World *world = &sim->world;
        usec_t took_usec = world->now_usec - world->bots[bot].act_begin_usec;

        if (sim->back_usec > 0)
                return;

        judge_outcome(&sim->judge, &world->config, bot, action, is_done,
                      is_done ? "" : "as it happens", took_usec, world->now_usec, &sim->decision);
        checker_decision(&sim->checker, world, &sim->decision);
        write_checkpoint(sim);
        execute(sim);
}

static void on_backend_restart(void *userdata, unsigned bot) {
        Sim *sim = userdata;

        checker_backend_restart(&sim->checker, &sim->world, bot);

        if (sim->back_usec > 0) {
                sim->n_unseen_restarts[bot]++;
                return;
        }

        judge_count_restart(&sim->judge, bot, sim->world.now_usec);
        write_checkpoint(sim);
}

static void on_told(void *userdata, unsigned bot, const char *what) {
        const Sim *sim = userdata;

        say(sim, name_of(sim, bot), what);
}

static void bring_watchdog_back(Sim *sim) {
        say(sim, "watchdog", "is back");
        sim->back_usec = 0;
        copy_state(&sim->judge, &sim->checkpoint);
        checker_watchdog_restart(&sim->checker);

        for (unsigned i = 0; i < sim->world.n_bots; i++)
                for (; sim->n_unseen_restarts[i] > 0; sim->n_unseen_restarts[i]--)
                        judge_count_restart(&sim->judge, i, sim->world.now_usec);
}

/* Nothing is pending in the mind of the judge, so that nothing is lost when no one looks for a while. */
static bool is_judge_calm(const Sim *sim) {
        const JudgeState *state = &sim->judge;

        if (state->host_level != LEVEL_NORMAL || state->cpu.direction || state->memory.direction ||
            state->disks[0].direction)
                return false;

        for (unsigned i = 0; i < state->n_services; i++) {
                const ServiceJudgement *j = &state->services[i];
                bool is_at_rest = j->down == DOWN_OPERATOR || j->down == DOWN_ENDED;

                if (is_at_rest)
                        continue;
                if (j->down != DOWN_NONE || j->level != LEVEL_NORMAL || j->is_down_told ||
                    j->is_held || j->is_start_owed || j->budget.is_unproven ||
                    j->n_same_exits > 0 || j->healthy_since_usec == 0)
                        return false;
                if (sim->world.now_usec < j->started_usec + 10 * USEC_PER_MINUTE)
                        return false;
        }

        return true;
}

static usec_t next_tick_usec(const Sim *sim) {
        usec_t interval_usec = sim->world.config.watch.interval_usec;

        return (sim->world.now_usec / interval_usec + 1) * interval_usec;
}

static usec_t next_usec(const Sim *sim, usec_t end_usec) {
        usec_t next = MIN(end_usec, world_next_usec(&sim->world));

        next = MIN(next, sim->next_death_usec);
        next = MIN(next, sim->next_person_usec);

        if (sim->back_usec > 0) {
                next = MIN(next, sim->back_usec);
                return MAX(next, sim->world.now_usec);
        }

        next = MIN(next, sim->asked_usec);
        if (!world_is_calm(&sim->world) || !is_judge_calm(sim))
                next = MIN(next, next_tick_usec(sim));

        return MAX(next, sim->world.now_usec);
}

static void chance(Sim *sim) {
        Dice *dice = &sim->world.dice;
        usec_t now_usec = sim->world.now_usec;

        if (now_usec >= sim->next_death_usec) {
                sim->next_death_usec = now_usec + dice_between(dice, 10, 24 * 60) * USEC_PER_MINUTE;
                if (sim->back_usec == 0)
                        kill_watchdog(sim);
        }

        if (now_usec >= sim->next_person_usec) {
                sim->next_person_usec = now_usec + dice_between(dice, 5, 12 * 60) * USEC_PER_MINUTE;
                if (sim->back_usec == 0)
                        person_acts(sim, (unsigned) dice_between(dice, 0, sim->world.n_bots - 1));
        }
}

/* One instant: what is due in the world, then chance, then the judge. */
static void live_on(Sim *sim, usec_t end_usec) {
        const WorldHandlers handlers = { on_act_end, on_backend_restart, on_told, sim };
        World *world = &sim->world;
        usec_t tick_usec = next_tick_usec(sim);

        world->now_usec = next_usec(sim, end_usec);

        /* The machine sleeps: time has passed and nobody was there. */
        if (world->now_usec < world->fair_usec && dice_throw(&world->dice) % 20000 == 0)
                world->now_usec += dice_between(&world->dice, 1, 6) * USEC_PER_HOUR;

        world_move(world, &handlers);

        if (sim->back_usec > 0 && world->now_usec >= sim->back_usec)
                bring_watchdog_back(sim);
        if (world->now_usec >= world->next_trouble_usec)
                world_make_trouble(world, &handlers);
        chance(sim);

        if (world->now_usec >= tick_usec)
                world_read(world);

        step(sim);

        if (sim->surprise > 0) {
                unsigned bot = sim->surprise - 1;

                sim->surprise = 0;
                if (sim->back_usec == 0)
                        person_acts(sim, bot);
        }

        /* Sometimes somebody asks for the status, and we are asked twice. */
        if (dice_is(&world->dice, 5))
                step(sim);
}

static void make_fair(Sim *sim) {
        World *world = &sim->world;

        say(sim, "machine", "the weather is good");
        world_clear(world);
        world->fair_usec = world->now_usec;
        sim->next_death_usec = USEC_INFINITY;
        sim->next_person_usec = USEC_INFINITY;
}

/* A good morning: a person puts right what only a person may. */
static void put_right(Sim *sim) {
        const World *world = &sim->world;

        for (unsigned i = 0; i < world->n_bots; i++) {
                if (sim->judge.services[i].paused_until_usec == USEC_INFINITY)
                        command(sim, i, COMMAND_RESUME, 0);
                if (world->snapshot.services[i].state == SERVICE_STOPPED ||
                    world->bots[i].is_person_stopped || !sim->judge.services[i].has_run)
                        command(sim, i, COMMAND_START, 0);
        }
}

static void play_until(Sim *sim, usec_t end_usec) {
        while (sim->world.now_usec < end_usec && !*sim->checker.complaint)
                live_on(sim, end_usec);
}

static void play(Sim *sim, uint64_t seed, bool is_told) {
        memset(sim, 0, sizeof(*sim));
        world_init(&sim->world, seed);
        checker_init(&sim->checker, &sim->world);
        judge_init(&sim->judge, &sim->world.config);
        write_checkpoint(sim);
        sim->begin_usec = sim->world.now_usec;
        sim->is_told = is_told;

        usec_t fair_usec = sim->begin_usec + BAD_WEATHER_USEC;
        sim->world.fair_usec = fair_usec;
        sim->next_death_usec =
                sim->begin_usec + dice_between(&sim->world.dice, 1, 24 * 60) * USEC_PER_MINUTE;
        sim->next_person_usec =
                sim->begin_usec + dice_between(&sim->world.dice, 1, 12 * 60) * USEC_PER_MINUTE;

        world_read(&sim->world);
        step(sim);

        play_until(sim, fair_usec);
        make_fair(sim);
        play_until(sim, sim->world.now_usec + MORNING_USEC);
        put_right(sim);
        play_until(sim, sim->world.now_usec + GOOD_WEATHER_USEC);
        checker_end(&sim->checker, &sim->world, &sim->judge);
}

static int play_seed(uint64_t seed) {
        play(&sims[0], seed, /* is_told= */ true);
        play(&sims[1], seed, /* is_told= */ false);

        printf("seed %" PRIu64 ": %u acts, %u events, at most %u in an hour, %" PRIu64
               " steps, hash %016" PRIx64 "\n",
               seed, sims[0].checker.n_acts, sims[0].checker.n_events,
               sims[0].checker.most_events_per_hour, sims[0].n_steps, sims[0].checker.hash);

        if (sims[0].checker.hash != sims[1].checker.hash) {
                printf("seed %" PRIu64 " does not play twice alike\n", seed);
                return 1;
        }

        if (*sims[0].checker.complaint) {
                printf("seed %" PRIu64 ": %s\n", seed, sims[0].checker.complaint);
                return 1;
        }

        return 0;
}

static int play_seeds(uint64_t first, uint64_t last) {
        usec_t begin_usec = clock_boottime_usec();
        usec_t lived_usec = 0;
        uint64_t n_acts = 0;
        uint64_t n_events = 0;
        unsigned most = 0;

        for (uint64_t seed = first; seed <= last; seed++) {
                play(&sims[0], seed, /* is_told= */ false);

                if (*sims[0].checker.complaint) {
                        printf("seed %" PRIu64 ": %s (to see it: --seed=%" PRIu64 ")\n", seed,
                               sims[0].checker.complaint, seed);
                        return 1;
                }

                /* Playing twice costs twice; one in ten would show what depends on anything but the seed. */
                if (seed % 10 == 0) {
                        play(&sims[1], seed, /* is_told= */ false);
                        if (sims[0].checker.hash != sims[1].checker.hash) {
                                printf("seed %" PRIu64 " does not play twice alike\n", seed);
                                return 1;
                        }
                }

                lived_usec += sims[0].world.now_usec - sims[0].begin_usec;
                n_acts += sims[0].checker.n_acts;
                n_events += sims[0].checker.n_events;
                most = MAX(most, sims[0].checker.most_events_per_hour);
        }

        usec_t took_usec = MAX(clock_boottime_usec() - begin_usec, (usec_t) 1);
        uint64_t days = lived_usec / USEC_PER_DAY;

        printf("%" PRIu64 " seeds, %" PRIu64 " days, %" PRIu64 " acts, %" PRIu64
               " events, at most %u in an hour of one service; %" PRIu64 " days per second\n",
               last - first + 1, days, n_acts, n_events, most, days * USEC_PER_SEC / took_usec);
        return 0;
}

static int usage(void) {
        fputs("usage: sim --seed=N | --seeds=A-B\n", stderr);
        return 2;
}

int main(int argc, char **argv) {
        uint64_t first;
        uint64_t last;

        if (argc != 2)
                return usage();

        if (strncmp(argv[1], "--seed=", strlen("--seed=")) == 0) {
                if (text_parse_u64(argv[1] + strlen("--seed="), &first) < 0)
                        return usage();
                return play_seed(first);
        }

        if (strncmp(argv[1], "--seeds=", strlen("--seeds=")) == 0) {
                char *dash = strchr(argv[1], '-');

                dash = dash ? strchr(argv[1] + strlen("--seeds="), '-') : NULL;
                if (!dash)
                        return usage();
                *dash = '\0';
                if (text_parse_u64(argv[1] + strlen("--seeds="), &first) < 0 ||
                    text_parse_u64(dash + 1, &last) < 0 || first > last)
                        return usage();
                return play_seeds(first, last);
        }

        return usage();
}
