/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checkpoint: everything the watch must not forget, in one small file.
 *
 * The judge's state is plain data, and so is its picture on disk: a table names each field, says
 * where it is and what values make sense, and serves both ways. The file is replaced whole, so it
 * is either the state before a step or the state after it, with the events of that step and the
 * acts it decided. Whoever reads it after a kill finds a watch that never stopped thinking.
 *
 * It is JSON because a person looks at it when nothing else answers. It is our own file, but it is
 * read as if it were not: a value that makes no sense is passed over, not believed.
 */

#include "app/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* Changes when the meaning of a number in the file changes; an older file is then not taken up. */
#define CHECKPOINT_VERSION 1

typedef enum FieldType {
        FIELD_U64,
        FIELD_UNSIGNED,
        FIELD_INT,
        FIELD_BOOL,
} FieldType;

typedef struct Field {
        const char *name;
        size_t offset;
        FieldType type;
        int64_t end; /* values of enumerations are below it; 0: any */
} Field;

/* The member's own type chooses how it is kept, so that a field that changes its type cannot be forgotten here. */
#define FIELD_TYPE(type, member)                \
        _Generic(((type *) 0)->member, uint64_t \
                 : FIELD_U64, int               \
                 : FIELD_INT, bool              \
                 : FIELD_BOOL, default          \
                 : FIELD_UNSIGNED)
