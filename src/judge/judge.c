/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Judge: the one door.
 *
 *        snapshot ──► life ──► look ──► prove ──► want ──► decision
 *                     who is   what was  is it     what it needs,
 *                     there    seen      well      and what speaks against it
 *
 * A step looks at the machine and then at each service by itself; services know nothing of each other.
 * All memory of earlier steps is in the state, all knowledge of the world in the snapshot, all time in
 * `now`. So the same steps over the same snapshots give the same decisions, wherever they are made: in
 * the daemon, in a test told as a story, in the simulator, over last week's history.
 *
 * Steps may come at any time and in any number. Nothing in here counts them; what counts are the dates
 * of the readings and the clock.
 */

#include "judge/judge.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "judge/case.h"
#include "judge/host.h"
#include "judge/life.h"
#include "judge/look.h"
#include "judge/want.h"

void judge_init(JudgeState *state, const Config *config) {
        assert(state);
        assert(config);
        assert(config->n_services <= SERVICES_MAX);

        memset(state, 0, sizeof(*state));
        state->n_services = config->n_services;
        state->host_level = LEVEL_UNKNOWN;

        for (unsigned i = 0; i < state->n_services; i++)
                state->services[i].level = LEVEL_UNKNOWN;
}

static void adopt_disks(JudgeState *state,
                        const HostConfig *host,
                        const JudgeState *old,
                        const HostConfig *old_host) {
        for (unsigned i = 0; i < host->n_disk_paths; i++)
                for (unsigned k = 0; k < old_host->n_disk_paths; k++)
                        if (strcmp(host->disk_paths[i], old_host->disk_paths[k]) == 0) {
                                state->disks[i] = old->disks[k];
                                state->disks_counted_usec[i] = old->disks_counted_usec[k];
                        }
}

void judge_adopt(JudgeState *state,
                 const Config *config,
                 const JudgeState *old,
                 const Config *old_config) {
        assert(state != old);
        assert(old->n_services == old_config->n_services);

        judge_init(state, config);

        state->cpu = old->cpu;
        state->memory = old->memory;
        state->cpu_counted_usec = old->cpu_counted_usec;
        state->memory_counted_usec = old->memory_counted_usec;
        state->host_level = old->host_level;
        adopt_disks(state, &config->host, old, &old_config->host);

        for (unsigned i = 0; i < config->n_services; i++)
                for (unsigned k = 0; k < old_config->n_services; k++)
                        if (strcmp(config->services[i].name, old_config->services[k].name) == 0)
                                state->services[i] = old->services[k];
}

static Level service_level(const Case *c) {
        const ServiceJudgement *j = c->judgement;
        Level worst = look_level(c, CHECK_SERVICE);

        if (j->down == DOWN_OPERATOR)
                return LEVEL_NORMAL;

        for (CheckKind kind = 0; kind < _CHECK_MAX; kind++) {
                Level level = look_level(c, kind);

                /* A check that cannot be made is shown as unknown by itself; the service is as bad as what is known. */
                if (level != LEVEL_UNKNOWN)
                        worst = level_worse(worst, level);
        }

        /* Back, but not yet proven (a first start has nothing to prove); or given up for now, though it runs. */
        if ((j->is_down_told && (j->died_usec > 0 || j->budget.is_unproven)) || j->is_held)
                worst = level_worse(worst, LEVEL_WARNING);

        return worst;
}

void judge_step(JudgeState *state,
                const Config *config,
                const Snapshot *snapshot,
                usec_t now_usec,
                Decision *ret_decision) {
        assert(state);
        assert(state->n_services == config->n_services);
        assert(snapshot->n_services == config->n_services);

        case_clear(ret_decision);
        host_step(state, config, snapshot, now_usec, ret_decision);

        for (unsigned i = 0; i < config->n_services; i++) {
                const Case c = case_make(state, config, snapshot, i, now_usec, ret_decision);

                life_step(&c);
                look_step(&c);
                life_prove(&c);
                want_step(&c);
                c.judgement->level = service_level(&c);
        }
}
