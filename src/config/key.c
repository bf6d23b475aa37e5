/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Key: every key there is, in one table.
 *
 * A line of it says where the key stands, what it takes, between which bounds, what holds when it is
 * absent, where the value goes and what it is good for. Parsing, defaults, bounds, the pairs of
 * warning and critical, what is required, the suggestions for a misspelt key and the reference in
 * the documentation all come from here; a test holds the documentation to it. A new key is one line.
 *
 * The lines stand in the order in which the file is best read.
 */

#include "config/key.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "base/time.h"
#include "model/config.h"

/* Where a value goes: the scope is named once per group below. */
#define IN(owner, member) \
        .is_stored = true, .offset = offsetof(owner, member), .size = sizeof(((owner *) 0)->member)

/* The same for a list. Arrays of words keep one place for their NULL. */
#define LIST_IN(owner, count, member)                         \
        .is_stored = true, .offset = offsetof(owner, member), \
        .offset_count = offsetof(owner, count), .most = ELEMENTSOF(((owner *) 0)->member)

#define BETWEEN(low, high) .min = (low), .max = (high)
#define PERCENT_RANGE BETWEEN(1, 1000)
#define TIME_RANGE BETWEEN(100 * USEC_PER_MSEC, 7 * USEC_PER_DAY)
#define WAIT_RANGE BETWEEN(0, 7 * USEC_PER_DAY)
#define KEEP_RANGE BETWEEN(USEC_PER_HOUR, 3650 * USEC_PER_DAY)

#define WARNING_HELP "From here on the level is warning."
#define CRITICAL_HELP "From here on the level is critical."

/* The service that the guide is about; what holds when `services` is absent. */
#define DEFAULT_PATTERNS                                                             \
        "[{match: CRITICAL, level: critical}, {match: Traceback, level: critical}, " \
        "{match: 'ERROR.*Connection lost', level: warning}, "                        \
        "{match: 'ERROR.*API rate limit', level: warning}, "                         \
        "{match: SystemExit, level: warning}, {match: KeyboardInterrupt, level: warning}]"
#define DEFAULT_SERVICES                                                                \
        "[{name: albratrading-multi, unit: albratrading-multi.service, "                \
        "api: {url: 'http://localhost:5000/api/status', fresh: {field: last_update}}, " \
        "logs: {files: [logs/trading.log, logs/systemd_multi_error.log]}, "             \
        "heartbeat: {file: state/heartbeat}}]"

