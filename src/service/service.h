/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "base/time.h"
#include "model/config.h"
#include "model/decision.h"
#include "model/snapshot.h"

/* The thing watched, whoever runs it. Nothing here blocks: acts are begun, and their end is told from the event loop. */
typedef struct Service Service;

/* Who wants it stopped, and therefore what the end of it means. */
typedef enum StopWhy {
        STOP_WHY_OPERATOR, /* a person: it becomes stopped, and is_operator_stopped is set */
        STOP_WHY_RESTART,  /* it will be started again */
        STOP_WHY_MEMORY,   /* over its ceiling: it becomes failed, with EXIT_CAUSE_OOM */
        _STOP_WHY_MAX,
} StopWhy;

typedef struct ServiceHandlers {
        /* State, pid or exit is not what it was: ask service_facts(). Comes at once, also in the middle of an act. */
        void (*on_change)(Service *service, void *userdata);

        /* The act that was begun has ended and the next one may be begun. `why` is a translated sentence part, empty
         * when there is nothing to say; with is_done it may tell that force was needed. */
        void (*on_done)(Service *service,
                        ActionKind action,
                        bool is_done,
                        const char *why,
                        usec_t took_usec,
                        void *userdata);

        void *userdata;
} ServiceHandlers;

/* Whether there is a way to run it and its name can be a file's: else service_new() fails. */
bool service_is_supported(const ServiceConfig *config);

/* Looks for a process that already runs (and takes it over); starts nothing. Both configurations are borrowed. Handlers
 * are called from the loop only, never from inside another function of this header; they must not free the service.
 * Either handler may be NULL. -EINVAL for a name that cannot be a file's. */
int service_new(const ServiceConfig *service_config,
                const Config *config,
                sd_event *event,
                const ServiceHandlers *handlers,
                Service **ret_service);

/* Lets go of the service without touching its processes; a later service_new() takes them over. Returns NULL. */
Service *service_free(Service *service);

/* Goes on under a changed configuration for the same name and backend, which must outlive the service from now on. Limits
 * the kernel can change on the fly (memory, processes) apply at once, the rest from the next start. */
void service_set_config(Service *service,
                        const ServiceConfig *service_config,
                        const Config *config);

/* Added to time since boot, gives the clock of the facts. */
void service_set_clock_offset(Service *service, usec_t offset_usec);

/* The last incarnation known from before (checkpoint); what is lower than ours is ignored. */
void service_set_incarnation(Service *service, uint64_t incarnation);

/* Fills what the backend knows: state, exit, pid, times, incarnation and the flags. The measured numbers and the checks
 * are left as they are. Allocates nothing and reads nothing. */
void service_facts(const Service *service, ServiceFacts *ret_facts);

const char *service_name(const Service *service);

/* A handle on the main process that survives the reuse of its number (pidfd_open(2)), borrowed until the next
 * on_change; -1 when there is none. */
int service_pidfd(const Service *service);

/* Kills for lack of memory seen inside the service's control group since it was started, helpers included. */
uint64_t service_oom_kills(const Service *service);

/* Start: first ends what an earlier main process left behind, then executes. Done when the program has been executed,
 * or when it turns out to be running already. -EALREADY when another act is under way or it runs. */
int service_begin_start(Service *service);

/* Stop: the stop signal to the main process, after stop_timeout SIGKILL to every process of the service; done when none
 * is left. -EALREADY when another act is under way. Stopping what is stopped is done at once. */
int service_begin_stop(Service *service, StopWhy why);

/* Stop, then start when nothing of the old one is left, as one act. -EALREADY when another act is under way. */
int service_begin_restart(Service *service);
