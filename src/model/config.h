/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "model/check.h"
#include "model/level.h"
#include "model/limits.h"

/* The typed, immutable configuration: made whole by config/, read by everyone, replaced whole on reload. Strings are
 * never NULL (empty when not set) and live as long as the configuration. Paths are absolute: made so with `root`. */

typedef struct Thresholds {
        int64_t warning; /* in the unit of the check: permille, usec or a count */
        int64_t critical;
} Thresholds;

typedef struct WatchConfig {
        usec_t interval_usec;
        usec_t sample_usec;
        unsigned failures;
        unsigned successes;
        usec_t grace_usec;
        usec_t cooldown_usec;
        unsigned max_restarts;
        usec_t per_usec;
        usec_t remind_usec; /* a person's stop is mentioned again after this long (6 h) */
        unsigned n_outside;
        const char *outside
                [OUTSIDE_URLS_MAX]; /* any one that answers means: the outside can be reached */
} WatchConfig;

typedef struct HostConfig {
        Thresholds cpu;
        Thresholds memory;
        Thresholds disk;
        unsigned n_disk_paths;
        const char *disk_paths[DISKS_MAX];
} HostConfig;

typedef struct ApiConfig {
        const char *url; /* empty: no check */
        usec_t timeout_usec;
        Thresholds latency;
        const char *fresh_field; /* empty: freshness is not looked at; "a.b" reaches into objects */
        usec_t fresh_max_age_usec;
        bool may_restart; /* counts towards a restart (true) or only towards an alarm */
} ApiConfig;

typedef struct PatternConfig {
        const char *match; /* a regular expression (PCRE syntax) */
        Level level;
        unsigned line; /* where it stands in the file, for messages */
} PatternConfig;

typedef struct LogsConfig {
        unsigned n_files;
        const char *files[LOG_FILES_MAX];
        bool is_journal;
        usec_t window_usec;
        unsigned n_patterns;
        PatternConfig patterns[LOG_PATTERNS_MAX];
        Thresholds error_rate; /* permille of lines */
        bool may_restart;
} LogsConfig;

typedef struct HeartbeatConfig {
        const char *file; /* empty: no check */
        usec_t max_age_usec;
        bool may_restart;
} HeartbeatConfig;

typedef struct DrainConfig {
        unsigned n_words;
        const char *command[COMMAND_WORDS_MAX + 1]; /* NULL-terminated argv */
        const char *url;
        usec_t timeout_usec;
} DrainConfig;

typedef struct ServiceConfig {
        const char *name;
        const char *unit;                           /* systemd; empty for an embedded service */
        unsigned n_words;                           /* zero for a systemd service */
        const char *command[COMMAND_WORDS_MAX + 1]; /* NULL-terminated argv */
        const char *directory;                      /* working directory, default `root` */
        const char *user;                           /* run as, when we are root; empty: as we are */
        const char *output; /* file its standard output and error are appended to; empty: our own */
        bool is_started; /* start it when the watch begins (true), or only guard it once it runs */
        int stop_signal;
        usec_t stop_timeout_usec;
        usec_t restart_delay_usec; /* 30 s */
        unsigned start_limit;      /* 3 starts … */
        usec_t start_limit_per_usec; /* … in 600 s, the first one counted, as StartLimitBurst= does */
        uint64_t memory_max_bytes; /* 0: none */
        uint64_t descriptors_max;  /* RLIMIT_NOFILE, 0: as inherited */
        uint64_t processes_max;    /* RLIMIT_NPROC or pids.max, 0: as inherited */
        ApiConfig api;
        LogsConfig logs;
        HeartbeatConfig heartbeat;
        bool has_agent; /* agent: auto */
        DrainConfig drain;
        Thresholds memory;      /* permille of its ceiling; warning and critical */
        Thresholds cpu;         /* permille of the machine; zero: none */
        Thresholds descriptors; /* permille of its limit */
        Thresholds connections; /* count */
} ServiceConfig;

typedef struct PreventionConfig {
        uint32_t collect_permille;
        uint32_t force_permille;
        uint32_t rotate_permille;
        unsigned n_log_dirs;
        const char *log_dirs[LOG_FILES_MAX];
        usec_t keep_usec;
        usec_t keep_forced_usec;
        uint64_t total_max_bytes;
} PreventionConfig;

typedef struct Config {
        const char *path;     /* the file it came from; empty for `run` */
        const char *language; /* "en" or "ko" */
        const char *root;
        const char *state_dir;
        const char *run_dir;
        const char *clerk_user; /* empty: chosen at start */
        WatchConfig watch;
        HostConfig host;
        unsigned n_services;
        ServiceConfig *services;
        PreventionConfig prevention;
        usec_t gc_interval_usec;      /* system.gc_interval, seconds in the file */
        uint32_t max_memory_permille; /* system.max_memory_percent */
        const char *log_level;        /* logging.level */
        uint64_t log_max_file_bytes;
        unsigned log_backup_count;
        unsigned pool_limit;
        unsigned pool_limit_per_host;
        usec_t pool_ttl_dns_cache_usec;
        const char *serve_listen;   /* "127.0.0.1:8787"; empty: no page */
        uint64_t history_max_bytes; /* cap of history.db */
        usec_t history_keep_usec;   /* raw samples and events older than this go */
        void *arena;                /* owns every string and array above */
} Config;

/* Index of the service of that name, or -ENOENT. */
int config_find_service(const Config *config, const char *name);
