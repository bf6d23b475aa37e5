/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one document about everything, in the situations people meet.
 *
 * Each situation is built by hand and compared byte for byte with NAME.json of the golden folder, and
 * every document is read back: all the fields that docs/json.md promises are there, with the types it
 * promises, and nothing that is not known is a number. With ALBRAGUARD_GOLDEN_UPDATE=1 the files are
 * written anew, to be looked at before they are committed.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/status.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "unit.h"

enum {
        SERVICES = 2,
        BOT = 0,
        OTHER = 1,
};

static const char *folder;

static const usec_t NOW_USEC = 40 * USEC_PER_DAY;
static const usec_t WALL_USEC = 1795428000 * USEC_PER_SEC + 123456;

/* The one thing in the document that the caller does not give. */
pid_t __wrap_getpid(void);
pid_t __wrap_getpid(void) {
        return 1200;
}

typedef struct Scene {
        Config config;
        ServiceConfig services[SERVICES];
        Snapshot snapshot;
        JudgeState judge;
        StatusView view;
} Scene;

static Metric known(int64_t value) {
        return (Metric){ .is_valid = true, .at_usec = NOW_USEC, .value = value };
}

static CheckReading reading(Outcome outcome, Cause cause, int64_t value, unsigned age_seconds) {
        return (CheckReading){
                .is_configured = true,
                .outcome = outcome,
                .cause = cause,
                .at_usec = NOW_USEC - age_seconds * USEC_PER_SEC,
                .value = value,
        };
}

/* The configuration alone: we have just come up and have seen nothing yet. */
static void scene_init(Scene *scene) {
        *scene = (Scene){ 0 };
        scene->services[BOT] = (ServiceConfig){
                .name = "albratrading-multi",
                .unit = "albratrading-multi.service",
                .restart_delay_usec = 30 * USEC_PER_SEC,
                .api = { .url = "http://localhost:5000/api/status",
                         .timeout_usec = 10 * USEC_PER_SEC,
                         .latency = { USEC_PER_SEC, 5 * USEC_PER_SEC },
                         .may_restart = true },
        };
        scene->services[OTHER] = (ServiceConfig){ .name = "other", .unit = "" };
        scene->config = (Config){
                .n_services = 1,
                .services = scene->services,
                .watch = { .interval_usec = 30 * USEC_PER_SEC,
                           .failures = 3,
                           .successes = 2,
                           .grace_usec = USEC_PER_MINUTE,
                           .cooldown_usec = 5 * USEC_PER_MINUTE,
                           .max_restarts = 3,
                           .per_usec = USEC_PER_HOUR },
                .host = { .n_disk_paths = 1, .disk_paths = { "/" } },
        };
        scene->snapshot.n_services = SERVICES;
        for (unsigned i = 0; i < SERVICES; i++) {
                ServiceFacts *facts = &scene->snapshot.services[i];

                facts->cpu_permille = -1;
                facts->memory_bytes = -1;
                facts->descriptors = -1;
                facts->connections = -1;
                facts->checks[CHECK_SERVICE].is_configured = true;
                facts->checks[CHECK_PROCESS].is_configured = true;
                facts->checks[CHECK_API].is_configured = i == BOT;
        }
        judge_init(&scene->judge, &scene->config);
        scene->view = (StatusView){
                .config = &scene->config,
                .snapshot = &scene->snapshot,
                .judge = &scene->judge,
                .now_usec = NOW_USEC,
                .realtime_usec = WALL_USEC,
                .clerk_pid = 1201,
                .uptime_usec = 86 * USEC_PER_SEC,
                .own_memory_bytes = 3145728,
                .trouble = "",
        };
}

static void run(Scene *scene, unsigned index, pid_t pid) {
        ServiceFacts *facts = &scene->snapshot.services[index];

        facts->state = SERVICE_RUNNING;
        facts->pid = pid;
        facts->started_usec = NOW_USEC - 86 * USEC_PER_SEC;
        facts->state_since_usec = NOW_USEC - 85 * USEC_PER_SEC;
        facts->incarnation = 1;
        facts->memory_bytes = 104857600;
        facts->descriptors = 31;
        facts->descriptors_limit = 65536;
        facts->connections = 12;
        facts->threads = 5;
        facts->checks[CHECK_SERVICE] = reading(OUTCOME_OK, CAUSE_NONE, 0, 4);
        facts->checks[CHECK_PROCESS] = reading(OUTCOME_OK, CAUSE_NONE, 86 * USEC_PER_SEC, 4);
        scene->judge.services[index].state = SERVICE_RUNNING;
        scene->judge.services[index].has_run = true;
        scene->judge.services[index].level = LEVEL_NORMAL;
}

