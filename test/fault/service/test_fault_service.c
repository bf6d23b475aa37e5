/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fault: the n-th call to the kernel or to the loop fails, for every n, while a service is taken up,
 * started, restarted and stopped. The linker puts the functions below in front of the real ones
 * (ld(1), --wrap); the child that is to become the service carries the count on, so its calls fail
 * too.
 *
 * Whatever fails: an act that was accepted ends and says how, what is said to run does run, there
 * are never two copies, no descriptor is lost, and the next watchdog, to whom nothing happens, can
 * start and stop the thing.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/macro.h"
#include "rig.h"
#include "unit.h"

static struct {
        unsigned at; /* the n-th call; 0: none */
        unsigned n;
        int error;
} fault;

static void fault_set(unsigned at, int error) {
        fault.at = at;
        fault.n = 0;
        fault.error = error;
}

/* True when this call is to fail, errno set. */
static bool fails(void) {
        if (++fault.n != fault.at)
                return false;

        errno = fault.error;
        return true;
}

#define WRAP(type, name, failure, parameters, arguments)              \
        type __real_##name parameters;                                \
        type __wrap_##name parameters;                                \
        type __wrap_##name parameters {                               \
                return fails() ? (failure) : __real_##name arguments; \
        }

WRAP(void *, calloc, NULL, (size_t n, size_t size), (n, size))
WRAP(int, chdir, -1, (const char *path), (path))
WRAP(int, clock_boot_id, -fault.error, (char *ret), (ret))
WRAP(int, dup2, -1, (int from, int to), (from, to))
WRAP(int, fcntl, -1, (int fd, int command, long argument), (fd, command, argument))
WRAP(int, flock, -1, (int fd, int operation), (fd, operation))
WRAP(pid_t, fork, -1, (void), ())
WRAP(int, ioctl, -1, (int fd, unsigned long request, void *argument), (fd, request, argument))
WRAP(int, mkdir, -1, (const char *path, mode_t mode), (path, mode))
WRAP(int, open, -1, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(int, open64, -1, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(int, openat, -1, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode))
WRAP(int,
     openat64,
     -1,
     (int dir, const char *path, int flags, mode_t mode),
     (dir, path, flags, mode))
WRAP(int, pipe2, -1, (int *ends, int flags), (ends, flags))
WRAP(ssize_t, pread, -1, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(ssize_t,
     pread64,
     -1,
     (int fd, void *data, size_t size, off_t offset),
     (fd, data, size, offset))
WRAP(int, prctl, -1, (int option, long a, long b, long c, long d), (option, a, b, c, d))
WRAP(ssize_t, read, -1, (int fd, void *data, size_t size), (fd, data, size))
WRAP(int, rename, -1, (const char *from, const char *to), (from, to))
WRAP(long, syscall, -1, (long number, long a, long b, long c, long d), (number, a, b, c, d))
WRAP(int,
     waitid,
     -1,
     (idtype_t type, id_t id, siginfo_t *info, int options),
     (type, id, info, options))
WRAP(ssize_t, write, -1, (int fd, const void *data, size_t size), (fd, data, size))

WRAP(int,
     sd_event_add_defer,
     -fault.error,
     (sd_event * event, sd_event_source **ret, sd_event_handler_t handler, void *userdata),
     (event, ret, handler, userdata))
WRAP(int,
     sd_event_add_io,
     -fault.error,
     (sd_event * event,
      sd_event_source **ret,
      int fd,
      uint32_t events,
      sd_event_io_handler_t handler,
      void *userdata),
     (event, ret, fd, events, handler, userdata))
WRAP(int,
     sd_event_add_time,
     -fault.error,
     (sd_event * event,
      sd_event_source **ret,
      clockid_t clock,
      uint64_t usec,
      uint64_t accuracy,
      sd_event_time_handler_t handler,
      void *userdata),
     (event, ret, clock, usec, accuracy, handler, userdata))
WRAP(int,
     sd_event_source_set_priority,
     -fault.error,
     (sd_event_source * source, int64_t priority),
     (source, priority))

/* A child makes so many of its own before it is somebody else; they count from where we were when it was born. */
#define CHILD_CALLS 60

/* All the processes of the machine would drown the rest: to those who look at them, there are only these two. */
static const char *few_processes;

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) {
        if (fails())
                return NULL;

        return __real_opendir(few_processes && strcmp(path, "/proc") == 0 ? few_processes : path);
}

static unsigned count_descriptors(void) {
        DIR *dir = __real_opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

static void on_change(Service *service, void *userdata) {
        Rig *rig = userdata;

        service_facts(service, &rig->facts);
}

static void on_done(Service *service,
                    ActionKind action,
                    bool is_done,
                    const char *why,
                    usec_t took_usec,
                    void *userdata) {
        Rig *rig = userdata;

        (void) took_usec;
        rig->n_done++;
        rig->action = action;
        rig->is_done = is_done;
        (void) snprintf(rig->why, sizeof(rig->why), "%s", why);
        service_facts(service, &rig->facts);
}

/* An act that was accepted ends; one that failed says why, and one that is done left what it promised. */
static void expect_end(Rig *rig, int accepted, ServiceState promised) {
        if (accepted < 0)
                return;

        rig_wait_done(rig);
        if (!rig->is_done)
                assert_true(rig->why[0] != '\0');
        else if (promised == SERVICE_STOPPED)
                assert_int_equal(rig->facts.state, SERVICE_STOPPED);
        else
                assert_true(rig->facts.state == promised || rig->facts.state == SERVICE_FAILED);
}

/* A life with the fault in it. The number of calls it took. */
static unsigned live(Rig *rig) {
        ServiceHandlers handlers = { .on_change = on_change, .on_done = on_done, .userdata = rig };

        int r = service_new(&rig->service_config, &rig->config, rig->event, &handlers,
                            &rig->service);
        if (r >= 0) {
                expect_end(rig, service_begin_start(rig->service), SERVICE_RUNNING);
                expect_end(rig, service_begin_restart(rig->service), SERVICE_RUNNING);
                expect_end(rig, service_begin_stop(rig->service, STOP_WHY_OPERATOR),
                           SERVICE_STOPPED);
        }

        unsigned n_calls = fault.n;
        fault_set(0, 0);
        rig->service = service_free(rig->service);
        return n_calls;
}

static void check_aftermath(Rig *rig) {
        rig_renew(rig);
        if (rig->facts.state != SERVICE_RUNNING)
                rig_start(rig);
        assert_int_equal(rig->facts.state, SERVICE_RUNNING);
        rig_stop(rig);
        rig->service = service_free(rig->service);

        assert_false(rig_is_locked(rig->marker));
        if (access(rig->complaints, F_OK) == 0)
                fail_msg("there were two copies");

        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
}

static void few_processes_do(const Rig *rig, int (*act)(const char *path)) {
        pid_t pids[] = { getpid(), getppid() };
        char path[320];

        for (size_t i = 0; i < ELEMENTSOF(pids); i++) {
                (void) snprintf(path, sizeof(path), "%s/few/%d", rig->dir, (int) pids[i]);
                assert_int_equal(act(path), 0);
        }
}

static int make_folder(const char *path) {
        return __real_mkdir(path, 0755);
}

static void make_few_processes(const Rig *rig) {
        static char few[192];

        (void) snprintf(few, sizeof(few), "%s/few", rig->dir);
        assert_int_equal(make_folder(few), 0);
        few_processes_do(rig, make_folder);
        few_processes = few;
}

static void remove_few_processes(const Rig *rig) {
        few_processes_do(rig, rmdir);
}

static void nothing_that_fails_makes_two_of_it(void **unused) {
        static const int errors[] = { EIO, EMFILE, ENOMEM };
        Rig rig;

        (void) unused;
        rig_open_bot(&rig);
        rig.service_config.stop_timeout_usec = 200 * USEC_PER_MSEC;
        make_few_processes(&rig);

        fault_set(0, 0);
        unsigned n_calls = live(&rig) + CHILD_CALLS;
        check_aftermath(&rig);
        unsigned n_descriptors = count_descriptors();
        print_message("%u calls\n", n_calls);
        assert_true(n_calls > 50);

        for (unsigned round = 0; round < n_calls * ELEMENTSOF(errors); round++) {
                unsigned at = 1 + round / (unsigned) ELEMENTSOF(errors);
                int error = errors[round % ELEMENTSOF(errors)];

                print_message("call %u: %s\n", at, strerror(error));
                fault_set(at, error);
                (void) live(&rig);
                check_aftermath(&rig);
                if (count_descriptors() != n_descriptors)
                        fail_msg("a descriptor was lost");
        }

        few_processes = NULL;
        remove_few_processes(&rig);
        rig_renew(&rig);
        rig_close(&rig);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_that_fails_makes_two_of_it),
        };

        rig_play_bot(argc, argv);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
