/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Verify: what no key can know alone.
 *
 * First the defaults that come from other keys are filled in; only now is everything read that they
 * may come from. Then the pairs: a warning must come before its critical level, a sample before the
 * check, two ways to say one thing exclude each other, and two services are two.
 *
 * A contradiction is told where it was written, and with both numbers, because either may be the one
 * that is wrong.
 */

#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "config/loader.h"

#define WHERE_SIZE 128

/* One struct with the keys that were given for it: the configuration, or one service of it. */
typedef struct Subject {
        Loader *loader;
        const void *base;
        const Mark *marks;
        KeyScope scope;
        unsigned number; /* of the service */
} Subject;

static Subject subject_of_service(Loader *loader, unsigned number) {
        return (Subject){
                .loader = loader,
                .base = &loader->config->services[number],
                .marks = loader->service_marks + (size_t) number * n_config_keys,
                .scope = SCOPE_SERVICE,
                .number = number,
        };
}

static Mark mark_of(const Subject *subject, const char *path) {
        const Key *key = key_find(path);

        assert(key);
        return subject->marks[key_index(key)];
}

static bool is_given(const Subject *subject, const char *path) {
        return mark_of(subject, path).column > 0;
}

/* "services[].unit" as "services[2].unit". */
static const char *
put_where(char buffer[static WHERE_SIZE], const Subject *subject, const char *path) {
        Buf buf;

        buf_init(&buf, buffer, WHERE_SIZE);
        if (subject->scope == SCOPE_SERVICE)
                buf_printf(&buf, "services[%u]%s", subject->number, path + strlen("services[]"));
        else
                buf_put(&buf, path);

        return buffer;
}

/* Told at the key that was given, of two. */
static Mark mark_of_either(const Subject *subject, const Key *a, const Key *b) {
        Mark mark = subject->marks[key_index(a)];

        return mark.line > 0 ? mark : subject->marks[key_index(b)];
}

static int check_order(const Subject *subject, const Key *low, const Key *high, bool may_be_equal) {
        uint64_t less = value_get_number(subject->loader, low, subject->base);
        uint64_t more = value_get_number(subject->loader, high, subject->base);
        Mark mark = mark_of_either(subject, low, high);
        char where[WHERE_SIZE];
        char other[WHERE_SIZE];
        char text[256];
        Buf buf;

        /* Zero is "none", which only some keys know. */
        if (less == 0 || more == 0 || less < more || (may_be_equal && less == more))
                return 0;

        (void) put_where(where, subject, low->path);
        buf_init(&buf, text, sizeof(text));
        value_put_number(&buf, low->type, less);
        (void) put_where(other, subject, high->path);
        if (may_be_equal)
                buf_printf(&buf, _(" must not be above `%s`, which is "), other);
        else
                buf_printf(&buf, _(" must be below `%s`, which is "), other);
        value_put_number(&buf, high->type, more);
        return loader_refuse(subject->loader, mark, where, "%s", text);
}

/* Every key that ends in "warning" has its level critical above it. */
static int check_levels(const Subject *subject) {
        static const char ending[] = ".warning";

        for (size_t i = 0; i < n_config_keys; i++) {
                const Key *low = &config_keys[i];
                size_t length = strlen(low->path);
                char high[WHERE_SIZE];
                Buf buf;

                if (low->scope != subject->scope || length < sizeof(ending) ||
                    strcmp(low->path + length - strlen(ending), ending) != 0)
                        continue;

                buf_init(&buf, high, sizeof(high));
                buf_put_n(&buf, low->path, length - strlen(ending));
                buf_put(&buf, ".critical");
                const Key *key = key_find(high);

                /* `prevention.descriptors` has no more than a warning. */
                int r = key ? check_order(subject, low, key, /* may_be_equal= */ false) : 0;
                if (r < 0)
                        return r;
        }

        return 0;
}

