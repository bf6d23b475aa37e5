/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rig: a folder, a loop and one real service in it, for tests that tell stories about processes.
 *
 * Nothing here asserts how long something takes. Every wait turns the loop until what it waits for
 * is there, and fails the test after a time in which it must have come on any machine.
 */

#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "service/roster.h"
#include "unit.h"

#define PATIENCE_USEC (60 * USEC_PER_SEC)

/* The test looks at the marker by locking it for an instant; a second copy keeps it. */
static bool has_company(int fd) {
        for (unsigned i = 0; i < 200; i++) {
                if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
                        return false;

                (void) poll(NULL, 0, /* timeout= */ 1);
        }

        return true;
}

/* Whoever finds the marker locked has company, and complains. */
static _Noreturn void play_bot(const char *marker, const char *complaints) {
        int fd = open(marker, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || has_company(fd)) {
                int complaint = open(complaints, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

                (void) dprintf(complaint, "%d: another one lives\n", (int) getpid());
        }

        for (;;)
                (void) pause();
}

void rig_play_bot(int argc, char *argv[]) {
        if (argc == 4 && strcmp(argv[1], "bot") == 0)
                play_bot(argv[2], argv[3]);
}

static void on_change(Service *service, void *userdata) {
        Rig *rig = userdata;

        rig->n_changes++;
        service_facts(service, &rig->facts);
}

static void on_done(Service *service,
                    ActionKind action,
                    bool is_done,
                    const char *why,
                    usec_t took_usec,
                    void *userdata) {
        Rig *rig = userdata;

        assert_true(took_usec < PATIENCE_USEC);
        rig->n_done++;
        rig->action = action;
        rig->is_done = is_done;
        (void) snprintf(rig->why, sizeof(rig->why), "%s", why);
        service_facts(service, &rig->facts);
        assert_false(rig->facts.is_busy);
}

void rig_renew(Rig *rig) {
        ServiceHandlers handlers = { .on_change = on_change, .on_done = on_done, .userdata = rig };

        rig->service = service_free(rig->service);
        assert_int_equal(service_new(&rig->service_config, &rig->config, rig->event, &handlers,
                                     &rig->service),
                         0);
        service_facts(rig->service, &rig->facts);
}

void rig_open_new(Rig *rig) {
        memset(rig, 0, sizeof(*rig));
        (void) snprintf(rig->dir, sizeof(rig->dir), "/tmp/albraguard-test-XXXXXX");
        assert_non_null(mkdtemp(rig->dir));
        (void) snprintf(rig->marker, sizeof(rig->marker), "%s/marker", rig->dir);
        (void) snprintf(rig->complaints, sizeof(rig->complaints), "%s/complaints", rig->dir);

        assert_int_equal(sd_event_new(&rig->event), 0);
        rig->config.run_dir = rig->dir;
        rig->config.root = rig->dir;
        rig->config.n_services = 1;
        rig->config.services = &rig->service_config;

        rig->service_config = (ServiceConfig){
                .name = "bot",
                .unit = "",
                .directory = "/",
                .user = "",
                .output = "",
                .stop_signal = SIGTERM,
                .stop_timeout_usec = 30 * USEC_PER_SEC,
        };
}

void rig_open(Rig *rig, const char *script) {
        rig_open_new(rig);

        rig->service_config.n_words = 5;
        rig->service_config.command[0] = "/bin/sh";
        rig->service_config.command[1] = "-c";
        rig->service_config.command[2] = script;
        rig->service_config.command[3] = "bot";
        rig->service_config.command[4] = rig->marker;

        rig_renew(rig);
}

void rig_open_bot(Rig *rig) {
        rig_open_new(rig);

        ssize_t n = readlink("/proc/self/exe", rig->self, sizeof(rig->self) - 1);
        assert_true(n > 0);

        rig->service_config.n_words = 4;
        rig->service_config.command[0] = rig->self;
        rig->service_config.command[1] = "bot";
        rig->service_config.command[2] = rig->marker;
        rig->service_config.command[3] = rig->complaints;
}

static void remove_folder(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        (void) unlinkat(dirfd(dir), entry->d_name,
                                        entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
        (void) closedir(dir);
        (void) rmdir(path);
}

void rig_close(Rig *rig) {
        rig_stop(rig);
        rig->service = service_free(rig->service);
        rig->event = sd_event_unref(rig->event);
        remove_folder(rig->dir);
}

static void turn(Rig *rig, usec_t since_usec, const char *what) {
        assert_true(sd_event_run(rig->event, 20 * USEC_PER_MSEC) >= 0);
        if (clock_boottime_usec() - since_usec > PATIENCE_USEC)
                fail_msg("waited in vain for %s", what);
}

void rig_wait_done(Rig *rig) {
        usec_t since_usec = clock_boottime_usec();

        while (rig->n_done == 0)
                turn(rig, since_usec, "the end of an act");
        rig->n_done--;
}

void rig_wait_state(Rig *rig, ServiceState state) {
        usec_t since_usec = clock_boottime_usec();

        for (;;) {
                ServiceFacts facts;

                service_facts(rig->service, &facts);
                if (facts.state == state)
                        break;
                turn(rig, since_usec, "a state");
        }

        /* The news of it, too. */
        while (rig->facts.state != state)
                turn(rig, since_usec, "being told of a state");
}

void rig_start(Rig *rig) {
        assert_int_equal(service_begin_start(rig->service), 0);
        rig_wait_done(rig);
        if (!rig->is_done)
                fail_msg("start: %s", rig->why);
        assert_int_equal(rig->action, ACTION_START);
}

void rig_stop(Rig *rig) {
        assert_int_equal(service_begin_stop(rig->service, STOP_WHY_OPERATOR), 0);
        rig_wait_done(rig);
        if (!rig->is_done)
                fail_msg("stop: %s", rig->why);
        assert_int_equal(rig->action, ACTION_STOP);
        assert_int_equal(rig->facts.state, SERVICE_STOPPED);
        assert_int_equal(rig->facts.pid, 0);
}

const char *rig_wait_lines(Rig *rig, const char *path, unsigned n) {
        static char text[16384];
        usec_t since_usec = clock_boottime_usec();

        for (;;) {
                size_t length;
                unsigned n_lines = 0;

                if (file_read(path, text, sizeof(text), &length) >= 0)
                        for (size_t i = 0; i < length; i++)
                                n_lines += text[i] == '\n';
                if (n_lines >= n)
                        return text;

                turn(rig, since_usec, path);
        }
}

pid_t rig_wait_pid(Rig *rig, const char *path, unsigned n_lines) {
        const char *text = rig_wait_lines(rig, path, n_lines);
        const char *end = text + strlen(text) - 1;
        const char *begin = end;
        uint64_t pid;

        while (begin > text && begin[-1] >= '0' && begin[-1] <= '9')
                begin--;
        assert_true(text_scan_u64(&begin, end, &pid));
        return (pid_t) pid;
}

bool rig_is_alive(pid_t pid) {
        ProcessStat stat;

        return roster_read_stat(pid, &stat) >= 0 && process_presence(&stat) != PROCESS_ZOMBIE;
}

void rig_wait_dead(Rig *rig, pid_t pid) {
        usec_t since_usec = clock_boottime_usec();

        while (rig_is_alive(pid))
                turn(rig, since_usec, "the end of a process");
}

void rig_wait_gone(Rig *rig, pid_t pid) {
        usec_t since_usec = clock_boottime_usec();
        ProcessStat stat;

        while (roster_read_stat(pid, &stat) >= 0)
                turn(rig, since_usec, "a process to be buried");
}

void rig_wait_halted(Rig *rig, pid_t pid) {
        usec_t since_usec = clock_boottime_usec();
        ProcessStat stat;

        /* A signal sent before it has really stopped would still be heard. */
        while (roster_read_stat(pid, &stat) < 0 || process_presence(&stat) != PROCESS_STOPPED)
                turn(rig, since_usec, "a process to stop");
}

bool rig_is_locked(const char *path) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        bool is_held = flock(fd, LOCK_EX | LOCK_NB) < 0;
        (void) close(fd);
        return is_held;
}
