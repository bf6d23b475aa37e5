/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Services as a whole: real processes, forked here, and what is said of them together.
 *
 * A service is a child that leads a session, with workers forked in it. What could be told apart
 * only by long waiting is brought about by moving what the sense remembers.
 */

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sense/members.h"
#include "support.h"

static Members members;
static Members other;

/* Below, a service is a child that leads a session and has workers in it. */
typedef struct Workers {
        pid_t *pids; /* shared with the parent */
        unsigned n;
} Workers;

static void fork_workers(void *userdata) {
        Workers *workers = userdata;

        for (unsigned i = 0; i < workers->n; i++)
                workers->pids[i] = child_start(/* is_leader= */ false, NULL, NULL);
}

static pid_t *shared_pids(void) {
        pid_t *pids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(pids, MAP_FAILED);
        return pids;
}

static void walk_and_read(const Kernel *kernel, MembersFacts *ret) {
        Members *const services[] = { &members };

        members_walk(kernel, services, 1);
        assert_int_equal(members_read_full(&members, kernel, clock_boottime_usec(), ret),
                         PROCESS_ALIVE);
}

static int64_t pss_of(const Kernel *kernel, pid_t pid) {
        ProcessDepth depth;
        int dir_fd = process_open_dir(kernel, pid);

        assert_true(dir_fd >= 0);
        process_read_depth(dir_fd, /* is_pss_wanted= */ true, &depth);
        assert_int_equal(close(dir_fd), 0);
        assert_true(depth.pss_bytes > 0);
        return depth.pss_bytes;
}

static void workers_are_counted(void **state) {
        (void) state;
        Kernel kernel;
        MembersFacts facts;
        MembersFacts light;
        Workers workers = { .pids = shared_pids(), .n = 3 };
        unsigned n_before = open_descriptors();

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ true, fork_workers, &workers);
        assert_int_equal(members_open(&kernel, pid, NULL, &members), PROCESS_ALIVE);

        walk_and_read(&kernel, &facts);
        assert_int_equal(facts.processes, 4);
        assert_int_equal(facts.threads, 4);
        assert_int_equal(facts.cpu_permille, -1); /* no interval yet */
        assert_int_equal(facts.oom_kills, -1);
        assert_true(facts.memory_bytes > 0);
        assert_true(facts.descriptors > 2);
        assert_true(facts.descriptors_limit >= facts.descriptors);
        assert_in_range(facts.age_usec, 0, USEC_PER_MINUTE);

        /* Shared pages are counted once: the shares of all four, asked one by one, are the sum. */
        int64_t pss_bytes = pss_of(&kernel, pid);
        for (unsigned i = 0; i < workers.n; i++)
                pss_bytes += pss_of(&kernel, workers.pids[i]);
        assert_in_range(facts.memory_bytes, pss_bytes * 9 / 10, pss_bytes * 11 / 10);

        /* The sample between two full looks gives the same memory, not that of pages counted
         * twice. */
        assert_int_equal(members_read_light(&members, &kernel, clock_boottime_usec(), &light),
                         PROCESS_ALIVE);
        assert_int_equal(light.processes, 4);
        assert_in_range(light.memory_bytes, facts.memory_bytes * 9 / 10,
                        facts.memory_bytes * 11 / 10);
        assert_int_equal(light.descriptors, facts.descriptors);

        /* A worker dies: the service is alive, with one less. */
        assert_int_equal(kill(workers.pids[1], SIGKILL), 0);
        for (ProcessStat stat; process_peek_stat(&kernel, workers.pids[1], &stat) == 0;)
                if (process_presence(&stat) == PROCESS_ZOMBIE)
                        break;
        assert_int_equal(members_read_light(&members, &kernel, clock_boottime_usec(), &light),
                         PROCESS_ALIVE);

        /* The main one dies: gone, whoever is left. */
        assert_int_equal(kill(workers.pids[0], SIGKILL), 0);
        assert_int_equal(kill(workers.pids[2], SIGKILL), 0);
        child_end(pid);
        assert_int_equal(members_read_light(&members, &kernel, clock_boottime_usec(), &light),
                         PROCESS_GONE);
        assert_int_equal(light.memory_bytes, -1);
        assert_int_equal(light.threads, -1);

        members_close(&members);
        assert_false(members_is_open(&members));
        kernel_close(&kernel);
        assert_int_equal(munmap(workers.pids, 4096), 0);
        assert_int_equal(open_descriptors(), n_before);
}

