/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Follower: says when which file is looked at.
 *
 * The tails look at the truth; this only decides when. Each file has an instant at which it is due.
 * inotify(7) brings it forward: a change makes it due a tenth of a second later, and until then the
 * descriptor is not watched, so that a writer of 20 000 lines a second wakes us ten times a second
 * and not 20 000 times. Without any sign a file is due every few seconds: an event may be lost, a
 * folder may not be there yet, a mount may bring changes of other machines.
 *
 *   inotify ──► due = now + 100 ms ──► timer ──► tail_read(), at most 4 MB ──► due = what it says
 *
 * When a wake-up's budget is spent the timer is set to now, so that the loop gets round to everything
 * else first; the next wake-up begins with the file after.
 */

#include "hear/follower.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"
#include "hear/journal.h"
#include "model/limits.h"

/* How long changes are gathered before they are read. */
#define GATHER_USEC (100 * USEC_PER_MSEC)

/* How often a file is looked at without a sign; more often where inotify cannot give one. */
#define POLL_USEC (5 * USEC_PER_SEC)
#define POLL_BLIND_USEC (1 * USEC_PER_SEC)

/* Bytes read in one wake-up: a few milliseconds of work. */
#define BUDGET_BYTES ((size_t) 4 << 20)

#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
#define FILE_EVENTS (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

/* One file of one service. */
typedef struct Followed {
        Logs *logs;
        unsigned file;
        usec_t due_usec;
        int folder_watch; /* inotify watch descriptor; -1: none */
        int file_watch;
        uint64_t watched_inode;
} Followed;

struct Follower {
        sd_event *event;
        sd_event_source *timer;
        sd_event_source *inotify;
        int inotify_fd;
        unsigned n_services;
        Logs *logs[SERVICES_MAX];
        Journal *journals[SERVICES_MAX];
        size_t n_files;
        size_t next; /* whose turn it is first */
        Followed files[SERVICES_MAX * LOG_FILES_MAX];
        char *buffer;
};

typedef struct Arrival {
        Followed *followed;
        usec_t realtime_usec;
        usec_t boot_usec;
} Arrival;

static const char *path_of(const Followed *followed) {
        return logs_config(followed->logs)->files[followed->file];
}

static void on_lines(const TailBlock *block, void *userdata) {
        const Arrival *arrival = userdata;

        logs_feed(arrival->followed->logs, arrival->followed->file, block, arrival->realtime_usec,
                  arrival->boot_usec);
}

/* Two services may share a file or a folder, and inotify then gives both the same descriptor. */
static bool is_watch_shared(const Follower *follower, const Followed *but, int watch) {
        for (size_t i = 0; i < follower->n_files; i++) {
                const Followed *other = &follower->files[i];

                if (other != but && (other->file_watch == watch || other->folder_watch == watch))
                        return true;
        }

        return false;
}

static void watch_folder(Follower *follower, Followed *followed) {
        const char *path = path_of(followed);
        const char *slash = strrchr(path, '/');
        char folder[PATH_SIZE];

        if (followed->folder_watch >= 0 || !slash)
                return;

        int n = snprintf(folder, sizeof(folder), "%.*s", MAX((int) (slash - path), 1), path);
        if (n < (int) sizeof(folder))
                followed->folder_watch =
                        inotify_add_watch(follower->inotify_fd, folder, FOLDER_EVENTS);
}

/* Watches the very file that is held, which is not what the path leads to while it is being renamed. */
static void watch_file(Follower *follower, Followed *followed) {
        const TailFile *file = &logs_tail(followed->logs, followed->file)->present;
        char link[32];

        if (file->fd >= 0 && followed->file_watch >= 0 &&
            followed->watched_inode == file->position.inode)
                return;

        if (followed->file_watch >= 0 && !is_watch_shared(follower, followed, followed->file_watch))
                (void) inotify_rm_watch(follower->inotify_fd,
                                        followed->file_watch); /* may be gone already */
        followed->file_watch = -1;

        if (file->fd < 0)
                return;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
        followed->file_watch = inotify_add_watch(follower->inotify_fd, link, FILE_EVENTS);
        followed->watched_inode = file->position.inode;
}

