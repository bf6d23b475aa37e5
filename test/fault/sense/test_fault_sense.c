/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fault: the n-th call to the kernel fails, for every n.
 *
 * The linker puts the functions below in front of those of the C library (ld(1), --wrap). A round
 * looks at the machine and at a real service once; it is run once for each call it makes and each way
 * in which that call may fail: an error, or half of the bytes. Whatever fails, nothing crashes, no
 * descriptor is lost, every number is either not known or possible, and the round after it knows
 * everything again.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/macro.h"
#include "sense/clocksync.h"
#include "sense/disk.h"
#include "sense/host.h"
#include "sense/members.h"
#include "sense/pressure.h"
#include "sense/sockets.h"
#include "support.h"

/* An errno, or one of these. */
enum {
        FAULT_NONE = 0,
        FAULT_HALF = -1
};

static struct {
        unsigned at; /* the n-th call; 0: none */
        unsigned n;
        int how;
} fault;

static bool is_due(int how) {
        return fault.at != 0 && fault.how == how;
}

/* True when this call is to fail, errno set. */
static bool fails(void) {
        fault.n++;
        if (fault.n != fault.at || is_due(FAULT_HALF))
                return false;

        errno = fault.how;
        return true;
}

/* How much of what was asked for this call may give. */
static size_t allowed(size_t size) {
        return fault.n == fault.at && is_due(FAULT_HALF) ? MAX(size / 2, (size_t) 1) : size;
}

static ssize_t cut(ssize_t n) {
        return n > 0 && fault.n == fault.at && is_due(FAULT_HALF) ? MAX(n / 2, (ssize_t) 1) : n;
}

/* Both names of each: which one is called depends on the width of file offsets. */
#define WRAP(type, name, parameters, arguments)                \
        type __real_##name parameters;                         \
        type __wrap_##name parameters;                         \
        type __wrap_##name parameters {                        \
                return fails() ? -1 : __real_##name arguments; \
        }
#define WRAP_BOTH(type, name, parameters, arguments) \
        WRAP(type, name, parameters, arguments)      \
        WRAP(type, name##64, parameters, arguments)
#define WRAP_CUT(name, parameters, arguments)                       \
        ssize_t __real_##name parameters;                           \
        ssize_t __wrap_##name parameters;                           \
        ssize_t __wrap_##name parameters {                          \
                return fails() ? -1 : cut(__real_##name arguments); \
        }
#define WRAP_SIZED(name, parameters, arguments) \
        ssize_t __real_##name parameters;       \
        ssize_t __wrap_##name parameters;       \
        ssize_t __wrap_##name parameters {      \
                if (fails())                    \
                        return -1;              \
                size = allowed(size);           \
                return __real_##name arguments; \
        }

