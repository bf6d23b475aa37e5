/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What one full check costs: everything sense/ looks at for the machine and for one service.
 *
 *      bench_sense PID CYCLES
 *
 * The service is the process of that number with whatever belongs to it. Compare with floor, which
 * asks the kernel for the same and throws the answers away.
 */

#include <stdio.h>

#include "base/macro.h"
#include "bench.h"
#include "sense/clocksync.h"
#include "sense/disk.h"
#include "sense/host.h"
#include "sense/members.h"
#include "sense/pressure.h"
#include "sense/sockets.h"

static SocketSense sockets;
static Members members;
static HostFacts facts;

int main(int argc, char **argv) {
        static const char *const paths[] = { "/" };
        Members *const services[] = { &members };
        PressureSense pressure;
        HostSense host;
        DiskSense disk;
        Kernel kernel;
        Bench bench;
        MembersFacts numbers;
        SocketFacts connections;

        if (!bench_start(&bench, "sense", argc, argv))
                return 2;
        if (kernel_open("/proc", &kernel) < 0 ||
            members_open(&kernel, bench.pid, NULL, &members) != PROCESS_ALIVE) {
                (void) fprintf(stderr, "sense: no such process\n");
                return 1;
        }

        host_open(&host);
        pressure_open(&kernel, &pressure);
        disk_open(&kernel, paths, ELEMENTSOF(paths), "/tmp", &disk);
        sockets_open(&sockets);

        while (bench_goes_on(&bench)) {
                usec_t now_usec = clock_boottime_usec();

                host_read(&host, &kernel, now_usec, &facts);
                pressure_read(&pressure, now_usec, &facts);
                disk_read(&disk, &kernel, now_usec, &facts);
                clocksync_read(now_usec, &facts);

                members_walk(&kernel, services, ELEMENTSOF(services));
                if (members_read_full(&members, &kernel, now_usec, &numbers) != PROCESS_ALIVE)
                        return 1;

                sockets_begin(&sockets);
                members_add_sockets(&members, &kernel, 0, &sockets);
                sockets_match(&sockets, &kernel);
                sockets_get(&sockets, 0, &connections);
        }

        bench_report(&bench);
        return 0;
}
