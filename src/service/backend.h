/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "service/service.h"

/* What a way of running services has to be able to do; service.c hands each call through. */
typedef struct ServiceBackend {
        int (*open)(Service *service); /* sets service->backend_state, also takes over what runs */
        void (*close)(Service *service);
        void (*facts)(const Service *service, ServiceFacts *ret_facts); /* times since boot */
        int (*begin_start)(Service *service);
        int (*begin_stop)(Service *service, StopWhy why);
        int (*begin_restart)(Service *service);
        void (*config_changed)(Service *service);
        void (*set_incarnation)(Service *service, uint64_t incarnation);
        int (*pidfd)(const Service *service);
        uint64_t (*oom_kills)(const Service *service);
} ServiceBackend;

struct Service {
        const ServiceBackend *backend;
        void *backend_state;
        const ServiceConfig *config;
        const Config *root_config;
        sd_event *event;
        ServiceHandlers handlers;
        usec_t clock_offset_usec;
};

/* Forked and executed by ourselves. */
extern const ServiceBackend backend_embedded;
