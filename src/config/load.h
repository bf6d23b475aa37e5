/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "model/config.h"
#include "model/limits.h"

#define CONFIG_ERROR_SIZE (PATH_SIZE + 512)

/* What is wrong with a configuration, and where. */
typedef struct ConfigError {
        char path[PATH_SIZE];
        unsigned line; /* from 1; 0 when it is not about a place in the file */
        unsigned column;
        char message[CONFIG_ERROR_SIZE]; /* whole: "FILE:12:7: watch.interval: expected …" */
} ConfigError;

/* Reads and checks a file. On failure a negative errno (-EINVAL when the content is wrong, else what open(2) or read(2)
 * said), and `reterr_error` is filled in every case. The result is released with config_free(). */
int config_load(const char *path, Config **ret_config, ConfigError *reterr_error);

/* The same for text in memory. `path` is absolute and only named, not opened; a relative `root` starts at its folder.
 * Pure apart from memory; fuzzed. */
int config_parse(const char *text,
                 size_t length,
                 const char *path,
                 Config **ret_config,
                 ConfigError *reterr_error);

/* Drops everything; NULL is fine. Returns NULL. */
Config *config_free(Config *config);

static inline void config_cleanup(Config **config) {
        *config = config_free(*config);
}

#define CLEANUP_CONFIG CLEANUP(config_cleanup)