/* Proportional shares are read when something has changed, and every tenth time. */
static void shares_are_read_now_and_then(void **state) {
        (void) state;
        Kernel kernel;
        MembersFacts facts;

        /* A process of its own, so that nobody joins it or leaves it. */
        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ true, NULL, NULL);
        assert_int_equal(members_open(&kernel, pid, NULL, &members), PROCESS_ALIVE);
        walk_and_read(&kernel, &facts);
        unsigned n_left = members.n_full_left;
        assert_true(n_left > 0);

        /* Nothing has changed: what was shared then stands in for it. */
        members.shared_bytes = 12345;
        walk_and_read(&kernel, &facts);
        assert_int_equal(members.shared_bytes, 12345);
        assert_int_equal(members.n_full_left, n_left - 1);
        assert_int_equal(facts.memory_bytes, members.rss_bytes - 12345);

        /* As if it had been smaller. */
        members.rss_shared_bytes = members.rss_shared_bytes / 4 * 3;
        walk_and_read(&kernel, &facts);
        assert_int_not_equal(members.shared_bytes, 12345);
        assert_int_equal(members.n_full_left, n_left);

        /* As if there had been one more. */
        members.shared_bytes = 12345;
        members.n_shared++;
        walk_and_read(&kernel, &facts);
        assert_int_not_equal(members.shared_bytes, 12345);
        assert_int_equal(members.n_full_left, n_left);

        /* Even if nothing changes, it is looked at again in the end. */
        members.shared_bytes = 12345;
        for (unsigned i = 0; i < n_left; i++) {
                walk_and_read(&kernel, &facts);
                assert_int_equal(members.shared_bytes, 12345);
        }
        walk_and_read(&kernel, &facts);
        assert_int_not_equal(members.shared_bytes, 12345);

        child_end(pid);
        members_close(&members);
        kernel_close(&kernel);
}

static void two_services_share_a_walk(void **state) {
        (void) state;
        Kernel kernel;
        MembersFacts facts;
        Workers workers = { .pids = shared_pids(), .n = 2 };

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ true, fork_workers, &workers);
        pid_t other_pid = child_start(/* is_leader= */ true, NULL, NULL);
        assert_int_equal(members_open(&kernel, pid, "", &members), PROCESS_ALIVE);
        assert_int_equal(members_open(&kernel, other_pid, "/", &other), PROCESS_ALIVE);

        static Members empty;
        members_init(&empty);
        Members *const services[] = { &other, &empty, &members };
        members_walk(&kernel, services, 3);
        members_walk(&kernel, services, 3); /* a second one finds the same, not twice */

        assert_int_equal(members_read_full(&members, &kernel, clock_boottime_usec(), &facts),
                         PROCESS_ALIVE);
        assert_int_equal(facts.processes, 3);
        assert_int_equal(members_read_full(&other, &kernel, clock_boottime_usec(), &facts),
                         PROCESS_ALIVE);
        assert_int_equal(facts.processes, 1);

        assert_int_equal(kill(workers.pids[0], SIGKILL), 0);
        assert_int_equal(kill(workers.pids[1], SIGKILL), 0);
        child_end(pid);
        child_end(other_pid);
        members_close(&members);
        members_close(&other);
        kernel_close(&kernel);
        assert_int_equal(munmap(workers.pids, 4096), 0);
}

static void without_a_session_it_is_alone(void **state) {
        (void) state;
        Kernel kernel;
        MembersFacts facts;

        /* It lives in our session and group, and we are not its members. */
        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ false, NULL, NULL);
        assert_int_equal(members_open(&kernel, pid, NULL, &members), PROCESS_ALIVE);
        walk_and_read(&kernel, &facts);
        assert_int_equal(facts.processes, 1);

        /* Seen before it has a group of its own: the next walk knows. */
        assert_int_equal(setpgid(pid, pid), 0);
        pid_t second = child_start(/* is_leader= */ false, NULL, NULL);
        assert_int_equal(setpgid(second, pid), 0);
        walk_and_read(&kernel, &facts);
        assert_int_equal(facts.processes, 2);

        child_end(second);
        child_end(pid);
        members_close(&members);
        kernel_close(&kernel);
}

static void strangers_with_known_numbers_are_dropped(void **state) {
        (void) state;
        Kernel kernel;
        MembersFacts facts;
        Workers workers = { .pids = shared_pids(), .n = 1 };

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ true, fork_workers, &workers);
        assert_int_equal(members_open(&kernel, pid, NULL, &members), PROCESS_ALIVE);
        walk_and_read(&kernel, &facts);
        assert_int_equal(facts.processes, 2);
        assert_int_equal(members.n, 1);

        /* As if the number had been given to another since the walk. */
        members.list[0].start_ticks--;
        assert_int_equal(members_read_light(&members, &kernel, clock_boottime_usec(), &facts),
                         PROCESS_ALIVE);
        assert_int_equal(facts.processes, 1);
        assert_int_equal(facts.threads, 1);
        assert_int_equal(members.n, 0);

        /* But if a walk found the number among ours, it is a new worker. */
        walk_and_read(&kernel, &facts);
        members.list[0].start_ticks--;
        walk_and_read(&kernel, &facts);
        assert_int_equal(facts.processes, 2);

        assert_int_equal(kill(workers.pids[0], SIGKILL), 0);
        child_end(pid);
        members_close(&members);
        kernel_close(&kernel);
        assert_int_equal(munmap(workers.pids, 4096), 0);
}

