/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

/* Ceilings of everything that has a size. What the warden holds follows from these and from the configuration. */
enum {
        SERVICES_MAX = 64, /* one small machine; tables of this many are found by walking */
        DISKS_MAX = 8,     /* mount points watched by host.disk.paths */
        NAME_SIZE = 64,    /* a service's name with its terminator */
        PATH_SIZE =
                1024, /* paths we build ourselves; longer ones are refused by the configuration */
        LEDGER_MAX = 32,       /* restarts remembered per service; older than `per` are of no use */
        LOG_FILES_MAX = 8,     /* per service */
        LOG_PATTERNS_MAX = 64, /* per service */
        OUTSIDE_URLS_MAX = 4,  /* watch.outside */
        COMMAND_WORDS_MAX = 64,  /* words of a command */
        EVENT_TEXT_SIZE = 560,   /* a few sentences; a Korean syllable takes three bytes */
        EVENT_REASON_SIZE = 320, /* one flat JSON object */
        DECISION_EVENTS_MAX =
                256, /* events one step may tell; enough for every check of every service at once */
        CONFIG_BYTES_MAX = 1 << 20,
};
