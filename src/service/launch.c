/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Launch: from a fork of ours to the program of the service, so that there is never a second copy.
 *
 * We may be killed between any two instructions, and the next watchdog must find either nothing or
 * a service it can take over. The child therefore goes in this order:
 *
 *      tie        dies with us from here on
 *      lock       flock(2) on NAME.lock, kept open for ever: the kernel's own proof that a copy
 *                 (or a worker that it forked) lives; no second one gets past this line
 *      pid file   now the next watchdog can find it
 *      untie      and now it may outlive us
 *      execve     everything in between can fail without harm: the lock goes with the process
 *
 * Killed before the pid file is there, the child goes too; killed after it, the child is adopted.
 * There is no third case. What needs root is done before root is given up; what is the user's own
 * (folder, output) after, so that it is opened with the user's rights and not with ours.
 */

#include "service/launch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/macro.h"
#include "base/text.h"
#include "io/child.h"
#include "service/roster.h"

/* Shells and daemons have uses of their own for small numbers; up here nobody comes by accident. Below the usual soft
 * limit of 1024. */
#define LOCK_FD 1000

/* Words between our service manager and us, which a service must not speak in our name (sd_notify(3),
 * sd_listen_fds(3), systemd.exec(5)). */
static const char *const private_variables[] = {
        "NOTIFY_SOCKET", "WATCHDOG_PID",   "WATCHDOG_USEC", "LISTEN_PID",
        "LISTEN_FDS",    "LISTEN_FDNAMES", "MAINPID",       "INVOCATION_ID",
};

static int take_lock(const char *path, int *ret_fd) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;

        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                int r = -errno;

                (void) close(fd); /* nothing is held */
                return r;
        }

        /* Where descriptors are few, it stays where it is. */
        int high = fcntl(fd, F_DUPFD_CLOEXEC, LOCK_FD);
        if (high >= 0) {
                (void) close(fd); /* the lock is shared with the copy */
                fd = high;
        }

        *ret_fd = fd;
        return 0;
}

static int write_pidfile(const LaunchPlan *plan) {
        PidFile pidfile = { .pid = getpid(), .incarnation = plan->incarnation };
        ProcessStat stat;

        int r = roster_read_stat(pidfile.pid, &stat);
        if (r < 0)
                return r;

        pidfile.start_ticks = stat.start_ticks;
        (void) text_copy(pidfile.boot_id, sizeof(pidfile.boot_id), plan->boot_id); /* same size */
        (void) text_copy(pidfile.fence, sizeof(pidfile.fence), plan->fence->path); /* same size */
        return pidfile_write(plan->pid_path, &pidfile);
}

/* Ours is protected, as the unit asks; what we guard must go before us. */
static void drop_protection(void) {
        static const char path[] = "/proc/self/oom_score_adj";
        char text[32];
        size_t length;

        if (file_read(path, text, sizeof(text), &length) < 0 || text[0] != '-')
                return;

        CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
                (void) file_write_all(fd, "0\n", 2); /* less protected is always allowed */
}

/* As far as we may: beyond the hard limit only root can, and not every root. */
static int set_limit(__rlimit_resource_t resource, uint64_t value) {
        struct rlimit limit;

        if (value == 0)
                return 0;
        if (getrlimit(resource, &limit) < 0)
                return -errno;

        struct rlimit wanted = { .rlim_cur = value,
                                 .rlim_max = MAX(limit.rlim_max, (rlim_t) value) };
        if (setrlimit(resource, &wanted) == 0)
                return 0;

        wanted = (struct rlimit){ .rlim_cur = MIN((rlim_t) value, limit.rlim_max),
                                  .rlim_max = limit.rlim_max };
        return setrlimit(resource, &wanted) < 0 ? -errno : 0;
}

static int set_limits(const LaunchPlan *plan) {
        int r = set_limit(RLIMIT_NOFILE, plan->config->descriptors_max);

        /* Counted per user and not per service, so only where the kernel has nothing better. */
        if (r >= 0 && !plan->fence->has_process_max)
                r = set_limit(RLIMIT_NPROC, plan->config->processes_max);

        return r;
}

static int set_environment(const char *name, const char *value) {
        return setenv(name, value, /* overwrite= */ 1) < 0 ? -errno : 0;
}

/* The user database may be slow or far; here only the child waits for it. */
static int become(const char *user) {
        if (user[0] == '\0')
                return 0;

        errno = 0;
        const struct passwd *entry = getpwnam(user);
        if (!entry)
                return errno == 0 || errno == ESRCH ? -ENOENT : -errno;

        uid_t uid = entry->pw_uid;
        if (geteuid() != 0)
                return uid == geteuid() ? 0 : -EPERM;

        if (initgroups(user, entry->pw_gid) < 0 || setgid(entry->pw_gid) < 0 || setuid(uid) < 0)
                return -errno;

        int r = set_environment("HOME", entry->pw_dir);
        if (r >= 0)
                r = set_environment("USER", user);
        if (r >= 0)
                r = set_environment("LOGNAME", user);
        return r;
}

static int open_output(const char *path) {
        if (path[0] == '\0')
                return 0;

        /* Appending, so that a rotation can take the head away while it is written to. */
        CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
        if (fd < 0)
                return -errno;

        if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
                return -errno;

        return 0;
}

