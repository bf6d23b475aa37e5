/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clerk link: the warden's side of its one child.
 *
 * The clerk is this same executable, executed anew, with a socket and a sealed copy of the
 * configuration in force as its only inheritance. It gives up what rights it can: the user that
 * owns the guarded project, or `albraguard`, or at least no capabilities.
 *
 * It may die: then it is started again, soon at first and more slowly each time, for ever. It may
 * hang: then it stops saying that it is alive and is killed, which is the same. In between its
 * readings are stale, and stale is not down.
 */

#include "app/clerk_link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"
#include "io/child.h"
#include "model/service_state.h"

/* A clerk that lived this long is not in a loop: the next wait is the shortest again. */
#define CLERK_SOUND_USEC (5 * USEC_PER_MINUTE)
#define CLERK_WAIT_FIRST_USEC (USEC_PER_SEC / 2)
#define CLERK_WAIT_MOST_USEC USEC_PER_MINUTE

struct ClerkLink {
        sd_event *loop;
        Control *control;
        const Config *config;
        ClerkHandlers handlers;
        int config_fd;
        bool has_identity; /* asked for once: the user database may be slow or far */
        uid_t uid;
        gid_t gid;
        Child *child;
        usec_t started_usec; /* boot clock */
        usec_t wait_usec;
        sd_event_source *
                timer; /* when there is a child: it must have been heard of; else: the next start */
};