/* All is well with the machine, the bot and the watch. */
static void scene_well(Scene *scene) {
        HostFacts *host = &scene->snapshot.host;

        scene_init(scene);
        host->cpu_permille = known(125);
        host->steal_permille = known(0);
        host->memory_permille = known(410);
        host->memory_total_bytes = known(INT64_C(4) << 30);
        host->swap_permille = known(1);
        host->psi_cpu_permille = known(33);
        host->psi_memory_permille = known(0);
        host->psi_io_permille = known(1000);
        host->is_clock_synchronised = known(1);
        host->disks[0] = (DiskFacts){ known(220), known(17), known(INT64_C(30) << 30) };
        scene->judge.host_level = LEVEL_NORMAL;
        run(scene, BOT, 1234);
        scene->snapshot.services[BOT].checks[CHECK_API] = reading(OUTCOME_OK, CAUSE_NONE, 12345, 4);
}

static void scene_normal(Scene *scene) {
        scene_well(scene);
        /* Large and small numbers keep all their digits. */
        scene->snapshot.services[BOT].checks[CHECK_PROCESS].value = INT64_C(1234567) * 1000000 + 1;
        scene->snapshot.services[BOT].checks[CHECK_CONNECTIONS] =
                reading(OUTCOME_OK, CAUSE_NONE, 1234567, 5);
        scene->snapshot.services[BOT].checks[CHECK_MEMORY] =
                reading(OUTCOME_OK, CAUSE_NONE, 333, 5);
}

static void scene_unknown(Scene *scene) {
        scene_init(scene);
        scene->view.clerk_pid = 0;
        scene->config.n_services = SERVICES;
        judge_init(&scene->judge, &scene->config);
}

static void scene_failing(Scene *scene) {
        ServiceJudgement *judgement = &scene->judge.services[BOT];

        scene_well(scene);
        scene->snapshot.services[BOT].checks[CHECK_API] =
                reading(OUTCOME_FAIL, CAUSE_TIMEOUT, 10 * USEC_PER_SEC, 2);
        judgement->checks[CHECK_API].streak = (Streak){ .failures = 3, .is_failing = true };
        judgement->level = LEVEL_CRITICAL;
        judgement->refusal = REFUSAL_COOLDOWN;
        budget_charge_restart(&judgement->budget, NOW_USEC - 2 * USEC_PER_HOUR);
        budget_charge_restart(&judgement->budget, NOW_USEC - 2 * USEC_PER_MINUTE);
}

static void die(Scene *scene, ExitCause cause, int value) {
        ServiceFacts *facts = &scene->snapshot.services[BOT];

        *facts = (ServiceFacts){
                .state = SERVICE_FAILED,
                .exit_cause = cause,
                .exit_value = value,
                .state_since_usec = NOW_USEC - 5 * USEC_PER_SEC,
                .incarnation = 1,
                .cpu_permille = -1,
                .memory_bytes = -1,
                .descriptors = -1,
                .connections = -1,
        };
        facts->checks[CHECK_SERVICE] = reading(OUTCOME_FAIL, CAUSE_NOT_RUNNING, 0, 4);
        facts->checks[CHECK_PROCESS] = reading(OUTCOME_FAIL, CAUSE_NOT_RUNNING, 0, 4);
        facts->checks[CHECK_API] = reading(OUTCOME_OK, CAUSE_NONE, 12345, 400);
        scene->judge.services[BOT].down = DOWN_FAILED;
        scene->judge.services[BOT].died_usec = facts->state_since_usec;
        scene->judge.services[BOT].level = LEVEL_CRITICAL;
}

static void scene_died(Scene *scene) {
        scene_well(scene);
        die(scene, EXIT_CAUSE_FAILURE, 1);
}