static int check_orders(const Subject *subject) {
        static const struct {
                const char *low;
                const char *high;
                bool may_be_equal;
        } orders[] = {
                { "watch.sample", "watch.interval", true },
                { "prevention.memory.collect", "prevention.memory.force", false },
                { "prevention.logs.keep_forced", "prevention.logs.keep", true },
                { "pool.limit_per_host", "pool.limit", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                const Key *low = key_find(orders[i].low);
                const Key *high = key_find(orders[i].high);

                int r = check_order(subject, low, high, orders[i].may_be_equal);
                if (r < 0)
                        return r;
        }

        return check_levels(subject);
}

static uint64_t aside(const Loader *loader, const char *path) {
        return loader->aside[key_index(key_find(path))];
}

static void complete(Loader *loader, unsigned number) {
        Subject subject = subject_of_service(loader, number);
        ServiceConfig *service = &loader->config->services[number];

        if (!is_given(&subject, "services[].descriptors.warning"))
                service->descriptors.warning =
                        (int64_t) aside(loader, "prevention.descriptors.warning");
        if (!is_given(&subject, "services[].descriptors.critical"))
                service->descriptors.critical = 1000 - (1000 - service->descriptors.warning) / 4;

        if (!is_given(&subject, "services[].connections.critical"))
                service->connections.critical =
                        (int64_t) aside(loader, "prevention.connections.critical");
        if (!is_given(&subject, "services[].connections.warning"))
                service->connections.warning = service->connections.critical * 4 / 5;
}

static int refuse_at(const Subject *subject, const char *path, const char *text) {
        char where[WHERE_SIZE];

        return loader_refuse(subject->loader, mark_of(subject, path),
                             put_where(where, subject, path), "%s", text);
}

static int check_runner(const Subject *subject, const ServiceConfig *service) {
        if (*service->unit && is_given(subject, "services[].command"))
                return refuse_at(subject, "services[].command",
                                 _("`unit` and `command` exclude each other"));
        if (!*service->unit && service->n_words == 0)
                return refuse_at(subject, "services[].name",
                                 _("this service needs a `unit` or a `command`"));
        if (!*service->unit)
                return 0;

        for (size_t i = 0; i < n_config_keys; i++)
                if (config_keys[i].is_command_only && subject->marks[i].column > 0)
                        return refuse_at(subject, config_keys[i].path,
                                         _("this goes with `command` only; a unit says it itself"));

        return 0;
}

static int check_logs(const Subject *subject, const ServiceConfig *service) {
        if (!is_given(subject, "services[].logs"))
                return 0;
        if (service->logs.is_journal && service->logs.n_files > 0)
                return refuse_at(subject, "services[].logs.journal",
                                 _("`files` and `journal` exclude each other"));
        if (!service->logs.is_journal && service->logs.n_files == 0)
                return refuse_at(subject, "services[].logs",
                                 _("`files` or `journal: yes` is missing here"));
        if (service->logs.is_journal && !*service->unit)
                return refuse_at(subject, "services[].logs.journal",
                                 _("only a `unit` has lines in the journal"));

        return 0;
}

/* Two entries for one thing would both restart it. */
static int check_unique(const Subject *subject, const ServiceConfig *service) {
        for (unsigned i = 0; i < subject->number; i++) {
                const ServiceConfig *other = &subject->loader->config->services[i];
                bool is_unit = *service->unit && strcmp(service->unit, other->unit) == 0;
                const char *path = is_unit ? "services[].unit" : "services[].name";
                char where[WHERE_SIZE];

                if (is_unit || strcmp(service->name, other->name) == 0)
                        return loader_refuse(subject->loader, mark_of(subject, path),
                                             put_where(where, subject, path),
                                             _("\"%s\" is taken already, by services[%u]"),
                                             is_unit ? service->unit : service->name, i);
        }

        return 0;
}

static int check_service(Loader *loader, unsigned number) {
        const ServiceConfig *service = &loader->config->services[number];
        Subject subject = subject_of_service(loader, number);

        int r = check_unique(&subject, service);
        if (r >= 0)
                r = check_runner(&subject, service);
        if (r >= 0)
                r = check_logs(&subject, service);
        if (r >= 0 && service->drain.n_words > 0 && *service->drain.url)
                r = refuse_at(&subject, "services[].drain.url",
                              _("`command` and `url` exclude each other"));

        return r < 0 ? r : check_levels(&subject);
}

int verify(Loader *loader) {
        Subject subject = {
                .loader = loader,
                .base = loader->config,
                .marks = loader->marks,
                .scope = SCOPE_CONFIG,
        };

        int r = check_orders(&subject);
        for (unsigned i = 0; r >= 0 && i < loader->config->n_services; i++) {
                complete(loader, i);
                r = check_service(loader, i);
        }

        return r;
}
