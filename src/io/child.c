/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Child: helper processes that cannot outlive their use.
 *
 * What may take long, or may meet a stranger's bytes, is done by another process: the clerk, a
 * compressor, a bundle of evidence. Three things are promised of each. It ends when we end, however
 * we end (PR_SET_PDEATHSIG; the kernel forgets that wish when the identity changes, so it is said
 * twice, and each time we look whether the parent was already gone). It ends at its deadline. And
 * it is never confused with another process, because it is held by a pidfd and not by a number.
 *
 * Between fork(2) and execve(2) only plain system calls are made, in an order that matters:
 * capabilities are dropped while we still may, the identity after that, signals last, so that one
 * that came in between is not lost but kills.
 *
 * What it does not do: retry, restart, or read anything from the child. That is its user's.
 */

#include "io/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/i18n.h"
#include "base/log.h"
#include "base/macro.h"

/* Before everything else in the loop: whoever waits for a death wants to know it first. */
#define EXIT_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 100)

/* waitid(2); older headers lack it, the number is the kernel's. */
#define CHILD_P_PIDFD 3

/* linux/close_range.h, which libc does not always bring. */
#define CHILD_CLOSE_RANGE_CLOEXEC (1U << 2)

struct Child {
        pid_t pid;
        int pidfd;
        bool is_timed_out;
        sd_event_source *exit_source;
        sd_event_source *deadline_source;
        void (*on_exit)(Child *child, const ChildExit *exit, void *userdata);
        void *userdata;
};

int child_open_pidfd(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0U);

        return fd < 0 ? -errno : fd;
}

int child_signal_pidfd(int pidfd, int signal_number) {
        return syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0U) < 0 ? -errno : 0;
}

int child_reap_pidfd(int pidfd, siginfo_t *ret_info) {
        siginfo_t info = { 0 };

        if (waitid((idtype_t) CHILD_P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG) < 0)
                return -errno;
        if (info.si_pid == 0)
                return 0;

        *ret_info = info;
        return 1;
}

void child_reset_signals(void) {
        /* The kernel's own structure, of which only zeroes matter: the default action, no flags, an empty mask. */
        static const uint64_t by_default[4];
        sigset_t none;

        /* libc keeps two numbers in the middle to itself, and a container may start us with one of them ignored; so
         * the kernel is asked itself (rt_sigaction(2)). It refuses only SIGKILL and SIGSTOP. */
        for (int signal_number = 1; signal_number < NSIG; signal_number++)
                (void) syscall(SYS_rt_sigaction, signal_number, by_default, NULL, NSIG / 8);

        (void) sigemptyset(&none);                    /* cannot fail */
        (void) sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
}

int child_empty_stdin(void) {
        int fd = open("/dev/null", O_RDONLY | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fd == STDIN_FILENO)
                return 0;

        int r = dup2(fd, STDIN_FILENO) < 0 ? -errno : 0;
        (void) close(fd); /* opened for the copy only */
        return r;
}

void child_close_on_exec(int first) {
        assert(first >= 0);

        if (syscall(SYS_close_range, (unsigned) first, ~0U, CHILD_CLOSE_RANGE_CLOEXEC) == 0)
                return;

        /* Old kernels and narrow seccomp filters: one by one, as far as descriptors can reach in practice. */
        struct rlimit limit = { .rlim_cur = 0 };
        (void) getrlimit(RLIMIT_NOFILE, &limit); /* a failure leaves zero, and the least below */

        int last = (int) MAX(MIN(limit.rlim_cur, (rlim_t) 65536), (rlim_t) 1024);
        for (int fd = first; fd < last; fd++)
                (void) fcntl(fd, F_SETFD, FD_CLOEXEC); /* most of them are not open */
}

int child_die_with(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return -errno;

        /* It may have died before the wish was uttered; then nobody will kill us. */
        return getppid() == parent ? 0 : -ESRCH;
}

static int place_fds(const ChildOptions *options) {
        int copies[CHILD_FDS_MAX];
        int first = STDERR_FILENO + 1;

        /* Out of the way first: one of them may already sit where another has to go. */
        for (unsigned i = 0; i < options->n_fds; i++) {
                copies[i] = fcntl(options->fds[i], F_DUPFD_CLOEXEC, first + CHILD_FDS_MAX);
                if (copies[i] < 0)
                        return -errno;
        }

        for (unsigned i = 0; i < options->n_fds; i++)
                if (dup2(copies[i], first + (int) i) < 0)
                        return -errno;

        child_close_on_exec(first + (int) options->n_fds);
        return 0;
}