static int execute(const LaunchPlan *plan, int lock_fd) {
        i18n_leave();
        for (size_t i = 0; i < ELEMENTSOF(private_variables); i++)
                (void) unsetenv(private_variables[i]); /* fails only for impossible names */

        char mark[PATH_SIZE + NAME_SIZE + 64];
        if (!text_copy(mark, sizeof(mark), plan->mark) || putenv(mark) != 0)
                return -ENOMEM;

        int r = child_empty_stdin();
        if (r < 0)
                return r;

        child_close_on_exec(STDERR_FILENO + 1);
        if (fcntl(lock_fd, F_SETFD, 0) < 0)
                return -errno;

        child_reset_signals();

        /* execvp(3) does not write to them; its type is older than const. */
        union {
                const char *const *constant;
                char *const *plain;
        } argv = { .constant = plan->config->command };

        (void) execvp(argv.plain[0], argv.plain);
        return -errno;
}

static int prepare(const LaunchPlan *plan, pid_t parent, LaunchStage *ret_stage) {
        int lock_fd = -1;

        (void) setsid(); /* fails only for a group leader, which a fresh child is not */
        (void) umask(0022);

        *ret_stage = LAUNCH_TIE;
        int r = child_die_with(parent);
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_FENCE;
        r = plan->fence->fd >= 0 ? fence_join(plan->fence) : 0;
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_LOCK;
        r = take_lock(plan->lock_path, &lock_fd);
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_PIDFILE;
        r = write_pidfile(plan);
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_TIE;
        if (prctl(PR_SET_PDEATHSIG, 0) < 0)
                return -errno;

        *ret_stage = LAUNCH_LIMITS;
        drop_protection();
        r = set_limits(plan);
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_IDENTITY;
        r = become(plan->config->user);
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_DIRECTORY;
        if (plan->config->directory[0] && chdir(plan->config->directory) < 0)
                return -errno;

        *ret_stage = LAUNCH_OUTPUT;
        r = open_output(plan->config->output);
        if (r < 0)
                return r;

        *ret_stage = LAUNCH_EXEC;
        return execute(plan, lock_fd);
}

static _Noreturn void run(const LaunchPlan *plan, pid_t parent, int report_fd) {
        LaunchReport report = { 0 };

        /* When the watchdog is gone, the report goes nowhere; our exit status is to tell why, not a broken pipe. */
        (void) signal(SIGPIPE, SIG_IGN); /* cannot fail */

        report.error = -prepare(plan, parent, &report.stage);

        /* Once more: execute() may have got as far as resetting it. */
        (void) signal(SIGPIPE, SIG_IGN);
        (void) file_write_all(report_fd, (const char *) &report,
                              sizeof(report)); /* nobody may be left to read */
        _exit(LAUNCH_EXIT_STATUS + (int) report.stage);
}

int launch(const LaunchPlan *plan, Launched *ret_launched) {
        assert(plan);
        assert(plan->config->n_words > 0);
        assert(ret_launched);

        int ends[2];
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;

        CLEANUP_FD int report_fd = ends[0];
        CLEANUP_FD int child_fd = ends[1];

        pid_t parent = getpid();
        pid_t pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run(plan, parent, child_fd);

        /* Not yet waited for, so the number still means this process. */
        int pidfd = child_open_pidfd(pid);
        if (pidfd < 0) {
                (void) kill(pid,
                            SIGKILL); /* ours, see above; at worst a zombie stays until we end */
                return pidfd;
        }

        *ret_launched = (Launched){ .pid = pid, .pidfd = pidfd, .report_fd = TAKE_FD(report_fd) };
        return 0;
}

void launch_report_to_words(const LaunchReport *report, const LaunchPlan *plan, Buf *buf) {
        const char *error = strerror(report->error);

        switch (report->stage) {
        case LAUNCH_TIE:
        case LAUNCH_FENCE:
                buf_printf(buf, _("cannot prepare its process: %s"), error);
                return;

        case LAUNCH_LOCK:
                if (report->error == EWOULDBLOCK)
                        buf_printf(buf, _("another copy of it holds %s"), plan->lock_path);
                else
                        buf_printf(buf, _("cannot lock %s: %s"), plan->lock_path, error);
                return;

        case LAUNCH_PIDFILE:
                buf_printf(buf, _("cannot write %s: %s"), plan->pid_path, error);
                return;

        case LAUNCH_LIMITS:
                buf_printf(buf, _("cannot set its limits: %s"), error);
                return;

        case LAUNCH_IDENTITY:
                if (report->error == ENOENT)
                        buf_printf(buf, _("there is no user %s"), plan->config->user);
                else
                        buf_printf(buf, _("cannot become user %s: %s"), plan->config->user, error);
                return;

        case LAUNCH_DIRECTORY:
                buf_printf(buf, _("cannot enter folder %s: %s"), plan->config->directory, error);
                return;

        case LAUNCH_OUTPUT:
                buf_printf(buf, _("cannot open %s for its output: %s"), plan->config->output,
                           error);
                return;

        case LAUNCH_EXEC:
                buf_printf(buf, _("cannot run %s: %s"), plan->config->command[0], error);
                return;

        case _LAUNCH_STAGE_MAX:
                break;
        }

        assert(false);
}