/* It ended while nobody who may know was looking, and systemd calls that stopped. */
static void scene_died_unseen(Scene *scene) {
        scene_well(scene);
        die(scene, EXIT_CAUSE_UNKNOWN, 0);
        scene->snapshot.services[BOT].state = SERVICE_STOPPED;
}

static void scene_held(Scene *scene) {
        ServiceJudgement *judgement = &scene->judge.services[BOT];

        scene_well(scene);
        die(scene, EXIT_CAUSE_SIGNAL, 11);
        judgement->is_held = true;
        judgement->held_since_usec = NOW_USEC - USEC_PER_MINUTE;
        judgement->retry_usec = NOW_USEC + 14 * USEC_PER_MINUTE;
        judgement->refusal = REFUSAL_HELD;
        for (unsigned i = 0; i < 3; i++)
                budget_charge_restart(&judgement->budget, NOW_USEC - (10 - i) * USEC_PER_MINUTE);
}

static void scene_paused(Scene *scene) {
        scene_well(scene);
        scene->config.n_services = SERVICES;
        scene->judge.n_services = SERVICES;
        run(scene, OTHER, 77);
        scene->judge.services[BOT].paused_until_usec = NOW_USEC + 30 * USEC_PER_MINUTE;
        scene->judge.services[BOT].refusal = REFUSAL_PAUSED;
        scene->judge.services[OTHER].paused_until_usec = USEC_INFINITY;
}

/* The end of a pause that nobody has noticed yet. */
static void scene_pause_over(Scene *scene) {
        scene_well(scene);
        scene->judge.services[BOT].paused_until_usec = NOW_USEC;
}

static void scene_operator_stopped(Scene *scene) {
        scene_well(scene);
        die(scene, EXIT_CAUSE_CLEAN, 0);
        scene->snapshot.services[BOT].state = SERVICE_STOPPED;
        scene->snapshot.services[BOT].is_operator_stopped = true;
        scene->judge.services[BOT].down = DOWN_OPERATOR;
        scene->judge.services[BOT].is_operator_stopped = true;
        scene->judge.services[BOT].level = LEVEL_NORMAL;
}

static void scene_clerk_gone(Scene *scene) {
        scene_well(scene);
        scene->view.clerk_pid = 0;
        scene->view.trouble = "history cannot be written";
        scene->snapshot.services[BOT].checks[CHECK_API] =
                reading(OUTCOME_UNKNOWN, CAUSE_NO_CLERK, 7, 400);
        scene->snapshot.host.psi_cpu_permille.is_valid = false;
        scene->snapshot.host.is_clock_synchronised.is_valid = false;
}

static void scene_hostile(Scene *scene) {
        scene_well(scene);
        scene->services[BOT].name = "\"bot\"\\\n\x1b[31m";
        scene->config.host.n_disk_paths = 2;
        scene->config.host.disk_paths[0] = "/\"\\";
        scene->config.host.disk_paths[1] = "/\xed\x95\x9c";
        scene->view.trouble = "\"";
}

typedef struct StatusCase {
        const char *name;
        void (*set)(Scene *scene);
        Level level;
        const char *line;
} StatusCase;

static const StatusCase cases[] = {
        { "normal", scene_normal, LEVEL_NORMAL, "albratrading-multi: running" },
        { "unknown", scene_unknown, LEVEL_UNKNOWN, "albratrading-multi: stopped; other: stopped" },
        { "failing", scene_failing, LEVEL_CRITICAL,
          "albratrading-multi: running (api: no answer in time; nothing is done now: cool-down after the last restart)" },
        { "died", scene_died, LEVEL_CRITICAL, "albratrading-multi: failed (exit status 1)" },
        { "died-unseen", scene_died_unseen, LEVEL_CRITICAL, "albratrading-multi: stopped" },
        { "held", scene_held, LEVEL_CRITICAL,
          "albratrading-multi: held (killed by SIGSEGV; held; the next attempt by itself in 14 m)" },
        { "paused", scene_paused, LEVEL_NORMAL,
          "albratrading-multi: running (nothing is done now: it is paused); other: running" },
        { "pause-over", scene_pause_over, LEVEL_NORMAL, "albratrading-multi: running" },
        { "operator-stopped", scene_operator_stopped, LEVEL_NORMAL,
          "albratrading-multi: stopped (stopped by a person)" },
        { "clerk-gone", scene_clerk_gone, LEVEL_NORMAL, "albratrading-multi: running" },
        { "hostile", scene_hostile, LEVEL_NORMAL, "\"bot\"\\\n\x1b[31m: running" },
};

