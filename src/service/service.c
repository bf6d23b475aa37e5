/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Service: one face for whatever runs the thing we watch.
 *
 * Judging and telling do not care whether a service is a unit of systemd or a process we forked.
 * They see its facts, and three verbs that are begun here and end in a callback. Behind the face is
 * a table of functions, chosen once by the configuration; this file only hands through, and moves
 * the times of the facts onto the clock the rest of the program thinks in.
 */

#include "service/service.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/backend.h"

static const ServiceBackend *choose_backend(const ServiceConfig *config) {
        return config->n_words > 0 ? &backend_embedded : NULL;
}

/* It becomes part of names in run_dir and in the control group file system. */
static bool is_good_name(const char *name) {
        return name[0] != '\0' && name[0] != '.' && strlen(name) < NAME_SIZE &&
               !strchr(name, '/') && !strchr(name, '\n');
}

bool service_is_supported(const ServiceConfig *config) {
        assert(config);

        return choose_backend(config) && is_good_name(config->name);
}

int service_new(const ServiceConfig *service_config,
                const Config *config,
                sd_event *event,
                const ServiceHandlers *handlers,
                Service **ret_service) {
        assert(service_config);
        assert(config);
        assert(event);
        assert(handlers);
        assert(ret_service);

        const ServiceBackend *backend = choose_backend(service_config);
        if (!backend)
                return -EOPNOTSUPP;
        if (!is_good_name(service_config->name))
                return -EINVAL;

        Service *service = calloc(1, sizeof(*service));
        if (!service)
                return -ENOMEM;

        service->backend = backend;
        service->config = service_config;
        service->root_config = config;
        service->event = sd_event_ref(event);
        service->handlers = *handlers;

        int r = backend->open(service);
        if (r < 0) {
                (void) sd_event_unref(service->event);
                free(service);
                return r;
        }

        *ret_service = service;
        return 0;
}

Service *service_free(Service *service) {
        if (!service)
                return NULL;

        service->backend->close(service);
        (void) sd_event_unref(service->event); /* always NULL */
        free(service);
        return NULL;
}

void service_set_config(Service *service,
                        const ServiceConfig *service_config,
                        const Config *config) {
        assert(service);
        assert(service_config);
        assert(config);
        assert(choose_backend(service_config) == service->backend);
        assert(strcmp(service_config->name, service->config->name) == 0);

        service->config = service_config;
        service->root_config = config;
        service->backend->config_changed(service);
}

void service_set_clock_offset(Service *service, usec_t offset_usec) {
        assert(service);

        service->clock_offset_usec = offset_usec;
}

void service_set_incarnation(Service *service, uint64_t incarnation) {
        assert(service);

        service->backend->set_incarnation(service, incarnation);
}

void service_facts(const Service *service, ServiceFacts *ret_facts) {
        assert(service);
        assert(ret_facts);

        service->backend->facts(service, ret_facts);

        /* Zero stays zero: it means "none", not a time. */
        if (ret_facts->state_since_usec > 0)
                ret_facts->state_since_usec =
                        usec_add(ret_facts->state_since_usec, service->clock_offset_usec);
        if (ret_facts->started_usec > 0)
                ret_facts->started_usec =
                        usec_add(ret_facts->started_usec, service->clock_offset_usec);
}

const char *service_name(const Service *service) {
        assert(service);

        return service->config->name;
}

int service_pidfd(const Service *service) {
        assert(service);

        return service->backend->pidfd(service);
}

uint64_t service_oom_kills(const Service *service) {
        assert(service);

        return service->backend->oom_kills(service);
}

int service_begin_start(Service *service) {
        assert(service);

        return service->backend->begin_start(service);
}

int service_begin_stop(Service *service, StopWhy why) {
        assert(service);
        assert(why < _STOP_WHY_MAX);

        return service->backend->begin_stop(service, why);
}

int service_begin_restart(Service *service) {
        assert(service);

        return service->backend->begin_restart(service);
}
