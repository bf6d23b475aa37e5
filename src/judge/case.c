/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Case: what is put before the judge for one service.
 *
 * The functions of the judge need the same seven things about a service again and again; a case is
 * their being put side by side, made for one step and thrown away. It owns nothing. A case without a
 * snapshot can be told of, but nothing can be found out from it.
 */

#include "judge/case.h"

#include <assert.h>
#include <string.h>

Case case_make(JudgeState *state,
               const Config *config,
               const Snapshot *snapshot,
               unsigned service,
               usec_t now_usec,
               Decision *decision) {
        assert(state);
        assert(config);
        assert(service < config->n_services);

        return (Case){
                .index = service,
                .config = config,
                .service = &config->services[service],
                .host = snapshot ? &snapshot->host : NULL,
                .facts = snapshot ? &snapshot->services[service] : NULL,
                .judgement = &state->services[service],
                .decision = decision,
                .now_usec = now_usec,
        };
}

void case_clear(Decision *decision) {
        memset(decision->intents, 0, sizeof(decision->intents));
        decision->n_events = 0;
        decision->n_events_dropped = 0;
        decision->next_usec = USEC_INFINITY;
}