#define FIELD(type, member) \
        { #member, offsetof(type, member), FIELD_TYPE(type, member), 0 }
#define FIELD_BELOW(type, member, end) \
        { #member, offsetof(type, member), FIELD_TYPE(type, member), end }

static const Field level_fields[] = {
        FIELD_BELOW(LevelState, level, LEVEL_UNKNOWN),   FIELD(LevelState, direction),
        FIELD_BELOW(LevelState, nearest, LEVEL_UNKNOWN), FIELD(LevelState, since_usec),
        FIELD(LevelState, changes_since_usec),           FIELD(LevelState, n_changes),
};

static const Field streak_fields[] = {
        FIELD(Streak, failures),   FIELD(Streak, successes),           FIELD(Streak, is_failing),
        FIELD(Streak, n_episodes), FIELD(Streak, episodes_since_usec),
};

static const Field budget_fields[] = {
        FIELD(Budget, n_unhealthy),
        FIELD(Budget, is_unproven),
};

static const Field check_fields[] = {
        FIELD(CheckState, counted_usec),
        FIELD(CheckState, known_usec),
        FIELD(CheckState, is_worst_told),
};

static const Field service_fields[] = {
        FIELD(ServiceJudgement, incarnation),
        FIELD(ServiceJudgement, started_usec),
        FIELD(ServiceJudgement, has_run),
        FIELD_BELOW(ServiceJudgement, state, _SERVICE_STATE_MAX),
        FIELD_BELOW(ServiceJudgement, down, _DOWN_MAX),
        FIELD(ServiceJudgement, died_usec),
        FIELD_BELOW(ServiceJudgement, level, _LEVEL_MAX),
        FIELD(ServiceJudgement, is_down_told),
        FIELD(ServiceJudgement, n_deaths_told),
        FIELD(ServiceJudgement, deaths_since_usec),
        FIELD(ServiceJudgement, is_start_owed),
        FIELD(ServiceJudgement, is_start_charged),
        FIELD(ServiceJudgement, act_usec),
        FIELD(ServiceJudgement, stop_usec),
        FIELD(ServiceJudgement, is_held),
        FIELD(ServiceJudgement, held_since_usec),
        FIELD(ServiceJudgement, retry_usec),
        FIELD(ServiceJudgement, n_retries),
        FIELD(ServiceJudgement, paused_until_usec),
        FIELD(ServiceJudgement, paused_usec),
        FIELD(ServiceJudgement, is_pause_reminded),
        FIELD(ServiceJudgement, is_operator_stopped),
        FIELD(ServiceJudgement, is_stop_seen),
        FIELD(ServiceJudgement, is_stop_told),
        FIELD(ServiceJudgement, operator_stop_usec),
        FIELD(ServiceJudgement, reminded_usec),
        FIELD(ServiceJudgement, healthy_since_usec),
        FIELD_BELOW(ServiceJudgement, refusal, _REFUSAL_MAX),
        FIELD_BELOW(ServiceJudgement, wanted, _REASON_MAX),
        FIELD(ServiceJudgement, refusals_told),
        FIELD(ServiceJudgement, refusals_since_usec),
        FIELD_BELOW(ServiceJudgement, last_exit_cause, _EXIT_CAUSE_MAX),
        FIELD(ServiceJudgement, last_exit_value),
        FIELD(ServiceJudgement, n_same_exits),
};

static const Field host_fields[] = {
        FIELD(JudgeState, cpu_counted_usec),
        FIELD(JudgeState, memory_counted_usec),
        FIELD_BELOW(JudgeState, host_level, _LEVEL_MAX),
};

static const Field pending_fields[] = {
        FIELD_BELOW(PendingAct, action, _ACTION_MAX),
        FIELD_BELOW(PendingAct, reason, _REASON_MAX),
        FIELD(PendingAct, incarnation),
};

static void json_cleanup(json_t **json) {
        json_decref(*json);
}

#define CLEANUP_JSON CLEANUP(json_cleanup)

static int64_t field_get(const Field *field, const void *object) {
        const char *at = (const char *) object + field->offset;

        switch (field->type) {
        case FIELD_U64:
                return (int64_t) *
                       (const uint64_t *) (const void *) at; /* USEC_INFINITY becomes -1 and back */
        case FIELD_UNSIGNED:
                return *(const unsigned *) (const void *) at;
        case FIELD_INT:
                return *(const int *) (const void *) at;
        case FIELD_BOOL:
                return *(const bool *) (const void *) at;
        }

        assert(false);
        return 0;
}

static void field_set(const Field *field, void *object, int64_t value) {
        char *at = (char *) object + field->offset;

        if (field->end > 0 && (value < 0 || value >= field->end))
                return;

        switch (field->type) {
        case FIELD_U64:
                *(uint64_t *) (void *) at = (uint64_t) value;
                break;
        case FIELD_UNSIGNED:
                if (value >= 0 && value <= UINT_MAX)
                        *(unsigned *) (void *) at = (unsigned) value;
                break;
        case FIELD_INT:
                if (value >= INT_MIN && value <= INT_MAX)
                        *(int *) (void *) at = (int) value;
                break;
        case FIELD_BOOL:
                *(bool *) (void *) at = value != 0;
                break;
        }
}

static json_t *fields_render(const Field *fields, size_t n_fields, const void *object) {
        json_t *json = json_object();

        for (size_t i = 0; json && i < n_fields; i++)
                if (json_object_set_new(json, fields[i].name,
                                        json_integer(field_get(&fields[i], object))) < 0) {
                        json_decref(json);
                        json = NULL;
                }

        return json;
}

static void fields_parse(const Field *fields, size_t n_fields, const json_t *json, void *object) {
        for (size_t i = 0; i < n_fields; i++) {
                const json_t *value = json_object_get(json, fields[i].name);

                if (json_is_integer(value))
                        field_set(&fields[i], object, json_integer_value(value));
        }
}

#define RENDER(fields, object) fields_render(fields, ELEMENTSOF(fields), object)
#define PARSE(fields, json, object) fields_parse(fields, ELEMENTSOF(fields), json, object)

static usec_t usec_of(const json_t *json, const char *name) {
        json_int_t value = json_integer_value(json_object_get(json, name));

        return value > 0 ? (usec_t) value : 0;
}

static json_t *times_render(const usec_t *times_usec, unsigned n) {
        json_t *json = json_array();

        for (unsigned i = 0; json && i < n; i++)
                (void) json_array_append_new(json, json_integer((json_int_t) times_usec[i]));

        return json;
}

static unsigned times_parse(const json_t *json, usec_t ret_times_usec[static LEDGER_MAX]) {
        unsigned n = 0;
        size_t count = json_array_size(json);

        /* The newest are last, and they are what matters. */
        for (size_t i = count > LEDGER_MAX ? count - LEDGER_MAX : 0; i < count; i++) {
                const json_t *value = json_array_get(json, i);

                if (json_is_integer(value) && json_integer_value(value) >= 0)
                        ret_times_usec[n++] = (usec_t) json_integer_value(value);
        }

        return n;
}

static json_t *
service_render(const ServiceJudgement *service, const PendingAct *pending, const char *name) {
        json_t *json = RENDER(service_fields, service);
        json_t *budget = RENDER(budget_fields, &service->budget);
        json_t *checks = json_object();

        (void) json_object_set_new(json, "name", json_string(name));
        (void) json_object_set_new(json, "pending", RENDER(pending_fields, pending));
        (void) json_object_set_new(
                budget, "restarts",
                times_render(service->budget.restarts_usec, service->budget.n_restarts));
        (void) json_object_set_new(
                budget, "starts",
                times_render(service->budget.starts_usec, service->budget.n_starts));
        (void) json_object_set_new(json, "budget", budget);

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                const CheckState *state = &service->checks[kind];
                json_t *check = RENDER(check_fields, state);

                (void) json_object_set_new(check, "streak", RENDER(streak_fields, &state->streak));
                (void) json_object_set_new(check, "level", RENDER(level_fields, &state->level));
                (void) json_object_set_new(checks, check_to_string(kind), check);
        }
        (void) json_object_set_new(json, "checks", checks);

        return json;
}

static void service_parse(const json_t *json, ServiceJudgement *service, PendingAct *pending) {
        const json_t *budget = json_object_get(json, "budget");
        const json_t *checks = json_object_get(json, "checks");

        PARSE(service_fields, json, service);
        PARSE(pending_fields, json_object_get(json, "pending"), pending);
        PARSE(budget_fields, budget, &service->budget);
        service->budget.n_restarts =
                times_parse(json_object_get(budget, "restarts"), service->budget.restarts_usec);
        service->budget.n_starts =
                times_parse(json_object_get(budget, "starts"), service->budget.starts_usec);

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                const json_t *check = json_object_get(checks, check_to_string(kind));

                PARSE(check_fields, check, &service->checks[kind]);
                PARSE(streak_fields, json_object_get(check, "streak"),
                      &service->checks[kind].streak);
                PARSE(level_fields, json_object_get(check, "level"), &service->checks[kind].level);
        }
}

