/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Host: the machine everything runs on.
 *
 * Its levels only alarm. A machine at 90 % is no reason to restart a service that answers; whether it
 * is a reason *not* to restart one that does not is asked elsewhere (policy), of the raw values.
 *
 * The level of the machine is the worst that is known. A number that could not be read for some time
 * is unknown and holds no level, neither a good one nor a bad one.
 */

#include "judge/host.h"

#include <assert.h>

#include "judge/look.h"
#include "judge/tell.h"

typedef struct Gauge {
        const Metric *metric;
        const Thresholds *thresholds;
        LevelState *level;
        usec_t *counted_usec;
        const char *name;
        const char *path;
} Gauge;

static Level gauge_step(const Gauge *gauge,
                        const Config *config,
                        const Snapshot *snapshot,
                        usec_t now_usec,
                        Decision *decision) {
        const Metric *metric = gauge->metric;
        usec_t stale_usec = look_stale_usec(&config->watch, 0);

        if (!metric->is_valid || usec_sub(now_usec, metric->at_usec) > stale_usec)
                return LEVEL_UNKNOWN;
        if (metric->at_usec <= *gauge->counted_usec)
                return gauge->level->level;

        if (metric->at_usec - *gauge->counted_usec > stale_usec)
                level_forget_departure(gauge->level);
        *gauge->counted_usec = metric->at_usec;

        Level before = gauge->level->level;
        LevelRule rule = level_rule(gauge->thresholds, config->watch.interval_usec);
        Level after = level_step(gauge->level, &rule, metric->value, now_usec);

        if (after != before)
                tell_host_level(decision, config, snapshot, gauge->name, gauge->path, metric->value,
                                gauge->thresholds, before, after);

        return after;
}

/* What is not known does not hide what is. */
static void worsen(Level *level, Level other) {
        if (*level == LEVEL_UNKNOWN || (other != LEVEL_UNKNOWN && other > *level))
                *level = other;
}

void host_step(JudgeState *state,
               const Config *config,
               const Snapshot *snapshot,
               usec_t now_usec,
               Decision *decision) {
        const HostFacts *host = &snapshot->host;
        const Gauge cpu = { .metric = &host->cpu_permille,
                            .thresholds = &config->host.cpu,
                            .level = &state->cpu,
                            .counted_usec = &state->cpu_counted_usec,
                            .name = "cpu" };
        const Gauge memory = { .metric = &host->memory_permille,
                               .thresholds = &config->host.memory,
                               .level = &state->memory,
                               .counted_usec = &state->memory_counted_usec,
                               .name = "memory" };
        Level level = LEVEL_UNKNOWN;

        worsen(&level, gauge_step(&cpu, config, snapshot, now_usec, decision));
        worsen(&level, gauge_step(&memory, config, snapshot, now_usec, decision));

        for (unsigned i = 0; i < config->host.n_disk_paths; i++) {
                const Gauge disk = { .metric = &host->disks[i].used_permille,
                                     .thresholds = &config->host.disk,
                                     .level = &state->disks[i],
                                     .counted_usec = &state->disks_counted_usec[i],
                                     .name = "disk",
                                     .path = config->host.disk_paths[i] };

                worsen(&level, gauge_step(&disk, config, snapshot, now_usec, decision));
        }

        state->host_level = level;
}
