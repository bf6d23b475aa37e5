/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Members: a service is more than its main process.
 *
 * Bots fork workers, and it is often a worker that eats the memory. Who belongs to a service is
 * known by its control group, or, without one, by the session its main process leads (getsid(2)
 * tells without opening anything, so that a walk over all processes of the machine costs little).
 * The walk is made at the full check only; samples in between read the processes known from it.
 *
 * Processor time is gathered until a quarter of a second has passed, because the kernel counts it
 * for people in hundredths, and then turned into a share of the whole machine. A process seen for
 * the first time counts with all it used if it is younger than the reading before, else from now
 * on; what a short-lived child used between two readings is seen only where a cgroup keeps the
 * account.
 *
 * A number found by the last walk may be a stranger's by the next sample. The start time tells, and
 * the stranger is dropped.
 */

#include "sense/members.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "sense/dirents.h"
#include "sense/scan.h"

enum {
        CPU_SPAN_MIN_USEC = 250000
};

void members_init(Members *members) {
        assert(members);

        members->process = (ProcessSense){ .pid_fd = -1, .dir_fd = -1, .stat_fd = -1 };
        members->cgroup = (CgroupSense){ .dir_fd = -1, .cpu_fd = -1, .memory_fd = -1 };
        members->is_session = members->is_group = false;
        members->main = (Member){ 0 };
        members->n = 0;
        members->n_all = 1;
        members->cpu_at_usec = 0;
        members->pending_usec = 0;
        members->cpu_usec = -1;
        members->cpu_permille = -1;
        members->n_full_left = 0;
        members->n_shared = 0;
        members->rss_shared_bytes = 0;
        members->rss_bytes = 0;
        members->shared_bytes = 0;
        members->inactive_file_bytes = -1;
        members->memory_max_bytes = -1;
        members->oom_kills = -1;
        members->descriptors = -1;
        members->descriptors_limit = -1;
}

bool members_is_open(const Members *members) {
        assert(members);

        return members->process.dir_fd >= 0;
}

ProcessPresence
members_open(const Kernel *kernel, pid_t pid, const char *cgroup_path, Members *ret) {
        assert(kernel);
        assert(pid > 0);
        assert(ret);

        members_init(ret);

        ProcessPresence presence = process_open(kernel, pid, &ret->process);
        if (presence == PROCESS_UNKNOWN || presence == PROCESS_GONE)
                return presence;

        /* The root group is everybody's. A group that cannot be held is done without. */
        if (cgroup_path && cgroup_path[0] != '\0' && strcmp(cgroup_path, "/") != 0)
                (void) cgroup_open(kernel, cgroup_path, &ret->cgroup);

        ret->main.pid = pid;
        return presence;
}

void members_close(Members *members) {
        assert(members);

        process_close(&members->process);
        cgroup_close(&members->cgroup);
        members_init(members);
}

static void list_pid(Members *members, pid_t pid) {
        if (pid == members->main.pid)
                return;

        for (size_t i = 0; i < members->n; i++)
                if (members->list[i].pid == pid) {
                        members->list[i].is_listed = true;
                        return;
                }

        if (members->n < MEMBERS_MAX)
                members->list[members->n++] = (Member){ .pid = pid, .is_listed = true };
}

/* Keeps the order, and the accounts of those that stay. */
static void drop_unlisted(Members *members) {
        size_t kept = 0;

        for (size_t i = 0; i < members->n; i++)
                if (members->list[i].is_listed)
                        members->list[kept++] = members->list[i];

        members->n = kept;
}

static void walk_cgroup(Members *members) {
        pid_t pids[MEMBERS_MAX + 1];
        PidList found = { .pids = pids, .max = ELEMENTSOF(pids) };

        /* When it cannot be read now, those we know stay. */
        if (cgroup_list(&members->cgroup, &found) < 0)
                return;

        for (size_t i = 0; i < members->n; i++) {
                members->list[i].is_listed = false;
                for (size_t j = 0; j < found.n; j++)
                        members->list[i].is_listed |= members->list[i].pid == pids[j];
        }

        /* First the room of those that left, then the new ones. */
        drop_unlisted(members);
        for (size_t j = 0; j < found.n; j++)
                list_pid(members, pids[j]);

        members->n_all = MAX(found.all, (size_t) 1);
}

static bool has_processes_to_find(const Members *members) {
        return members_is_open(members) && members->cgroup.dir_fd < 0 &&
               (members->is_session || members->is_group);
}