static json_t *host_render(const JudgeState *judge, const HostConfig *config) {
        json_t *json = RENDER(host_fields, judge);
        json_t *disks = json_object();

        (void) json_object_set_new(json, "cpu", RENDER(level_fields, &judge->cpu));
        (void) json_object_set_new(json, "memory", RENDER(level_fields, &judge->memory));
        for (unsigned i = 0; i < config->n_disk_paths; i++)
                (void) json_object_set_new(disks, config->disk_paths[i],
                                           RENDER(level_fields, &judge->disks[i]));
        (void) json_object_set_new(json, "disks", disks);

        return json;
}

static void host_parse(const json_t *json, const HostConfig *config, JudgeState *judge) {
        const json_t *disks = json_object_get(json, "disks");

        PARSE(host_fields, json, judge);
        PARSE(level_fields, json_object_get(json, "cpu"), &judge->cpu);
        PARSE(level_fields, json_object_get(json, "memory"), &judge->memory);

        for (unsigned i = 0; i < config->n_disk_paths; i++) {
                const json_t *disk = json_object_get(disks, config->disk_paths[i]);

                PARSE(level_fields, disk, &judge->disks[i]);
                judge->disks_counted_usec[i] = usec_of(disk, "counted_usec");
        }
}

static json_t *events_render(const EventLog *events) {
        json_t *json = json_array();

        for (unsigned i = 0; i < eventlog_peek_unspooled(events); i++) {
                const Event *event = eventlog_get_unspooled(events, i);
                char line[SPOOL_LINE_MAX];
                Buf buf;

                if (!event)
                        continue;
                buf_init(&buf, line, sizeof(line));
                event_render_json(event, &buf);
                (void) json_array_append_new(json, json_string(line));
        }

        return json;
}