const Key config_keys[] = {
        { "language", VALUE_CHOICE, SCOPE_CONFIG, IN(Config, language), .choices = "en|ko",
          .fallback = "en", .help = "The language of every text a person reads." },
        { "root", VALUE_PATH, SCOPE_CONFIG, IN(Config, root),
          .fallback = "/home/ubuntu/AlbraTrading",
          .help = "Where relative paths below start. If it is relative itself, it starts at the folder of this file." },
        { "state_dir", VALUE_PATH, SCOPE_CONFIG, IN(Config, state_dir),
          .fallback = "/var/lib/albraguard",
          .help = "What must survive a restart: checkpoint, history, spool, evidence." },
        { "run_dir", VALUE_PATH, SCOPE_CONFIG, IN(Config, run_dir), .fallback = "/run/albraguard",
          .help = "The socket of the daemon." },
        { "clerk_user", VALUE_TEXT, SCOPE_CONFIG, IN(Config, clerk_user),
          .computed = "chosen at start",
          .help = "The user as whom the part that talks to the network runs, when the daemon is root." },

        { "watch", VALUE_SECTION, SCOPE_CONFIG, .help = "How often to look, and when to restart." },
        { "watch.interval", VALUE_DURATION, SCOPE_CONFIG, IN(Config, watch.interval_usec),
          TIME_RANGE, .fallback = "30s", .help = "Time between two full checks." },
        { "watch.sample", VALUE_DURATION, SCOPE_CONFIG, IN(Config, watch.sample_usec), TIME_RANGE,
          .fallback = "5s",
          .help = "Time between two light samples of use, for trends. Not longer than `interval`." },
        { "watch.failures", VALUE_COUNT, SCOPE_CONFIG, IN(Config, watch.failures), BETWEEN(1, 1000),
          .fallback = "3", .help = "Failures of a check in a row before a restart." },
        { "watch.successes", VALUE_COUNT, SCOPE_CONFIG, IN(Config, watch.successes),
          BETWEEN(1, 1000), .fallback = "2",
          .help = "Good looks in a row before a failing check has recovered." },
        { "watch.grace", VALUE_DURATION, SCOPE_CONFIG, IN(Config, watch.grace_usec), WAIT_RANGE,
          .fallback = "60s", .help = "After a start a service is not judged for this long." },
        { "watch.cooldown", VALUE_DURATION, SCOPE_CONFIG, IN(Config, watch.cooldown_usec),
          WAIT_RANGE, .fallback = "5m",
          .help = "Time between two restarts of a service, at least. It doubles with each that did not help, up to 30 m." },
        { "watch.max_restarts", VALUE_COUNT, SCOPE_CONFIG, IN(Config, watch.max_restarts),
          BETWEEN(0, LEDGER_MAX), .fallback = "3",
          .help = "Restarts of a service within `per`, at most; then it is held. With 0 nothing is restarted." },
        { "watch.per", VALUE_DURATION, SCOPE_CONFIG, IN(Config, watch.per_usec), TIME_RANGE,
          .fallback = "1h", .help = "The window in which `max_restarts` counts." },
        { "watch.outside", VALUE_URLS, SCOPE_CONFIG,
          LIST_IN(Config, watch.n_outside, watch.outside), .fallback = "[]",
          .help = "Addresses beyond this machine. While none of them answers, a service is not restarted for failing to reach others. An empty list asks nobody." },
        { "watch.remind", VALUE_DURATION, SCOPE_CONFIG, IN(Config, watch.remind_usec),
          BETWEEN(0, 30 * USEC_PER_DAY), .fallback = "6h",
          .help = "A service that a person stopped or paused is mentioned again after this long; with 0 never." },

        { "host", VALUE_SECTION, SCOPE_CONFIG, .help = "Levels of the machine as a whole." },
        { "host.cpu", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Busy time of all processors together." },
        { "host.cpu.warning", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, host.cpu.warning),
          PERCENT_RANGE, .fallback = "70%", .help = WARNING_HELP },
        { "host.cpu.critical", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, host.cpu.critical),
          PERCENT_RANGE, .fallback = "85%", .help = CRITICAL_HELP },
        { "host.memory", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Memory that is not available to programs." },
        { "host.memory.warning", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, host.memory.warning),
          PERCENT_RANGE, .fallback = "70%", .help = WARNING_HELP },
        { "host.memory.critical", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, host.memory.critical),
          PERCENT_RANGE, .fallback = "80%", .help = CRITICAL_HELP },
        { "host.disk", VALUE_SECTION, SCOPE_CONFIG, .help = "Space used on each of `paths`." },
        { "host.disk.warning", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, host.disk.warning),
          PERCENT_RANGE, .fallback = "80%", .help = WARNING_HELP },
        { "host.disk.critical", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, host.disk.critical),
          PERCENT_RANGE, .fallback = "90%", .help = CRITICAL_HELP },
        { "host.disk.paths", VALUE_PATHS, SCOPE_CONFIG,
          LIST_IN(Config, host.n_disk_paths, host.disk_paths), .fallback = "[/]",
          .help = "The file systems to watch, each named by any path on it." },

        { "services", VALUE_RECORDS, SCOPE_CONFIG, .is_stored = true,
          .offset = offsetof(Config, services), .offset_count = offsetof(Config, n_services),
          .most = SERVICES_MAX, .fallback = DEFAULT_SERVICES,
          .computed = "the service of the guide, as above",
          .help = "What is guarded. Without this key it is the service `albratrading-multi`; an empty list guards the machine alone." },
        { "services[].name", VALUE_NAME, SCOPE_SERVICE, IN(ServiceConfig, name),
          .is_required = true,
          .help = "Its name in every command and message: letters, digits and `_ . @ -`, at most 63." },
        { "services[].unit", VALUE_UNIT, SCOPE_SERVICE, IN(ServiceConfig, unit),
          .help = "The systemd unit that runs it. Either this or `command`." },
        { "services[].command", VALUE_WORDS, SCOPE_SERVICE,
          LIST_IN(ServiceConfig, n_words, command),
          .help = "The command to run ourselves, without systemd: a list of words, no shell. A first word without a slash is looked for in PATH when it starts; a relative one with a slash starts at `root`." },
        { "services[].directory", VALUE_PATH, SCOPE_SERVICE, IN(ServiceConfig, directory),
          .is_command_only = true, .fallback = ".", .computed = "`root`",
          .help = "Its working directory. With `command` only." },
        { "services[].user", VALUE_TEXT, SCOPE_SERVICE, IN(ServiceConfig, user),
          .is_command_only = true, .computed = "our own",
          .help = "The user as whom it runs, when we are root. With `command` only." },
        { "services[].output", VALUE_PATH, SCOPE_SERVICE, IN(ServiceConfig, output),
          .is_command_only = true, .computed = "our own",
          .help = "The file to which its standard output and error are appended. With `command` only." },
        { "services[].start", VALUE_SWITCH, SCOPE_SERVICE, IN(ServiceConfig, is_started),
          .choices = "no|yes", .fallback = "yes",
          .help = "Start it when the watch begins and it has never run, or (`no`) guard it only once it runs." },
        { "services[].stop", VALUE_SECTION, SCOPE_SERVICE, .is_command_only = true,
          .help = "How it is stopped. With `command` only." },
        { "services[].stop.signal", VALUE_SIGNAL, SCOPE_SERVICE, IN(ServiceConfig, stop_signal),
          .fallback = "TERM",
          .help = "The signal that asks it to end: HUP, INT, QUIT, ABRT, KILL, USR1, USR2 or TERM." },
        { "services[].stop.timeout", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, stop_timeout_usec), BETWEEN(100 * USEC_PER_MSEC, USEC_PER_HOUR),
          .fallback = "30s", .help = "How long it may take to end before it is killed." },
        { "services[].restart_delay", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, restart_delay_usec), BETWEEN(0, USEC_PER_DAY), .fallback = "30s",
          .help = "The wait between its death and its next start." },
        { "services[].start_limit", VALUE_COUNT, SCOPE_SERVICE, IN(ServiceConfig, start_limit),
          BETWEEN(1, LEDGER_MAX), .is_command_only = true, .fallback = "3",
          .help = "Starts within `start_limit_per`, at most, the first one counted. With `command` only." },
        { "services[].start_limit_per", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, start_limit_per_usec), TIME_RANGE, .is_command_only = true,
          .fallback = "600s",
          .help = "The window in which `start_limit` counts. With `command` only." },
        { "services[].memory_max", VALUE_SIZE, SCOPE_SERVICE, IN(ServiceConfig, memory_max_bytes),
          BETWEEN(1 << 20, 1ULL << 50),
          .computed =
                  "with `command`: `system.max_memory_percent` of the machine; with `unit`: what the unit says",
          .help = "Its memory ceiling." },
        { "services[].descriptors_max", VALUE_COUNT, SCOPE_SERVICE,
          IN(ServiceConfig, descriptors_max), BETWEEN(16, 1ULL << 30), .is_command_only = true,
          .computed = "as inherited",
          .help = "How many files it may have open. With `command` only." },
        { "services[].processes_max", VALUE_COUNT, SCOPE_SERVICE, IN(ServiceConfig, processes_max),
          BETWEEN(1, 1U << 22), .is_command_only = true, .computed = "as inherited",
          .help = "How many processes and threads it may have. With `command` only." },

        { "services[].api", VALUE_SECTION, SCOPE_SERVICE,
          .help = "An address that must answer. Without this section there is no such check." },
        { "services[].api.url", VALUE_URL, SCOPE_SERVICE, IN(ServiceConfig, api.url),
          .is_required = true, .help = "What to ask (GET); well is an answer 2xx." },
        { "services[].api.timeout", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, api.timeout_usec), BETWEEN(100 * USEC_PER_MSEC, 10 * USEC_PER_MINUTE),
          .fallback = "10s", .help = "The whole answer must be there within this time." },
        { "services[].api.latency", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Levels of the time an answer takes." },
        { "services[].api.latency.warning", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, api.latency.warning), BETWEEN(USEC_PER_MSEC, USEC_PER_HOUR),
          .fallback = "1s", .help = WARNING_HELP },
        { "services[].api.latency.critical", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, api.latency.critical), BETWEEN(USEC_PER_MSEC, USEC_PER_HOUR),
          .fallback = "5s", .help = CRITICAL_HELP },
        { "services[].api.fresh", VALUE_SECTION, SCOPE_SERVICE,
          .help = "A moment in the JSON answer that must keep moving: answered but old is a failure. Without this section it is not looked at." },
        { "services[].api.fresh.field", VALUE_TEXT, SCOPE_SERVICE,
          IN(ServiceConfig, api.fresh_field), .is_required = true,
          .help = "The field that holds it; `a.b` reaches into objects." },
        { "services[].api.fresh.max_age", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, api.fresh_max_age_usec), TIME_RANGE, .fallback = "300s",
          .help = "How old it may be." },
        { "services[].api.restart", VALUE_SWITCH, SCOPE_SERVICE, IN(ServiceConfig, api.may_restart),
          .choices = "no|yes", .fallback = "yes",
          .help = "Whether failures count towards a restart or (`no`) only alarm." },

        { "services[].logs", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Its log, followed for severe lines. Without this section there is no such check." },
        { "services[].logs.files", VALUE_PATHS, SCOPE_SERVICE,
          LIST_IN(ServiceConfig, logs.n_files, logs.files),
          .help = "The files to follow. Either this or `journal`." },
        { "services[].logs.journal", VALUE_SWITCH, SCOPE_SERVICE,
          IN(ServiceConfig, logs.is_journal), .choices = "no|yes", .fallback = "no",
          .help = "Follow the unit's lines in the systemd journal instead of files." },
        { "services[].logs.window", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, logs.window_usec), BETWEEN(USEC_PER_SEC, USEC_PER_DAY),
          .fallback = "5m", .help = "Lines this recent count." },
        { "services[].logs.patterns", VALUE_RECORDS, SCOPE_SERVICE,
          LIST_IN(ServiceConfig, logs.n_patterns, logs.patterns), .fallback = DEFAULT_PATTERNS,
          .computed = "the six of the guide, as above",
          .help = "What makes a line severe. A list here replaces the default one; an empty list leaves only `error_rate`." },
        { "services[].logs.patterns[].match", VALUE_TEXT, SCOPE_PATTERN, IN(PatternConfig, match),
          .is_required = true, .help = "A regular expression, found anywhere in the line." },
        { "services[].logs.patterns[].level", VALUE_LEVEL, SCOPE_PATTERN, IN(PatternConfig, level),
          .is_required = true, .help = "`warning` or `critical`." },
        { "services[].logs.error_rate", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Levels of the share of severe lines among all lines of the window." },
        { "services[].logs.error_rate.warning", VALUE_PERCENT, SCOPE_SERVICE,
          IN(ServiceConfig, logs.error_rate.warning), PERCENT_RANGE, .fallback = "1%",
          .help = WARNING_HELP },
        { "services[].logs.error_rate.critical", VALUE_PERCENT, SCOPE_SERVICE,
          IN(ServiceConfig, logs.error_rate.critical), PERCENT_RANGE, .fallback = "5%",
          .help = CRITICAL_HELP },
        { "services[].logs.restart", VALUE_SWITCH, SCOPE_SERVICE,
          IN(ServiceConfig, logs.may_restart), .choices = "no|yes", .fallback = "no",
          .help = "Whether critical lines count towards a restart or (`no`) only alarm. A line stays in the window for many checks, so `yes` lets a single one restart the service." },

        { "services[].heartbeat", VALUE_SECTION, SCOPE_SERVICE,
          .help = "A file that the service touches as it works. Without this section there is no such check." },
        { "services[].heartbeat.file", VALUE_PATH, SCOPE_SERVICE, IN(ServiceConfig, heartbeat.file),
          .is_required = true, .help = "The file whose time of change is looked at." },
        { "services[].heartbeat.max_age", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, heartbeat.max_age_usec), TIME_RANGE, .fallback = "120s",
          .help = "How old it may be." },
        { "services[].heartbeat.restart", VALUE_SWITCH, SCOPE_SERVICE,
          IN(ServiceConfig, heartbeat.may_restart), .choices = "no|yes", .fallback = "yes",
          .help = "Whether failures count towards a restart or (`no`) only alarm." },

        { "services[].agent", VALUE_SWITCH, SCOPE_SERVICE, IN(ServiceConfig, has_agent),
          .choices = "off|auto", .fallback = "auto",
          .help = "Speak with the agent inside the Python process when there is one, or never." },
        { "services[].drain", VALUE_SECTION, SCOPE_SERVICE,
          .help = "What is asked of the service before it is stopped, so that it can close its business." },
        { "services[].drain.command", VALUE_WORDS, SCOPE_SERVICE,
          LIST_IN(ServiceConfig, drain.n_words, drain.command), .fallback = "[]",
          .help = "A command to run, a list of words as in `command`. Either this or `url`; empty: nothing is asked." },
        { "services[].drain.url", VALUE_URL, SCOPE_SERVICE, IN(ServiceConfig, drain.url),
          .help = "An address to POST to." },
        { "services[].drain.timeout", VALUE_DURATION, SCOPE_SERVICE,
          IN(ServiceConfig, drain.timeout_usec), BETWEEN(100 * USEC_PER_MSEC, USEC_PER_HOUR),
          .fallback = "10s", .help = "After this time it is stopped all the same." },

        { "services[].memory", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Levels of its memory, as a share of its ceiling (without one, of the machine)." },
        { "services[].memory.warning", VALUE_PERCENT, SCOPE_SERVICE,
          IN(ServiceConfig, memory.warning), PERCENT_RANGE, .fallback = "80%",
          .help = WARNING_HELP },
        { "services[].memory.critical", VALUE_PERCENT, SCOPE_SERVICE,
          IN(ServiceConfig, memory.critical), PERCENT_RANGE, .fallback = "90%",
          .help = CRITICAL_HELP },
        { "services[].cpu", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Levels of its processor time, as a share of the whole machine." },
        { "services[].cpu.warning", VALUE_PERCENT, SCOPE_SERVICE, IN(ServiceConfig, cpu.warning),
          PERCENT_RANGE, .computed = "none", .help = WARNING_HELP },
        { "services[].cpu.critical", VALUE_PERCENT, SCOPE_SERVICE, IN(ServiceConfig, cpu.critical),
          PERCENT_RANGE, .computed = "none", .help = CRITICAL_HELP },
        { "services[].descriptors", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Levels of its open files, as a share of its limit." },
        { "services[].descriptors.warning", VALUE_PERCENT, SCOPE_SERVICE,
          IN(ServiceConfig, descriptors.warning), PERCENT_RANGE,
          .computed = "`prevention.descriptors.warning`", .help = WARNING_HELP },
        { "services[].descriptors.critical", VALUE_PERCENT, SCOPE_SERVICE,
          IN(ServiceConfig, descriptors.critical), PERCENT_RANGE,
          .computed = "three quarters of the way from warning to 100%: 95%",
          .help = CRITICAL_HELP },
        { "services[].connections", VALUE_SECTION, SCOPE_SERVICE,
          .help = "Levels of its open sockets." },
        { "services[].connections.warning", VALUE_COUNT, SCOPE_SERVICE,
          IN(ServiceConfig, connections.warning), BETWEEN(1, 1U << 24),
          .computed = "four fifths of critical: 800", .help = WARNING_HELP },
        { "services[].connections.critical", VALUE_COUNT, SCOPE_SERVICE,
          IN(ServiceConfig, connections.critical), BETWEEN(2, 1U << 24),
          .computed = "`prevention.connections.critical`", .help = CRITICAL_HELP },

        { "prevention", VALUE_SECTION, SCOPE_CONFIG,
          .help = "When to act before there is trouble." },
        { "prevention.memory", VALUE_SECTION, SCOPE_CONFIG, .help = "Memory of the machine." },
        { "prevention.memory.collect", VALUE_PERCENT, SCOPE_CONFIG,
          IN(Config, prevention.collect_permille), PERCENT_RANGE, .fallback = "70%",
          .help = "From here on the services are asked to collect garbage." },
        { "prevention.memory.force", VALUE_PERCENT, SCOPE_CONFIG,
          IN(Config, prevention.force_permille), PERCENT_RANGE, .fallback = "85%",
          .help = "From here on a full collection is asked for, and old logs go (`keep_forced`)." },
        { "prevention.descriptors", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Open files, for every service that has no level of its own." },
        { "prevention.descriptors.warning", VALUE_PERCENT, SCOPE_CONFIG, .min = 1, .max = 1000,
          .fallback = "80%", .help = "Share of its limit." },
        { "prevention.connections", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Open sockets, for every service that has no level of its own." },
        { "prevention.connections.critical", VALUE_COUNT, SCOPE_CONFIG, .min = 2, .max = 1U << 24,
          .fallback = "1000", .help = "How many are too many." },
        { "prevention.disk", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Space on the disk of the logs." },
        { "prevention.disk.rotate", VALUE_PERCENT, SCOPE_CONFIG,
          IN(Config, prevention.rotate_permille), PERCENT_RANGE, .fallback = "80%",
          .help = "From here on logs are rotated." },
        { "prevention.logs", VALUE_SECTION, SCOPE_CONFIG, .help = "Which logs are ours to tidy." },
        { "prevention.logs.dirs", VALUE_PATHS, SCOPE_CONFIG,
          LIST_IN(Config, prevention.n_log_dirs, prevention.log_dirs), .fallback = "[logs]",
          .help = "Folders whose old logs may be deleted. Nothing elsewhere is touched." },
        { "prevention.logs.keep", VALUE_DURATION, SCOPE_CONFIG, IN(Config, prevention.keep_usec),
          KEEP_RANGE, .fallback = "7d", .help = "Rotated logs older than this go." },
        { "prevention.logs.keep_forced", VALUE_DURATION, SCOPE_CONFIG,
          IN(Config, prevention.keep_forced_usec), KEEP_RANGE, .fallback = "3d",
          .help = "The same in need: memory above `force`, or a disk that fills." },
        { "prevention.logs.total_max", VALUE_SIZE, SCOPE_CONFIG,
          IN(Config, prevention.total_max_bytes), BETWEEN(1 << 20, 1ULL << 50), .fallback = "1GB",
          .help = "All rotated logs together, at most; the oldest go first." },

        { "system", VALUE_SECTION, SCOPE_CONFIG, .help = "The guide's own keys for the process." },
        { "system.gc_interval", VALUE_DURATION, SCOPE_CONFIG, IN(Config, gc_interval_usec),
          BETWEEN(USEC_PER_SEC, USEC_PER_DAY), .fallback = "300",
          .help = "The agent collects garbage this often, in seconds." },
        { "system.max_memory_percent", VALUE_PERCENT, SCOPE_CONFIG, IN(Config, max_memory_permille),
          BETWEEN(50, 1000), .fallback = "75",
          .help = "Share of the machine's memory that a service may use when it has no `memory_max`." },
        { "logging", VALUE_SECTION, SCOPE_CONFIG, .help = "The guide's own keys for logs." },
        { "logging.level", VALUE_CHOICE, SCOPE_CONFIG, IN(Config, log_level),
          .choices = "DEBUG|INFO|WARNING|ERROR|CRITICAL", .fallback = "WARNING",
          .help = "What the daemon itself logs, and what the agent sets." },
        { "logging.max_file_size", VALUE_SIZE, SCOPE_CONFIG, IN(Config, log_max_file_bytes),
          BETWEEN(1 << 12, 1ULL << 40), .fallback = "100MB",
          .help = "A log larger than this is rotated." },
        { "logging.backup_count", VALUE_COUNT, SCOPE_CONFIG, IN(Config, log_backup_count),
          BETWEEN(0, 1000), .fallback = "5", .help = "How many rotated files of a log are kept." },
        { "pool", VALUE_SECTION, SCOPE_CONFIG,
          .help = "The bot's HTTP connection pool, as the guide sets it." },
        { "pool.limit", VALUE_COUNT, SCOPE_CONFIG, IN(Config, pool_limit), BETWEEN(1, 1U << 20),
          .fallback = "100", .help = "Connections altogether." },
        { "pool.limit_per_host", VALUE_COUNT, SCOPE_CONFIG, IN(Config, pool_limit_per_host),
          BETWEEN(1, 1U << 20), .fallback = "30",
          .help = "Connections to one host. Not more than `limit`." },
        { "pool.ttl_dns_cache", VALUE_DURATION, SCOPE_CONFIG, IN(Config, pool_ttl_dns_cache_usec),
          BETWEEN(0, USEC_PER_DAY), .fallback = "300",
          .help = "How long a looked-up address is kept, in seconds." },

        { "telegram", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Messages to a phone. Checked here, but not used by this version yet." },
        { "telegram.token_file", VALUE_PATH, SCOPE_CONFIG,
          .fallback = "/etc/albraguard/telegram.token",
          .help = "The file that holds the bot's token, readable by few." },
        { "telegram.chats", VALUE_TEXTS, SCOPE_CONFIG, .most = 16, .fallback = "[]",
          .help = "Where messages go: chat numbers. Empty: nowhere." },
        { "telegram.users", VALUE_TEXTS, SCOPE_CONFIG, .most = 16, .fallback = "[]",
          .help = "Who may give commands: user numbers." },
        { "backup", VALUE_SECTION, SCOPE_CONFIG,
          .help = "Archives of what cannot be made again. Checked here, but not used by this version yet." },
        { "backup.dir", VALUE_PATH, SCOPE_CONFIG, .fallback = "backups",
          .help = "Where archives are put." },
        { "backup.state", VALUE_PATHS, SCOPE_CONFIG, .most = LOG_FILES_MAX, .fallback = "[state]",
          .help = "Archived daily." },
        { "backup.config", VALUE_PATHS, SCOPE_CONFIG, .most = LOG_FILES_MAX, .fallback = "[config]",
          .help = "Archived on each change." },
        { "backup.logs", VALUE_CHOICE, SCOPE_CONFIG, .choices = "off|daily|weekly|monthly",
          .fallback = "weekly", .help = "How often logs are archived." },
        { "backup.keep", VALUE_COUNT, SCOPE_CONFIG, .min = 1, .max = 10000, .fallback = "14",
          .help = "How many archives of each kind are kept." },

        { "history", VALUE_SECTION, SCOPE_CONFIG, .help = "What is remembered on disk." },
        { "history.max_size", VALUE_SIZE, SCOPE_CONFIG, IN(Config, history_max_bytes),
          BETWEEN(1 << 20, 1ULL << 40), .fallback = "256MB",
          .help = "The history file never grows beyond this." },
        { "history.keep", VALUE_DURATION, SCOPE_CONFIG, IN(Config, history_keep_usec), KEEP_RANGE,
          .fallback = "30d", .help = "Samples and events older than this go." },
        { "serve", VALUE_SECTION, SCOPE_CONFIG, .help = "The dashboard." },
        { "serve.listen", VALUE_LISTEN, SCOPE_CONFIG, IN(Config, serve_listen),
          .fallback = "127.0.0.1:8787",
          .help = "Address and port of the page, or `off`. Think twice before it is anything but this machine's own." },
};

const size_t n_config_keys = ELEMENTSOF(config_keys);

static const char *const type_words[] = {
        [VALUE_SECTION] = N_("a map of keys"),
        [VALUE_RECORDS] = N_("a list, each entry a map of keys"),
        [VALUE_TEXT] = N_("a text"),
        [VALUE_TEXTS] = N_("a list of texts such as [one, two]"),
        [VALUE_NAME] = N_("a name of letters, digits and _ . @ -"),
        [VALUE_UNIT] = N_("a systemd service such as bot.service"),
        [VALUE_PATH] = N_("a path"),
        [VALUE_PATHS] = N_("a list of paths such as [logs/bot.log]"),
        [VALUE_URL] = N_("an address such as http://localhost:5000/api/status"),
        [VALUE_URLS] = N_("a list of addresses such as [https://example.org/]"),
        [VALUE_WORDS] = N_("a list of words such as [venv/bin/python, bot.py]"),
        [VALUE_DURATION] = N_("a duration such as 30s"),
        [VALUE_SIZE] = N_("a size such as 100MB"),
        [VALUE_PERCENT] = N_("a percentage such as 70%"),
        [VALUE_COUNT] = N_("a whole number"),
        [VALUE_SWITCH] = N_("one of two words"),
        [VALUE_CHOICE] = N_("one of a few words"),
        [VALUE_SIGNAL] = N_("a signal such as TERM or INT"),
        [VALUE_LEVEL] = N_("warning or critical"),
        [VALUE_LISTEN] = N_("an address and port such as 127.0.0.1:8787, or off"),
};

static_assert(ELEMENTSOF(type_words) == _VALUE_TYPE_MAX, "words for each type");

const char *value_type_to_words(ValueType type) {
        assert(type < _VALUE_TYPE_MAX);
        return _(type_words[type]);
}

void value_put_number(Buf *buf, ValueType type, uint64_t number) {
        char text[DURATION_TEXT_SIZE];

        static_assert(SIZE_TEXT_SIZE <= DURATION_TEXT_SIZE, "one buffer serves both");

        if (type == VALUE_DURATION)
                buf_put(buf, text_render_duration(text, number));
        else if (type == VALUE_SIZE)
                buf_put(buf, text_render_size(text, number));
        else if (type == VALUE_PERCENT && number % 10 != 0)
                buf_printf(buf, "%" PRIu64 ".%" PRIu64 "%%", number / 10, number % 10);
        else if (type == VALUE_PERCENT)
                buf_printf(buf, "%" PRIu64 "%%", number / 10);
        else
                buf_printf(buf, "%" PRIu64, number);
}

const Key *key_find(const char *path) {
        for (size_t i = 0; i < n_config_keys; i++)
                if (strcmp(config_keys[i].path, path) == 0)
                        return &config_keys[i];

        return NULL;
}

size_t key_index(const Key *key) {
        return (size_t) (key - config_keys);
}

const char *key_name(const Key *key) {
        const char *dot = strrchr(key->path, '.');

        return dot ? dot + 1 : key->path;
}

bool key_is_child(const Key *key, const char *section) {
        size_t length = strlen(section);

        if (length == 0)
                return !strchr(key->path, '.');

        return strncmp(key->path, section, length) == 0 && key->path[length] == '.' &&
               !strchr(key->path + length + 1, '.');
}

static const Key *find_near(const char *section, const char *name) {
        /* A third of the letters may be wrong, and one of a short word. */
        unsigned nearest = MAX((unsigned) strnlen(name, 64) / 3, 1U) + 1;
        const Key *found = NULL;

        for (size_t i = 0; i < n_config_keys; i++) {
                if (!key_is_child(&config_keys[i], section))
                        continue;

                unsigned distance = text_distance(key_name(&config_keys[i]), name);
                if (distance < nearest) {
                        nearest = distance;
                        found = &config_keys[i];
                }
        }

        return found;
}

/* A key that exists, but elsewhere: wrongly indented, most likely. */
static const Key *find_elsewhere(const char *name) {
        for (size_t i = 0; i < n_config_keys; i++)
                if (strcmp(key_name(&config_keys[i]), name) == 0)
                        return &config_keys[i];

        return NULL;
}

void key_put_suggestion(Buf *buf, const char *section, const char *name) {
        const Key *near = find_near(section, name);
        const Key *elsewhere = find_elsewhere(name);
        const char *separator = "";

        if (near) {
                buf_printf(buf, _("; did you mean `%s`?"), key_name(near));
                return;
        }
        if (elsewhere) {
                buf_printf(buf, _("; did you mean `%s`?"), elsewhere->path);
                return;
        }

        buf_put(buf, _("; the keys here are "));
        for (size_t i = 0; i < n_config_keys; i++)
                if (key_is_child(&config_keys[i], section)) {
                        buf_printf(buf, "%s%s", separator, key_name(&config_keys[i]));
                        separator = ", ";
                }
}