static void offer_pid(pid_t pid, Members *const *services, size_t n_services) {
        pid_t session = getsid(pid);
        pid_t group = -1;

        for (size_t i = 0; i < n_services; i++) {
                Members *members = services[i];

                if (!has_processes_to_find(members))
                        continue;
                if (members->is_group && group < 0)
                        group = getpgid(pid);
                if (members->main.pid != (members->is_session ? session : group))
                        continue;

                members->n_all += pid != members->main.pid;
                list_pid(members, pid);
        }
}

static int walk_processes(const Kernel *kernel, Members *const *services, size_t n_services) {
        CLEANUP_FD int fd = openat(kernel->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        Dirents dirents;
        Dirent entry;
        uint64_t pid;
        int r;

        dirents_init(&dirents, fd);
        while ((r = dirents_next(&dirents, &entry)) > 0)
                if (dirents_parse_number(entry.name, &pid) && pid > 0 && pid <= INT32_MAX)
                        offer_pid((pid_t) pid, services, n_services);

        return r;
}

/* Asked at every walk: a child of ours may still be on its way to a session of its own. */
static void bind(Members *members) {
        pid_t pid = members->main.pid;

        members->is_session = getsid(pid) == pid;
        members->is_group = !members->is_session && getpgid(pid) == pid;
}

void members_walk(const Kernel *kernel, Members *const *services, size_t n_services) {
        assert(kernel);
        assert(services || n_services == 0);

        bool is_pass_needed = false;

        for (size_t i = 0; i < n_services; i++) {
                Members *members = services[i];

                if (members_is_open(members) && members->cgroup.dir_fd >= 0) {
                        walk_cgroup(members);
                        continue;
                }
                if (members_is_open(members))
                        bind(members);
                if (has_processes_to_find(members)) {
                        is_pass_needed = true;
                        members->n_all = 1;
                        for (size_t j = 0; j < members->n; j++)
                                members->list[j].is_listed = false;
                }
        }

        /* After a pass that broke off, those not met yet stay: the next sample drops the dead. */
        if (!is_pass_needed || walk_processes(kernel, services, n_services) < 0)
                return;

        for (size_t i = 0; i < n_services; i++)
                if (has_processes_to_find(services[i]))
                        drop_unlisted(services[i]);
}

typedef struct Sum {
        uint64_t rss_bytes;
        uint64_t own_bytes; /* proportional share where it may be read, else resident */
        uint64_t threads;
        uint64_t cpu_ticks;
        int64_t worst_permille;
} Sum;

static uint64_t add(uint64_t a, uint64_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t rss_of(const Kernel *kernel, const ProcessStat *stat) {
        uint64_t bytes;

        return __builtin_mul_overflow(stat->rss_pages, kernel->page_bytes, &bytes) ? UINT64_MAX
                                                                                   : bytes;
}

/* What it used since it was read before. */
static uint64_t
account(Member *member, const Kernel *kernel, const ProcessStat *stat, usec_t since_usec) {
        uint64_t used = 0;

        if (member->is_known && member->start_ticks == stat->start_ticks)
                used = stat->cpu_ticks > member->cpu_ticks ? stat->cpu_ticks - member->cpu_ticks
                                                           : 0;
        else if (since_usec > 0 && kernel_ticks_to_usec(kernel, stat->start_ticks) >= since_usec)
                used = stat->cpu_ticks;

        member->is_known = true;
        member->is_listed = false;
        member->start_ticks = stat->start_ticks;
        member->cpu_ticks = stat->cpu_ticks;
        return used;
}

static void add_stat(
        Sum *sum, Members *members, Member *member, const Kernel *kernel, const ProcessStat *stat) {
        sum->rss_bytes = add(sum->rss_bytes, rss_of(kernel, stat));
        sum->threads = add(sum->threads, stat->threads);
        sum->cpu_ticks = add(sum->cpu_ticks, account(member, kernel, stat, members->cpu_at_usec));
}

static void add_depth(Sum *sum, Members *members, uint64_t rss_bytes, const ProcessDepth *depth) {
        sum->own_bytes =
                add(sum->own_bytes, depth->pss_bytes < 0 ? rss_bytes : (uint64_t) depth->pss_bytes);

        if (depth->descriptors < 0)
                return;

        int64_t permille = depth->descriptors_limit <= 0
                                   ? 0
                                   : scan_permille((uint64_t) depth->descriptors,
                                                   (uint64_t) depth->descriptors_limit);
        if (permille > sum->worst_permille) {
                sum->worst_permille = permille;
                members->descriptors = depth->descriptors;
                members->descriptors_limit = depth->descriptors_limit;
        }
}

/* False: it is not, or no longer, one of ours. */
static bool is_ours(const Member *member, const ProcessStat *stat) {
        return member->is_listed || !member->is_known || member->start_ticks == stat->start_ticks;
}

/* Reads one that is not held on to. Its folder opened for the moment makes all its readings those
 * of one process. */
static bool read_member(Sum *sum,
                        Members *members,
                        Member *member,
                        const Kernel *kernel,
                        bool is_full,
                        bool is_pss_wanted) {
        ProcessStat stat;

        if (!is_full) {
                if (process_peek_stat(kernel, member->pid, &stat) < 0 || !is_ours(member, &stat))
                        return false;

                add_stat(sum, members, member, kernel, &stat);
                return true;
        }

        CLEANUP_FD int dir_fd = process_open_dir(kernel, member->pid);
        if (dir_fd < 0)
                return false;
        if (process_read_stat(dir_fd, &stat) < 0 || !is_ours(member, &stat))
                return false;

        ProcessDepth depth;
        process_read_depth(dir_fd, is_pss_wanted, &depth);
        add_stat(sum, members, member, kernel, &stat);
        add_depth(sum, members, rss_of(kernel, &stat), &depth);
        return true;
}

static void
read_members(Sum *sum, Members *members, const Kernel *kernel, bool is_full, bool is_pss_wanted) {
        size_t kept = 0;

        for (size_t i = 0; i < members->n; i++) {
                Member member = members->list[i];

                if (read_member(sum, members, &member, kernel, is_full, is_pss_wanted))
                        members->list[kept++] = member;
        }

        members->n_all -= MIN(members->n - kept, members->n_all - 1);
        members->n = kept;
}

static void charge_cpu(Members *members, const Kernel *kernel, usec_t now_usec, usec_t used_usec) {
        if (members->cpu_at_usec == 0) {
                members->cpu_at_usec = MAX(now_usec, (usec_t) 1);
                members->pending_usec = 0;
                return;
        }

        members->pending_usec = usec_add(members->pending_usec, used_usec);

        usec_t span_usec = usec_sub(now_usec, members->cpu_at_usec);
        if (span_usec < CPU_SPAN_MIN_USEC)
                return;

        usec_t machine_usec;
        if (__builtin_mul_overflow(span_usec, kernel->n_processors, &machine_usec))
                machine_usec = USEC_INFINITY;

        members->cpu_permille = scan_permille(members->pending_usec, machine_usec);
        members->cpu_at_usec = now_usec;
        members->pending_usec = 0;
}

static void settle_cpu(Members *members,
                       const Kernel *kernel,
                       usec_t now_usec,
                       const Sum *sum,
                       const CgroupFacts *cgroup) {
        usec_t used_usec = kernel_ticks_to_usec(kernel, sum->cpu_ticks);
        int64_t before = members->cpu_usec;

        members->cpu_usec = cgroup->cpu_usec;

        if (cgroup->cpu_usec >= 0) {
                used_usec = cgroup->cpu_usec > before ? (usec_t) (cgroup->cpu_usec - before) : 0;

                /* The first of a counter says nothing yet. */
                if (before < 0)
                        members->cpu_at_usec = 0;
        }

        charge_cpu(members, kernel, now_usec, used_usec);
}

/* Less than nothing is nothing; `part` may be negative. */
static int64_t less(int64_t from, int64_t part) {
        int64_t rest;

        return __builtin_sub_overflow(from, part, &rest) ? INT64_MAX : MAX(rest, (int64_t) 0);
}

static int64_t memory_of(const Members *members, const Sum *sum, const CgroupFacts *cgroup) {
        if (cgroup->memory_bytes >= 0)
                return less(cgroup->memory_bytes, MAX(members->inactive_file_bytes, (int64_t) 0));

        return less(scan_to_i64(sum->rss_bytes), members->shared_bytes);
}

static void settle_full(Members *members, const Sum *sum, const CgroupFacts *cgroup) {
        members->inactive_file_bytes = cgroup->inactive_file_bytes;
        members->memory_max_bytes = cgroup->memory_max_bytes;
        members->oom_kills = cgroup->oom_kills;
        if (sum->worst_permille < 0)
                members->descriptors = members->descriptors_limit = -1;
}

/* The kernel walks all page tables of a process to tell its share: 0.3 ms for a small bot of 60 MB,
 * some 5 ms for each GB, while the bot's own changes to its memory map may wait. What is shared
 * (libraries, pages from before a fork) changes little while the processes are the same and about
 * as large, so it is looked at every tenth time, or when they are not. */
enum {
        FULL_PER_SHARE = 10
};

static bool is_share_due(const Members *members) {
        uint64_t then = members->rss_shared_bytes;
        uint64_t now = members->rss_bytes;
        uint64_t moved = now > then ? now - then : then - now;

        return members->n_full_left == 0 || members->n != members->n_shared || moved > then / 8;
}

static void settle_share(Members *members, const Sum *sum) {
        members->n_full_left = FULL_PER_SHARE;
        members->n_shared = members->n;
        members->rss_shared_bytes = sum->rss_bytes;
        /* Negative when more is swapped out than is shared. */
        members->shared_bytes = scan_to_i64(sum->rss_bytes) - scan_to_i64(sum->own_bytes);
}

static ProcessPresence members_read(
        Members *members, const Kernel *kernel, usec_t now_usec, bool is_full, MembersFacts *ret) {
        assert(members);
        assert(members_is_open(members));
        assert(kernel);
        assert(ret);

        *ret = (MembersFacts){ .cpu_permille = -1,
                               .memory_bytes = -1,
                               .memory_max_bytes = -1,
                               .oom_kills = -1,
                               .threads = -1,
                               .processes = -1,
                               .descriptors = -1,
                               .descriptors_limit = -1 };

        ProcessStat stat;
        ProcessPresence presence = process_read_light(&members->process, &stat);

        ret->presence = presence;
        if (presence == PROCESS_UNKNOWN || presence == PROCESS_GONE)
                return presence;

        CgroupFacts cgroup = { .cpu_usec = -1, .memory_bytes = -1 };
        if (members->cgroup.dir_fd >= 0 && is_full)
                cgroup_read_full(&members->cgroup, &cgroup);
        else if (members->cgroup.dir_fd >= 0)
                cgroup_read_light(&members->cgroup, &cgroup);
        else
                cgroup.inactive_file_bytes = cgroup.memory_max_bytes = cgroup.oom_kills = -1;

        /* Where the kernel keeps the account, the costly walk over page tables is spared. */
        bool is_pss_wanted = is_full && cgroup.memory_bytes < 0 && is_share_due(members);
        Sum sum = { .worst_permille = -1 };

        add_stat(&sum, members, &members->main, kernel, &stat);
        if (is_full) {
                ProcessDepth depth;

                process_read_full(&members->process, is_pss_wanted, &depth);
                add_depth(&sum, members, rss_of(kernel, &stat), &depth);
        }
        read_members(&sum, members, kernel, is_full, is_pss_wanted);

        members->rss_bytes = sum.rss_bytes;
        if (is_pss_wanted)
                settle_share(members, &sum);
        if (is_full) {
                settle_full(members, &sum, &cgroup);
                members->n_full_left -= members->n_full_left > 0;
        }
        settle_cpu(members, kernel, now_usec, &sum, &cgroup);

        ret->age_usec = process_age_usec(kernel, &stat, now_usec);
        ret->cpu_permille = members->cpu_permille;
        ret->memory_bytes = memory_of(members, &sum, &cgroup);
        ret->memory_max_bytes = members->memory_max_bytes;
        ret->oom_kills = members->oom_kills;
        ret->threads = scan_to_i64(sum.threads);
        ret->processes = (int64_t) members->n_all;
        ret->descriptors = members->descriptors;
        ret->descriptors_limit = members->descriptors_limit;
        return presence;
}

ProcessPresence
members_read_light(Members *members, const Kernel *kernel, usec_t now_usec, MembersFacts *ret) {
        return members_read(members, kernel, now_usec, /* is_full= */ false, ret);
}

ProcessPresence
members_read_full(Members *members, const Kernel *kernel, usec_t now_usec, MembersFacts *ret) {
        return members_read(members, kernel, now_usec, /* is_full= */ true, ret);
}

void members_add_sockets(const Members *members,
                         const Kernel *kernel,
                         unsigned service,
                         SocketSense *sockets) {
        assert(members);
        assert(members_is_open(members));

        sockets_add(sockets, service, members->process.dir_fd, members->process.is_other_net);

        for (size_t i = 0; i < members->n; i++) {
                CLEANUP_FD int dir_fd = process_open_dir(kernel, members->list[i].pid);

                if (dir_fd >= 0)
                        sockets_add(sockets, service, dir_fd, /* is_other_net= */ false);
        }
}