int checkpoint_render(const Checkpoint *checkpoint,
                      usec_t boottime_usec,
                      usec_t realtime_usec,
                      char **ret_text) {
        const Clockwork *clock = checkpoint->clock;
        CLEANUP_JSON json_t *json = json_object();
        json_t *services = json_array();

        for (unsigned i = 0; i < checkpoint->config->n_services; i++)
                (void) json_array_append_new(services,
                                             service_render(&checkpoint->judge->services[i],
                                                            &checkpoint->pending[i],
                                                            checkpoint->config->services[i].name));

        const struct {
                const char *name;
                json_t *value;
        } parts[] = {
                { "version", json_integer(CHECKPOINT_VERSION) },
                { "boot_id", json_string(clock->boot_id) },
                { "offset_usec", json_integer((json_int_t) clock->offset_usec) },
                { "now_usec",
                  json_integer((json_int_t) usec_add(boottime_usec, clock->offset_usec)) },
                { "realtime_usec", json_integer((json_int_t) realtime_usec) },
                { "next_seq",
                  json_integer((json_int_t) eventlog_peek_next_seq(checkpoint->events)) },
                { "host", host_render(checkpoint->judge, &checkpoint->config->host) },
                { "services", services },
                { "events", events_render(checkpoint->events) },
        };
        bool is_whole = true;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                is_whole &= json_object_set_new(json, parts[i].name, parts[i].value) == 0;

        char *text = is_whole ? json_dumps(json, JSON_COMPACT) : NULL;
        if (!text)
                return -ENOMEM;

        *ret_text = text;
        return 0;
}

int checkpoint_parse(const Checkpoint *checkpoint,
                     const char *text,
                     size_t length,
                     usec_t boottime_usec,
                     usec_t realtime_usec) {
        CLEANUP_JSON json_t *json = json_loadb(text, length, 0, NULL);
        const char *boot_id = json_string_value(json_object_get(json, "boot_id"));

        if (json_integer_value(json_object_get(json, "version")) != CHECKPOINT_VERSION || !boot_id)
                return -EINVAL;

        clockwork_resume(checkpoint->clock, boot_id, usec_of(json, "offset_usec"),
                         usec_of(json, "now_usec"), usec_of(json, "realtime_usec"), boottime_usec,
                         realtime_usec);

        const json_t *events = json_object_get(json, "events");
        for (size_t i = 0; i < json_array_size(events); i++) {
                const char *line = json_string_value(json_array_get(events, i));
                Event event;

                if (line && event_parse_json(line, strlen(line), &event) >= 0)
                        (void) eventlog_readmit(checkpoint->events,
                                                &event); /* it may be spooled by now */
        }
        uint64_t released_floor = usec_of(json, "next_seq");
        if (eventlog_peek_unspooled(checkpoint->events) == 0)
                eventlog_set_floor(checkpoint->events, released_floor);

        host_parse(json_object_get(json, "host"), &checkpoint->config->host, checkpoint->judge);

        const json_t *services = json_object_get(json, "services");
        for (size_t i = 0; i < json_array_size(services); i++) {
                const json_t *service = json_array_get(services, i);
                const char *name = json_string_value(json_object_get(service, "name"));
                int index = name ? config_find_service(checkpoint->config, name) : -ENOENT;

                if (index >= 0)
                        service_parse(service, &checkpoint->judge->services[index],
                                      &checkpoint->pending[index]);
        }

        return 0;
}