/* Tells once for each change what keeps us from reading. */
static void report_state(const Followed *followed, TailState before) {
        int error;
        TailState state = logs_file_state(followed->logs, followed->file, &error);

        if (state == before)
                return;
        if (state == TAIL_UNREADABLE)
                (void) log_errno(LOG_LEVEL_WARNING, -error, _("cannot read the log %s"),
                                 path_of(followed));
        else if (state == TAIL_UNFIT)
                log_warning(_("the log %s is not a regular file and is not read"),
                            path_of(followed));
        else
                log_debug("the log %s is %s", path_of(followed),
                          state == TAIL_FOLLOWED ? "followed" : "not there");
}

/* Reads one file. Returns whether it used up the budget. */
static bool read_file(Follower *follower, Followed *followed, usec_t boot_now_usec) {
        Tail *tail = logs_tail(followed->logs, followed->file);
        TailState before = tail->state;
        Arrival arrival = {
                .followed = followed,
                .realtime_usec = clock_realtime_usec(),
                .boot_usec = boot_now_usec,
        };
        usec_t next_usec;

        bool has_more = tail_read(tail, follower->buffer, BUDGET_BYTES, boot_now_usec, on_lines,
                                  &arrival, &next_usec);
        if (!has_more)
                logs_feed_ended(followed->logs, followed->file);

        report_state(followed, before);
        watch_folder(follower, followed);
        watch_file(follower, followed);

        bool is_blind =
                followed->folder_watch < 0 || (tail->present.fd >= 0 && followed->file_watch < 0);
        usec_t poll_usec = usec_add(boot_now_usec, is_blind ? POLL_BLIND_USEC : POLL_USEC);

        followed->due_usec = has_more ? boot_now_usec : MIN(next_usec, poll_usec);
        return has_more;
}

