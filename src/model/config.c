/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Config: looking things up in the configuration.
 *
 * The services are found by walking: there are at most a few dozen, and an index would be one more
 * thing to keep true. How the configuration comes to be is config/'s business.
 */

#include "model/config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int config_find_service(const Config *config, const char *name) {
        assert(config);
        assert(name);

        for (unsigned i = 0; i < config->n_services; i++)
                if (strcmp(config->services[i].name, name) == 0)
                        return (int) i;

        return -ENOENT;
}