static char *render(const StatusCase *c) {
        static Scene scene;
        char *text = NULL;

        c->set(&scene);
        assert_int_equal(status_render_json(&scene.view, &text), 0);
        return text;
}

static void compare(const char *name, const char *text) {
        char path[1024];
        char whole[16384];
        size_t length;

        int n = snprintf(whole, sizeof(whole), "%s\n", text);
        assert_true(n > 0 && (size_t) n < sizeof(whole));
        (void) snprintf(path, sizeof(path), "%s/%s.json", folder, name);
        if (getenv("ALBRAGUARD_GOLDEN_UPDATE")) {
                assert_int_equal(file_write_atomic(path, whole, (size_t) n, 0644), 0);
                return;
        }

        CLEANUP_FREE char *expected = NULL;
        if (file_read_alloc(path, sizeof(whole), &expected, &length) < 0)
                fail_msg("there is no %s", path);
        assert_string_equal(whole, expected);
}

static void test_documents(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                CLEANUP_FREE char *text = render(&cases[i]);

                compare(cases[i].name, text);
        }
}

/* What a value may be. */
enum {
        TEXT = 1,
        COUNT = 2,
        NUMBER = 4,
        FLAG = 8,
        NOTHING = 16,
        LIST = 32,
        OBJECT = 64,
};

typedef struct Promise {
        const char *name;
        unsigned kinds;
} Promise;

static const Promise whole_promises[] = {
        { "version", COUNT }, { "time", TEXT },     { "level", TEXT },
        { "host", OBJECT },   { "services", LIST }, { "watchdog", OBJECT },
};

static const Promise host_promises[] = {
        { "cpu_percent", NUMBER | NOTHING },
        { "steal_percent", NUMBER | NOTHING },
        { "memory_percent", NUMBER | NOTHING },
        { "memory_total_bytes", COUNT | NOTHING },
        { "swap_percent", NUMBER | NOTHING },
        { "pressure_cpu_percent", NUMBER | NOTHING },
        { "pressure_memory_percent", NUMBER | NOTHING },
        { "pressure_io_percent", NUMBER | NOTHING },
        { "clock_synchronised", FLAG | NOTHING },
        { "disk", LIST },
        { "cpu_level", TEXT },
        { "memory_level", TEXT },
        { "level", TEXT },
};

static const Promise disk_promises[] = {
        { "path", TEXT },
        { "percent", NUMBER | NOTHING },
        { "inodes_percent", NUMBER | NOTHING },
        { "free_bytes", COUNT | NOTHING },
        { "level", TEXT },
};

static const Promise service_promises[] = {
        { "name", TEXT },
        { "state", TEXT },
        { "level", TEXT },
        { "pid", COUNT | NOTHING },
        { "age_s", COUNT | NOTHING },
        { "state_age_s", COUNT | NOTHING },
        { "memory_bytes", COUNT | NOTHING },
        { "fds", COUNT | NOTHING },
        { "fds_limit", COUNT | NOTHING },
        { "connections", COUNT | NOTHING },
        { "threads", COUNT | NOTHING },
        { "checks", LIST },
        { "failures", COUNT },
        { "failures_limit", COUNT },
        { "next_act_s", COUNT | NOTHING },
        { "restarts", OBJECT },
        { "paused_until", TEXT | NOTHING },
        { "held", FLAG },
        { "operator_stopped", FLAG },
        { "refusal", TEXT },
        { "reason", TEXT },
};

static const Promise restarts_promises[] = {
        { "used", COUNT },
        { "limit", COUNT },
        { "per_s", COUNT },
        { "cooldown_left_s", COUNT },
};

static const Promise check_promises[] = {
        { "name", TEXT },  { "level", TEXT },   { "value", NUMBER | NOTHING },
        { "unit", TEXT },  { "outcome", TEXT }, { "age_s", COUNT | NOTHING },
        { "cause", TEXT }, { "reason", TEXT },
};