static void burn_until(usec_t cpu_usec) {
        while (clock_process_cpu_usec() < cpu_usec)
                ;
}

/* The time that is told is ours; what is used is real. */
static void processor_time_is_a_share_of_the_machine(void **state) {
        (void) state;
        Kernel kernel;
        MembersFacts facts;

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        kernel.n_processors = 2;
        assert_int_equal(members_open(&kernel, getpid(), NULL, &members), PROCESS_ALIVE);

        const usec_t start_usec = clock_boottime_usec();
        const usec_t used_usec = clock_process_cpu_usec();
        assert_int_equal(members_read_light(&members, &kernel, start_usec, &facts), PROCESS_ALIVE);
        assert_int_equal(facts.cpu_permille, -1);

        /* Asked too soon there is no answer, but what was used is kept … */
        burn_until(used_usec + 300 * USEC_PER_MSEC);
        assert_int_equal(members_read_light(&members, &kernel, start_usec + 1000, &facts),
                         PROCESS_ALIVE);
        assert_int_equal(facts.cpu_permille, -1);

        /* … and shared out over one second of two processors. */
        burn_until(used_usec + 500 * USEC_PER_MSEC);
        assert_int_equal(members_read_light(&members, &kernel, start_usec + USEC_PER_SEC, &facts),
                         PROCESS_ALIVE);
        assert_in_range(facts.cpu_permille, 235, 275);

        members_close(&members);
        kernel_close(&kernel);
}

static void cgroups_are_preferred(void **state) {
        (void) state;
        Kernel captured = fixture_kernel("linux-5.4");
        Kernel kernel;
        MembersFacts facts;

        /* Our own process with the account of a captured group. */
        assert_int_equal(kernel_open("/proc", &kernel), 0);
        int own_cgroup_fd = kernel.cgroup_fd;
        kernel.cgroup_fd = captured.cgroup_fd;
        assert_int_equal(members_open(&kernel, getpid(), "/system.slice/bot.service", &members),
                         PROCESS_ALIVE);
        assert_int_equal(members_read_full(&members, &kernel, 1000000, &facts), PROCESS_ALIVE);
        assert_int_equal(facts.memory_bytes, 104857600 - 20971520);
        assert_int_equal(facts.memory_max_bytes, INT64_MAX);
        assert_int_equal(facts.oom_kills, 2);
        assert_int_equal(facts.cpu_permille, -1);

        /* 500 ms used in one second of two processors. */
        kernel.n_processors = 2;
        members.cpu_usec -= 500000;
        assert_int_equal(members_read_light(&members, &kernel, 2000000, &facts), PROCESS_ALIVE);
        assert_int_equal(facts.cpu_permille, 250);
        assert_int_equal(facts.memory_bytes, 104857600 - 20971520);

        members_close(&members);
        kernel.cgroup_fd = own_cgroup_fd;
        kernel_close(&kernel);
        kernel_close(&captured);
}

static void sockets_are_gathered(void **state) {
        (void) state;
        static SocketSense sockets;
        Kernel kernel;
        SocketFacts facts;
        Workers workers = { .pids = shared_pids(), .n = 1 };

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        pid_t pid = child_start(/* is_leader= */ true, fork_workers, &workers);
        assert_int_equal(members_open(&kernel, pid, NULL, &members), PROCESS_ALIVE);
        MembersFacts ignored;
        walk_and_read(&kernel, &ignored);

        sockets_open(&sockets);
        sockets_begin(&sockets);
        members_add_sockets(&members, &kernel, 3, &sockets);
        sockets_match(&sockets, &kernel);
        sockets_get(&sockets, 3, &facts);
        assert_int_equal(facts.connections, 0);
        sockets_get(&sockets, 4, &facts);
        assert_int_equal(facts.connections, -1); /* nobody looked */

        assert_int_equal(kill(workers.pids[0], SIGKILL), 0);
        child_end(pid);
        sockets_close(&sockets);
        members_close(&members);
        kernel_close(&kernel);
        assert_int_equal(munmap(workers.pids, 4096), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(workers_are_counted),
                cmocka_unit_test(shares_are_read_now_and_then),
                cmocka_unit_test(two_services_share_a_walk),
                cmocka_unit_test(without_a_session_it_is_alone),
                cmocka_unit_test(strangers_with_known_numbers_are_dropped),
                cmocka_unit_test(processor_time_is_a_share_of_the_machine),
                cmocka_unit_test(cgroups_are_preferred),
                cmocka_unit_test(sockets_are_gathered),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