static int confine(void) {
        /* The kernel answers EINVAL behind its last capability, and EPERM to those who have none to drop. */
        for (unsigned long capability = 0; capability < 64; capability++)
                if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
                        break;

        /* What is inheritable comes back to root at execve(2), bounding set or not (capabilities(7)); containers start
         * their processes with such a set. The present ones are still needed to change the user. */
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].inheritable = 0;
        data[1].inheritable = 0;
        if (syscall(SYS_capset, &header, data) < 0)
                return -errno;

        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int become(uid_t uid, gid_t gid) {
        if (setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
                return -errno;

        return 0;
}

static int prepare(const ChildOptions *options, pid_t parent) {
        (void) setsid(); /* fails only for a group leader, which a fresh child is not */

        int r = child_die_with(parent);
        if (r >= 0)
                r = place_fds(options);
        if (r >= 0 && options->is_confined)
                r = confine();
        if (r >= 0 && options->has_identity)
                r = become(options->uid, options->gid);
        if (r >= 0)
                r = child_die_with(parent);
        if (r >= 0)
                r = child_empty_stdin();

        return r;
}

static _Noreturn void run(const ChildOptions *options, pid_t parent) {
        int r = prepare(options, parent);

        if (r >= 0) {
                /* execve(2) does not write to them; its type is older than const. */
                union {
                        const char *const *constant;
                        char *const *plain;
                } argv = { .constant = options->argv },
                  environment = { .constant = options->environment };

                child_reset_signals();
                (void) execve(options->path, argv.plain,
                              environment.constant ? environment.plain : environ);
                r = -errno;
        }

        (void) log_errno(LOG_LEVEL_ERROR, r, _("cannot run %s"), options->path);
        _exit(127);
}

static void child_disarm(Child *child) {
        child->exit_source = sd_event_source_disable_unref(child->exit_source);
        child->deadline_source = sd_event_source_disable_unref(child->deadline_source);
}

static int on_ended(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Child *child = userdata;
        siginfo_t info = { 0 };

        (void) source;
        (void) revents;

        int r = child_reap_pidfd(fd, &info);
        if (r == 0)
                return 0;

        /* Somebody else took the status: that is a bug of theirs, but the end is certain. */
        ChildExit exit = { .is_timed_out = child->is_timed_out };
        if (r > 0) {
                exit.code = info.si_code;
                exit.status = info.si_status;
        }

        child_disarm(child);
        (void) close(TAKE_FD(child->pidfd)); /* read-only; nothing to lose */

        if (child->on_exit)
                child->on_exit(child, &exit,
                               child->userdata); /* it may free the child: hands off from here */

        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Child *child = userdata;

        (void) source;
        (void) usec;

        child->is_timed_out = true;
        (void) child_kill(child); /* had it ended, on_ended would have come first */
        return 0;
}

static int child_arm(Child *child, sd_event *event, usec_t timeout_usec) {
        int r = sd_event_add_io(event, &child->exit_source, child->pidfd, EPOLLIN, on_ended, child);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(child->exit_source, EXIT_PRIORITY);
        if (r < 0 || timeout_usec == 0)
                return r;

        return sd_event_add_time(event, &child->deadline_source, CLOCK_BOOTTIME,
                                 usec_add(clock_boottime_usec(), timeout_usec),
                                 /* accuracy= */ USEC_PER_MSEC, on_deadline, child);
}

int child_spawn(sd_event *event, const ChildOptions *options, Child **ret_child) {
        assert(event);
        assert(options);
        assert(options->path);
        assert(options->argv);
        assert(options->n_fds <= CHILD_FDS_MAX);
        assert(ret_child);

        Child *child = calloc(1, sizeof(*child));
        if (!child)
                return -ENOMEM;

        child->on_exit = options->on_exit;
        child->userdata = options->userdata;
        child->pidfd = -1;

        pid_t parent = getpid();
        child->pid = fork();
        if (child->pid < 0) {
                int r = -errno;

                free(child);
                return r;
        }
        if (child->pid == 0)
                run(options, parent);

        /* Not yet waited for, so the number still means this process. */
        int r = child_open_pidfd(child->pid);
        if (r < 0) {
                (void) kill(child->pid, SIGKILL); /* ours, see above */
                (void) waitpid(child->pid, NULL,
                               WNOHANG); /* at worst a zombie stays until we end */
                free(child);
                return r;
        }
        child->pidfd = r;

        r = child_arm(child, event, options->timeout_usec);
        if (r < 0) {
                (void) child_free(child); /* always NULL */
                return r;
        }

        *ret_child = child;
        return 0;
}

pid_t child_pid(const Child *child) {
        assert(child);

        return child->pid;
}

int child_signal(Child *child, int signal_number) {
        assert(child);

        return child->pidfd < 0 ? -ESRCH : child_signal_pidfd(child->pidfd, signal_number);
}

int child_kill(Child *child) {
        return child_signal(child, SIGKILL);
}

Child *child_free(Child *child) {
        siginfo_t info;

        if (!child)
                return NULL;

        child_disarm(child);

        if (child->pidfd >= 0) {
                (void) child_signal_pidfd(child->pidfd, SIGKILL); /* ESRCH is as good */
                (void) child_reap_pidfd(child->pidfd,
                                        &info); /* if it is slow, a zombie stays until we end */
                (void) close(child->pidfd);     /* as above */
        }

        free(child);
        return NULL;
}