static int seal_text(const char *text, size_t length, int *ret_fd) {
        CLEANUP_FD int fd = memfd_create("albraguard-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;

        int r = file_write_all(fd, text, length);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Who the clerk shall be. False: who we are, because there is nobody better. */
static bool choose_identity(const Config *config, uid_t *ret_uid, gid_t *ret_gid) {
        struct stat st;
        const struct passwd *user = NULL;

        if (geteuid() != 0)
                return false;

        if (config->clerk_user[0] != '\0') {
                user = getpwnam(config->clerk_user);
                if (!user)
                        log_warning(_("clerk_user %s: there is no such user"), config->clerk_user);
        }

        /* It must be able to read the project's logs, so the project's owner comes before our own user. */
        if (!user && stat(config->root, &st) == 0 && st.st_uid != 0) {
                *ret_uid = st.st_uid;
                *ret_gid = st.st_gid;
                return true;
        }

        if (!user)
                user = getpwnam("albraguard");
        if (!user)
                return false;

        *ret_uid = user->pw_uid;
        *ret_gid = user->pw_gid;
        return true;
}

/* The store's folder belongs to the warden; with the sticky bit the clerk may have files of its own in it, and may
 * neither replace nor remove ours. Through a descriptor: somebody's link must not lend out another folder. */
static void share_state_dir(const Config *config, gid_t gid) {
        CLEANUP_FD int fd =
                open(config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || fchown(fd, (uid_t) -1, gid) < 0 || fchmod(fd, 01770) < 0)
                log_errno(LOG_LEVEL_WARNING, -errno, _("cannot let the clerk write to %s"),
                          config->state_dir);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(ClerkLink *link, usec_t after_usec) {
        (void) sd_event_source_set_time(link->timer, clock_boottime_usec() + after_usec);
        (void) sd_event_source_set_enabled(link->timer, SD_EVENT_ONESHOT);
}

/* Three intervals without a word: one look each, and its longest request, fit in well. */
static usec_t patience_usec(const ClerkLink *link) {
        return 3 * link->config->watch.interval_usec + 10 * USEC_PER_SEC;
}

static void note_death(ClerkLink *link, const char *why) {
        link->wait_usec = clock_boottime_usec() - link->started_usec >= CLERK_SOUND_USEC ||
                                          link->wait_usec == 0
                                  ? CLERK_WAIT_FIRST_USEC
                                  : MIN(2 * link->wait_usec, CLERK_WAIT_MOST_USEC);

        link->handlers.on_died(link->handlers.userdata, why, link->wait_usec);
        arm(link, link->wait_usec);
}

static void on_exit_of_clerk(Child *child, const ChildExit *exit, void *userdata) {
        ClerkLink *link = userdata;
        char words[EXIT_WORDS_SIZE];
        bool is_exit = exit->code == CLD_EXITED;

        link->child = child_free(child);
        note_death(link, exit_to_words(words,
                                       !is_exit            ? EXIT_CAUSE_SIGNAL
                                       : exit->status == 0 ? EXIT_CAUSE_CLEAN
                                                           : EXIT_CAUSE_FAILURE,
                                       exit->status));
}

static int spawn(ClerkLink *link) {
        const char *argv[] = { "albraguard", "clerk", link->config->path, NULL };
        CLEANUP_FD int config_fd = -1;
        char self[64];
        int pair[2];

        if (link->has_identity)
                share_state_dir(link->config, link->gid);

        /* A descriptor of its own: pread(2) does not share an offset, but the next clerk needs it open still. */
        (void) snprintf(self, sizeof(self), "/proc/self/fd/%d", link->config_fd);
        config_fd = open(self, O_RDONLY | O_CLOEXEC);
        if (config_fd < 0)
                return -errno;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        CLEANUP_FD int theirs = pair[1];

        int r = control_set_clerk_take(link->control, pair[0]);
        if (r < 0)
                return r;

        const int fds[] = { theirs, config_fd };
        const ChildOptions options = {
                .path = "/proc/self/exe",
                .argv = argv,
                .fds = fds,
                .n_fds = ELEMENTSOF(fds),
                .has_identity = link->has_identity,
                .uid = link->uid,
                .gid = link->gid,
                .is_confined = true,
                .on_exit = on_exit_of_clerk,
                .userdata = link,
        };

        r = child_spawn(link->loop, &options, &link->child);
        if (r < 0)
                return r;

        link->started_usec = clock_boottime_usec();
        arm(link, patience_usec(link));
        return 0;
}

static void start(ClerkLink *link) {
        int r = spawn(link);

        if (r < 0) {
                link->started_usec = clock_boottime_usec();
                note_death(link, strerror(-r));
        }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        ClerkLink *link = userdata;

        (void) source;
        (void) usec;
        if (link->child) {
                log_warning(_("the clerk has not been heard of for too long and is ended"));
                (void) child_kill(link->child); /* -ESRCH: its end is on its way to us */
        } else
                start(link);

        return 0;
}

int clerk_link_new(sd_event *loop,
                   Control *control,
                   const Config *config,
                   const char *config_text,
                   size_t config_length,
                   const ClerkHandlers *handlers,
                   ClerkLink **ret_link) {
        ClerkLink *link = calloc(1, sizeof(*link));
        if (!link)
                return -ENOMEM;

        *link = (ClerkLink){
                .loop = loop,
                .control = control,
                .config = config,
                .handlers = *handlers,
                .config_fd = -1,
        };

        int r = seal_text(config_text, config_length, &link->config_fd);
        if (r >= 0)
                r = sd_event_add_time(loop, &link->timer, CLOCK_BOOTTIME, UINT64_MAX, 0, on_timer,
                                      link);
        if (r < 0) {
                (void) clerk_link_free(link);
                return r;
        }

        link->has_identity = choose_identity(config, &link->uid, &link->gid);
        start(link);
        *ret_link = link;
        return 0;
}

ClerkLink *clerk_link_free(ClerkLink *link) {
        if (!link)
                return NULL;

        if (link->child) {
                int pidfd = child_open_pidfd(child_pid(link->child));
                struct pollfd end = { .fd = pidfd, .events = POLLIN };

                (void) child_signal(link->child, SIGTERM); /* -ESRCH: it is gone already */
                if (pidfd >= 0 && poll(&end, 1, 1000) == 0) {
                        (void) child_kill(link->child); /* as above */
                        (void) poll(&end, 1, 100); /* so that child_free() can take its status */
                }
                if (pidfd >= 0)
                        (void) close(pidfd);
                (void) child_free(link->child);
        }
        (void) sd_event_source_disable_unref(link->timer);
        if (link->config_fd >= 0)
                (void) close(link->config_fd);
        free(link);
        return NULL;
}

void clerk_link_note_alive(ClerkLink *link) {
        assert(link);

        if (link->child)
                arm(link, patience_usec(link));
}

pid_t clerk_link_peek_pid(const ClerkLink *link) {
        return link && link->child ? child_pid(link->child) : 0;
}
