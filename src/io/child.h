/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "base/time.h"

/* A helper process of ours: it dies with us (PR_SET_PDEATHSIG) and, when a timeout is given, in time. */
typedef struct Child Child;

typedef struct ChildExit {
        int code; /* CLD_EXITED, CLD_KILLED or CLD_DUMPED, as waitid(2) says; 0: it ended, how is not known */
        int status; /* exit status or signal; 127: it could not be executed (told on standard error) */
        bool is_timed_out; /* we killed it at its deadline */
} ChildExit;

typedef struct ChildOptions {
        const char *path;               /* the executable; no search */
        const char *const *argv;        /* NULL-terminated */
        const char *const *environment; /* NULL-terminated; NULL: ours */
        const int *fds;                 /* arrive as 3, 4, … in this order; ours stay open */
        unsigned n_fds;                 /* CHILD_FDS_MAX at most */
        bool has_identity;              /* become uid and gid, with no other group; only root can */
        uid_t uid;
        gid_t gid;
        bool is_confined;    /* no_new_privs, empty capability bounding set */
        usec_t timeout_usec; /* SIGKILL after this long; 0: never */

        /* Told once, from the loop; child_free() may be called from inside it. */
        void (*on_exit)(Child *child, const ChildExit *exit, void *userdata);
        void *userdata;
} ChildOptions;

enum {
        CHILD_FDS_MAX = 8,
};

/* Forks and executes with standard input from /dev/null, our standard output and error, default signals, a session of
 * its own, and no other descriptors than those named. Failures before fork(2) are returned, later ones are an exit. */
int child_spawn(sd_event *event, const ChildOptions *options, Child **ret_child);

pid_t child_pid(const Child *child);

/* -ESRCH when it has ended. */
int child_signal(Child *child, int signal_number);

/* SIGKILL; on_exit follows. */
int child_kill(Child *child);

/* Kills it when it still runs, without on_exit. Accepts NULL, returns NULL. */
Child *child_free(Child *child);

/* The pieces, for those who fork in their own way. */

/* pidfd_open(2), close-on-exec. -ESRCH when there is no such process. */
int child_open_pidfd(pid_t pid);

/* pidfd_send_signal(2). -ESRCH when it has ended. */
int child_signal_pidfd(int pidfd, int signal_number);

/* Takes the exit status of an own child, without waiting: 1 and the status, 0 when it still runs, -ECHILD when it is not
 * our child. */
int child_reap_pidfd(int pidfd, siginfo_t *ret_info);

/* In a fresh child: every signal handled by default, none blocked. Async-signal-safe. */
void child_reset_signals(void);

/* In a fresh child: SIGKILL when the parent ends (prctl(2), PR_SET_PDEATHSIG). -ESRCH when it already has. Forgotten by
 * the kernel when the identity changes. */
int child_die_with(pid_t parent);

/* Every descriptor from `first` on closes at the next execve(2). */
void child_close_on_exec(int first);

/* In a fresh child: standard input becomes /dev/null. Negative errno. */
int child_empty_stdin(void);