static int set_timer(Follower *follower) {
        usec_t due_usec = USEC_INFINITY;

        for (size_t i = 0; i < follower->n_files; i++)
                due_usec = MIN(due_usec, follower->files[i].due_usec);

        int r = sd_event_source_set_time(follower->timer, due_usec);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(
                follower->timer, due_usec < USEC_INFINITY ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Follower *follower = userdata;
        usec_t now_usec = clock_boottime_usec();
        size_t first = follower->next;

        (void) source;
        (void) usec;

        /* What changes from here on is gathered for the next time. */
        int r = sd_event_source_set_enabled(follower->inotify, SD_EVENT_ON);
        if (r < 0)
                return r;

        for (size_t i = 0; i < follower->n_files; i++) {
                size_t index = (first + i) % follower->n_files;
                Followed *followed = &follower->files[index];

                if (followed->due_usec <= now_usec && read_file(follower, followed, now_usec)) {
                        follower->next = (index + 1) % follower->n_files;
                        break;
                }
        }

        return set_timer(follower);
}

static void mark(Follower *follower, const struct inotify_event *event, usec_t due_usec) {
        for (size_t i = 0; i < follower->n_files; i++) {
                Followed *followed = &follower->files[i];
                bool is_folder = event->wd == followed->folder_watch;
                bool is_file = event->wd == followed->file_watch;

                if (event->mask & IN_IGNORED) {
                        if (is_folder)
                                followed->folder_watch = -1;
                        if (is_file)
                                followed->file_watch = -1;
                } else if (is_folder && event->len > 0 && !(event->mask & IN_Q_OVERFLOW)) {
                        const char *slash = strrchr(path_of(followed), '/');

                        /* Others' files in the same folder are none of our business. */
                        if (slash && strcmp(slash + 1, event->name) != 0)
                                continue;
                } else if (!is_folder && !is_file && !(event->mask & IN_Q_OVERFLOW))
                        continue;

                followed->due_usec = MIN(followed->due_usec, due_usec);
        }
}

static int on_inotify(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Follower *follower = userdata;
        usec_t due_usec = usec_add(clock_boottime_usec(), GATHER_USEC);
        _Alignas(struct inotify_event) char events[4096];

        (void) revents;

        for (;;) {
                ssize_t n = read(fd, events, sizeof(events));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;

                for (const char *at = events; at < events + n;) {
                        const struct inotify_event *event = (const void *) at;

                        mark(follower, event, due_usec);
                        at += sizeof(*event) + event->len;
                }
        }

        /* The timer switches it on again. Files that are none of ours must not switch it off for long. */
        int r = set_timer(follower);
        if (r < 0)
                return r;

        for (size_t i = 0; i < follower->n_files; i++)
                if (follower->files[i].due_usec <= due_usec)
                        return sd_event_source_set_enabled(source, SD_EVENT_OFF);

        return 0;
}

static void follower_cleanup(Follower **follower) {
        *follower = follower_free(*follower);
}

int follower_new(sd_event *event, Follower **ret_follower) {
        assert(event);
        assert(ret_follower);

        CLEANUP(follower_cleanup) Follower *follower = calloc(1, sizeof(*follower));
        if (!follower)
                return -ENOMEM;

        follower->event = sd_event_ref(event);
        follower->buffer = malloc(TAIL_BUFFER_SIZE);
        follower->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (!follower->buffer)
                return -ENOMEM;
        if (follower->inotify_fd < 0)
                return -errno;

        int r = sd_event_add_io(event, &follower->inotify, follower->inotify_fd, EPOLLIN,
                                on_inotify, follower);
        if (r < 0)
                return r;

        r = sd_event_add_time(event, &follower->timer, CLOCK_BOOTTIME, USEC_INFINITY,
                              /* accuracy= */ 10 * USEC_PER_MSEC, on_timer, follower);
        if (r < 0)
                return r;

        /* Reading a backlog comes after everything that is urgent. */
        r = sd_event_source_set_priority(follower->timer, SD_EVENT_PRIORITY_NORMAL + 10);
        if (r < 0)
                return r;

        *ret_follower = TAKE_PTR(follower);
        return 0;
}

Follower *follower_free(Follower *follower) {
        if (!follower)
                return NULL;

        for (unsigned i = 0; i < follower->n_services; i++) {
                (void) journal_free(follower->journals[i]);
                (void) logs_free(follower->logs[i]);
        }

        sd_event_source_disable_unref(follower->timer);
        sd_event_source_disable_unref(follower->inotify);
        fd_cleanup(&follower->inotify_fd);
        sd_event_unref(follower->event);
        free(follower->buffer);
        free(follower);
        return NULL;
}

static void logs_cleanup(Logs **logs) {
        *logs = logs_free(*logs);
}

int follower_add(Follower *follower,
                 const LogsConfig *config,
                 const char *unit,
                 SevereCallback on_severe,
                 void *userdata,
                 char reterr[static MATCHER_ERROR_SIZE],
                 Logs **ret_logs) {
        CLEANUP(logs_cleanup) Logs *logs = NULL;
        Journal *journal = NULL;

        assert(follower);
        assert(config);
        assert(ret_logs);

        if (follower->n_services == SERVICES_MAX)
                return -ENOBUFS;

        int r = logs_new(config, on_severe, userdata, reterr, &logs);
        if (r < 0)
                return r;

        if (config->is_journal && unit && unit[0]) {
                r = journal_new(follower->event, unit, logs, &journal);
                if (r < 0)
                        return r;
        }

        for (unsigned i = 0; i < config->n_files; i++)
                follower->files[follower->n_files++] = (Followed){
                        .logs = logs,
                        .file = i,
                        .due_usec = USEC_INFINITY,
                        .folder_watch = -1,
                        .file_watch = -1,
                };

        *ret_logs = logs;
        follower->journals[follower->n_services] = journal;
        follower->logs[follower->n_services++] = TAKE_PTR(logs);
        return 0;
}

void follower_load(Logs *logs, unsigned file, const FollowPosition *position) {
        tail_load(logs_tail(logs, file), position);
}

bool follower_save(Logs *logs, unsigned file, FollowPosition *ret_position) {
        return tail_save(logs_tail(logs, file), ret_position);
}

int follower_start(Follower *follower) {
        assert(follower);

        for (size_t i = 0; i < follower->n_files; i++)
                follower->files[i].due_usec = 0;

        for (unsigned i = 0; i < follower->n_services; i++)
                if (follower->journals[i])
                        journal_start(follower->journals[i]);

        return set_timer(follower);
}