WRAP_BOTH(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP_BOTH(int, openat, (int fd, const char *path, int flags, mode_t mode), (fd, path, flags, mode))
WRAP_BOTH(int,
          fstatat,
          (int fd, const char *path, struct stat *st, int flags),
          (fd, path, st, flags))
WRAP_BOTH(int, fstat, (int fd, struct stat *st), (fd, st))
WRAP_BOTH(int, statvfs, (const char *path, struct statvfs *st), (path, st))
WRAP_BOTH(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
WRAP_CUT(pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP_CUT(pread64, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP_SIZED(read, (int fd, void *data, size_t size), (fd, data, size))
WRAP_CUT(readlinkat, (int fd, const char *path, char *data, size_t size), (fd, path, data, size))
WRAP_CUT(recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
WRAP(int, getsid, (pid_t pid), (pid))
WRAP(int, getpgid, (pid_t pid), (pid))
WRAP(long,
     syscall,
     (long number, long a, long b, long c, long d, long e, long f),
     (number, a, b, c, d, e, f))

typedef struct Round {
        Kernel kernel;
        HostSense host;
        PressureSense pressure;
        DiskSense disk;
        HostFacts facts;
        MembersFacts full;
        MembersFacts light;
        SocketFacts sockets;
        CgroupSense cgroup;
        CgroupFacts charged;
        PidList list;
        bool is_kernel_open;
} Round;

static int captured_fd; /* root of captured control groups */
static pid_t listed[8];
static const char *const paths[] = { "/", "/tmp" };
static SocketSense sockets;
static Members members;
static Round around;
static pid_t *pids;
static pid_t service;

static void fork_worker(void *userdata) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 1) < 0)
                _exit(1);

        *(pid_t *) userdata = child_start(/* is_leader= */ false, NULL, NULL);
}

static void round_open(Round *round) {
        memset(round, 0, sizeof(*round));
        members_init(&members);
        sockets_open(&sockets);

        round->is_kernel_open = kernel_open("/proc", &round->kernel) >= 0;
        if (!round->is_kernel_open)
                return;

        host_open(&round->host);
        pressure_open(&round->kernel, &round->pressure);
        disk_open(&round->kernel, paths, ELEMENTSOF(paths), "/tmp", &round->disk);
        /* What could not be opened shows in what is held. */
        Kernel captured = { .cgroup_fd = captured_fd };
        (void) members_open(&round->kernel, service, NULL, &members);
        (void) cgroup_open(&captured, "/system.slice/bot.service", &round->cgroup);
}

static void round_read(Round *round) {
        Members *const services[] = { &members };

        if (!round->is_kernel_open)
                return;

        host_read(&round->host, &round->kernel, clock_boottime_usec(), &round->facts);
        pressure_read(&round->pressure, 2, &round->facts);
        disk_read(&round->disk, &round->kernel, 3, &round->facts);

        memset(&round->full, 0xff, sizeof(round->full));
        memset(&round->light, 0xff, sizeof(round->light));
        round->full.presence = round->light.presence = PROCESS_UNKNOWN;
        round->sockets.connections = -1;

        round->list = (PidList){ .pids = listed, .max = ELEMENTSOF(listed) };
        if (round->cgroup.dir_fd >= 0) {
                cgroup_read_full(&round->cgroup, &round->charged);
                (void) cgroup_list(&round->cgroup, &round->list); /* seen by what is in it */
        }

        members_walk(&round->kernel, services, 1);
        if (!members_is_open(&members))
                return;
        (void) members_read_full(&members, &round->kernel, clock_boottime_usec(), &round->full);
        (void) members_read_light(&members, &round->kernel, clock_boottime_usec(), &round->light);

        sockets_begin(&sockets);
        members_add_sockets(&members, &round->kernel, 0, &sockets);
        sockets_match(&sockets, &round->kernel);
        sockets_get(&sockets, 0, &round->sockets);
}

static void round_close(Round *round) {
        members_close(&members);
        sockets_close(&sockets);
        if (!round->is_kernel_open)
                return;
        cgroup_close(&round->cgroup);
        disk_close(&round->disk);
        pressure_close(&round->pressure);
        host_close(&round->host);
        kernel_close(&round->kernel);
}

static void is_possible(const Metric *metric, int64_t most) {
        if (metric->is_valid)
                assert_in_range(metric->value, 0, most);
}

static void facts_are_possible(const MembersFacts *facts) {
        assert_true(facts->memory_bytes >= -1 && facts->memory_bytes < 1L << 32);
        assert_true(facts->threads >= -1 && facts->threads <= 2);
        assert_true(facts->processes >= -1 && facts->processes <= 2);
        assert_true(facts->cpu_permille >= -1 && facts->cpu_permille <= 1000);
        assert_true(facts->descriptors >= -1 && facts->descriptors < 1000);
}

static void round_is_possible(const Round *round) {
        if (!round->is_kernel_open)
                return;

        is_possible(&round->facts.cpu_permille, 1000);
        is_possible(&round->facts.steal_permille, 1000);
        is_possible(&round->facts.memory_permille, 1000);
        is_possible(&round->facts.swap_permille, 1000);
        is_possible(&round->facts.psi_cpu_permille, 1000);
        is_possible(&round->facts.psi_memory_permille, 1000);
        is_possible(&round->facts.psi_io_permille, 1000);
        is_possible(&round->facts.disks[0].used_permille, 1000);
        is_possible(&round->facts.disks[0].inodes_permille, 1000);
        facts_are_possible(&round->full);
        facts_are_possible(&round->light);
        assert_in_range(round->sockets.connections + 1, 0, 1);
        assert_true(round->list.all <= 5);
}

static void round_is_whole(const Round *round) {
        assert_true(round->is_kernel_open);
        assert_true(round->facts.memory_permille.is_valid);
        assert_true(round->facts.swap_permille.is_valid);
        assert_true(round->facts.disks[0].used_permille.is_valid);
        assert_true(round->facts.root_free_bytes.is_valid);
        assert_int_equal(round->full.presence, PROCESS_ALIVE);
        assert_int_equal(round->full.processes, 2);
        assert_int_equal(round->full.threads, 2);
        assert_true(round->full.memory_bytes > 0);
        assert_true(round->full.descriptors > 0);
        assert_true(round->full.descriptors_limit > 0);
        assert_int_equal(round->light.presence, PROCESS_ALIVE);
        assert_int_equal(round->light.processes, 2);
        assert_int_equal(round->list.all, 5);
        assert_int_equal(round->charged.oom_kills, 2);
        assert_int_equal(round->charged.memory_bytes, 104857600);
        assert_int_equal(round->sockets.connections, 0);
        assert_int_equal(round->sockets.by_state[TCP_LISTEN], 1);
}

static const int ways[] = { EIO, EMFILE, ENOMEM, EACCES, ENOENT, ESRCH, EINTR, FAULT_HALF };

static void fault_set(unsigned at, int how) {
        fault.n = 0;
        fault.at = at;
        fault.how = how;
}

/* From opening to closing. */
static void a_life_survives_any_fault(void **state) {
        (void) state;

        fault_set(0, FAULT_NONE);
        round_open(&around);
        round_read(&around);
        round_is_whole(&around);
        round_close(&around);
        unsigned n_before = open_descriptors();
        unsigned n_calls = fault.n;
        assert_in_range(n_calls, 50, 5000);

        for (size_t way = 0; way < ELEMENTSOF(ways); way++)
                for (unsigned at = 1; at <= n_calls; at++) {
                        fault_set(at, ways[way]);
                        round_open(&around);
                        round_read(&around);
                        fault_set(0, FAULT_NONE);
                        round_is_possible(&around);
                        round_close(&around);
                        assert_int_equal(open_descriptors(), n_before);
                }
}

/* A fault in one round of many: the next one is whole. */
static void a_round_forgets_the_fault_before_it(void **state) {
        (void) state;

        fault_set(0, FAULT_NONE);
        round_open(&around);
        round_read(&around);
        unsigned n_before = open_descriptors();
        fault_set(0, FAULT_NONE);
        round_read(&around);
        unsigned n_calls = fault.n;

        for (size_t way = 0; way < ELEMENTSOF(ways); way++)
                for (unsigned at = 1; at <= n_calls; at++) {
                        fault_set(at, ways[way]);
                        round_read(&around);
                        fault_set(0, FAULT_NONE);
                        round_is_possible(&around);
                        round_read(&around);
                        round_is_whole(&around);
                        assert_true(open_descriptors() <= n_before);
                }

        round_close(&around);
}

static int start_service(void **state) {
        (void) state;

        pids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (pids == MAP_FAILED)
                return -1;

        captured_fd = open(FIXTURES "/cgroup/linux-6.1", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (captured_fd < 0)
                return -1;

        service = child_start(/* is_leader= */ true, fork_worker, pids);
        return 0;
}

static int end_service(void **state) {
        (void) state;

        (void) kill(pids[0], SIGKILL); /* not our child: reaped by whoever reaps orphans */
        child_end(service);
        return close(captured_fd) | munmap(pids, 4096);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_life_survives_any_fault),
                cmocka_unit_test(a_round_forgets_the_fault_before_it),
        };

        return cmocka_run_group_tests(tests, start_service, end_service);
}
