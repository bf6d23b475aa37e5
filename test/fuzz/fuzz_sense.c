/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every parser of sense/. The first byte chooses one, the rest is the file it is given.
 *
 * Beyond not stepping over the end, which the sanitizer sees, each parser is held to what its header
 * promises of an answer: a ratio is one, an untouched result is untouched, a rendering fits.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"
#include "fuzz.h"
#include "sense/cgroup.h"
#include "sense/host.h"
#include "sense/mounts.h"
#include "sense/pressure.h"
#include "sense/process.h"
#include "sense/sockets.h"

static void try_stat(const char *text, size_t length) {
        CpuTimes times;

        if (host_parse_stat(text, length, &times) >= 0)
                assert(times.busy <= UINT64_MAX - times.idle - times.steal);
}

static void try_meminfo(const char *text, size_t length) {
        MemoryInfo info;

        if (host_parse_meminfo(text, length, &info) < 0)
                return;
        assert(info.total_bytes > 0);
        assert(info.available_bytes <= info.total_bytes);
        assert(info.swap_free_bytes <= info.swap_total_bytes);
}

static void try_pressure(const char *text, size_t length) {
        int64_t permille;

        if (pressure_parse(text, length, &permille) >= 0)
                assert(permille >= 0 && permille <= 1000);
}

static void try_process_stat(const char *text, size_t length) {
        ProcessStat stat = { .pid = -7 };

        if (process_parse_stat(text, length, &stat) < 0) {
                assert(stat.pid == -7);
                return;
        }
        assert(stat.pid >= 0 && stat.parent >= 0 && stat.group >= 0 && stat.session >= 0);
        assert(memchr(stat.name, '\0', sizeof(stat.name)));
        assert(process_presence(&stat) < _PROCESS_PRESENCE_MAX);
}

static void try_smaps_rollup(const char *text, size_t length) {
        uint64_t bytes;

        (void) process_parse_smaps_rollup(text, length, &bytes); /* any answer will do */
}

static void try_limits(const char *text, size_t length) {
        int64_t limit;

        if (process_parse_limits(text, length, &limit) >= 0)
                assert(limit >= 0);
}

static void try_cgroup_path(const char *text, size_t length) {
        char path[32];

        if (cgroup_parse_path(text, length, path, sizeof(path)) >= 0)
                assert(path[0] == '/' && memchr(path, '\0', sizeof(path)));
}

static void try_cgroup_values(const char *text, size_t length) {
        uint64_t value;

        (void) cgroup_parse_value(text, length, &value);             /* any answer will do */
        (void) cgroup_parse_keyed(text, length, "oom_kill", &value); /* as above */
}

static void try_mounts(const char *text, size_t length) {
        Mount mount;

        if (!mounts_parse_line((Span){ text, text + length }, &mount))
                return;
        assert(mount.path[0] == '/' && memchr(mount.path, '\0', sizeof(mount.path)));
        assert(memchr(mount.type, '\0', sizeof(mount.type)));
        (void) mounts_is_remote(mount.type); /* either will do */
}

static void render(const SocketEntry *entry, void *userdata) {
        char peer[SOCKET_PEER_SIZE];
        size_t *n = userdata;

        (void) sockets_render_peer(peer, entry);
        assert(memchr(peer, ':', strlen(peer)));
        (*n)++;
}

static void try_link(const char *text, size_t length) {
        uint32_t inode;

        if (sockets_parse_link(text, length, &inode))
                assert(inode != 0);
}

static void try_net(const char *text, size_t length) {
        Span line = { text, text + length };
        SocketEntry entry;
        size_t n = 0;

        if (sockets_parse_net(line, /* is_v6= */ false, &entry))
                render(&entry, &n);
        if (sockets_parse_net(line, /* is_v6= */ true, &entry))
                render(&entry, &n);
}

static void try_diag(const char *text, size_t length) {
        size_t n = 0;
        int r = sockets_parse_diag(text, length, render, &n);

        assert(r <= 1);
        assert(n <= length / 16); /* each answer has a head of that size */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const tries[])(const char *, size_t) = {
                try_stat,         try_meminfo, try_pressure,    try_process_stat,
                try_smaps_rollup, try_limits,  try_cgroup_path, try_cgroup_values,
                try_mounts,       try_link,    try_net,         try_diag,
        };

        if (size > 0)
                tries[data[0] % ELEMENTSOF(tries)]((const char *) data + 1, size - 1);

        return 0;
}