static const Promise watchdog_promises[] = {
        { "pid", COUNT },      { "clerk_pid", COUNT | NOTHING },
        { "uptime_s", COUNT }, { "memory_bytes", COUNT },
        { "reason", TEXT },
};

static unsigned kind_of(const json_t *value) {
        return json_is_string(value)    ? TEXT
               : json_is_integer(value) ? COUNT
               : json_is_real(value)    ? NUMBER
               : json_is_boolean(value) ? FLAG
               : json_is_null(value)    ? NOTHING
               : json_is_array(value)   ? LIST
               : json_is_object(value)  ? OBJECT
                                        : 0;
}

static void expect_kept(const json_t *object, const Promise *promises, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!(kind_of(json_object_get(object, promises[i].name)) & promises[i].kinds))
                        fail_msg("%s is missing or of another type", promises[i].name);
        assert_int_equal(json_object_size(object), n);
}

#define EXPECT_KEPT(object, promises) expect_kept(object, promises, ELEMENTSOF(promises))

static void expect_service_kept(const json_t *service) {
        const json_t *check;
        size_t i;

        EXPECT_KEPT(service, service_promises);
        EXPECT_KEPT(json_object_get(service, "restarts"), restarts_promises);
        json_array_foreach(json_object_get(service, "checks"), i, check)
                EXPECT_KEPT(check, check_promises);
        assert_true(i > 0);
}

static void test_promises_are_kept(void **state) {
        (void) state;
        for (size_t c = 0; c < ELEMENTSOF(cases); c++) {
                CLEANUP_FREE char *text = render(&cases[c]);
                json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
                const json_t *host = json_object_get(json, "host");
                const json_t *part;
                size_t i;

                assert_non_null(json);
                EXPECT_KEPT(json, whole_promises);
                EXPECT_KEPT(host, host_promises);
                EXPECT_KEPT(json_object_get(json, "watchdog"), watchdog_promises);
                json_array_foreach(json_object_get(host, "disk"), i, part)
                        EXPECT_KEPT(part, disk_promises);
                assert_true(i > 0);
                json_array_foreach(json_object_get(json, "services"), i, part)
                        expect_service_kept(part);
                assert_true(i > 0);
                json_decref(json);
        }
}

static void test_levels_and_lines(void **state) {
        static Scene scene;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char line[STATUS_LINE_SIZE];

                cases[i].set(&scene);
                assert_int_equal(status_level(&scene.view), cases[i].level);
                assert_string_equal(status_render_line(&scene.view, line), cases[i].line);
        }
}

/* However many and long they are: the line is cut, the document is whole. */
static void test_very_many(void **state) {
        static Scene scene;
        static ServiceConfig services[SERVICES_MAX];
        static char names[SERVICES_MAX][NAME_SIZE];
        char line[STATUS_LINE_SIZE];
        char *text = NULL;

        (void) state;
        scene_init(&scene);
        scene.config.n_services = SERVICES_MAX;
        scene.config.services = services;
        scene.snapshot.n_services = SERVICES_MAX;
        judge_init(&scene.judge, &scene.config);
        for (unsigned i = 0; i < SERVICES_MAX; i++) {
                memset(names[i], 'a' + (int) i % 26, NAME_SIZE - 1);
                services[i].name = names[i];
        }
        assert_int_equal(strlen(status_render_line(&scene.view, line)), STATUS_LINE_SIZE - 1);
        assert_int_equal(status_render_json(&scene.view, &text), 0);
        json_t *json = json_loads(text, 0, NULL);
        assert_int_equal(json_array_size(json_object_get(json, "services")), SERVICES_MAX);
        json_decref(json);
        free(text);

        scene.config.n_services = 0;
        scene.judge.n_services = 0;
        assert_string_equal(status_render_line(&scene.view, line), "");
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_documents),
                cmocka_unit_test(test_promises_are_kept),
                cmocka_unit_test(test_levels_and_lines),
                cmocka_unit_test(test_very_many),
        };

        folder = argc > 1 ? argv[1] : ".";
        return cmocka_run_group_tests(tests, NULL, NULL);
}
