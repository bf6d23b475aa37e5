/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The machine: processor, memory, pressure and clock.
 *
 * Parsers are given captured tables of several kernels, cut at every byte, and nonsense. Readings
 * are told as a story: false tables are rewritten between one reading and the next.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/clocksync.h"
#include "sense/host.h"
#include "sense/pressure.h"
#include "support.h"

static int stat_of(const char *literal, CpuTimes *ret) {
        Text text = text_of(literal);
        int r = host_parse_stat(text.data, text.length, ret);

        text_done(&text);
        return r;
}

static int meminfo_of(const char *literal, MemoryInfo *ret) {
        Text text = text_of(literal);
        int r = host_parse_meminfo(text.data, text.length, ret);

        text_done(&text);
        return r;
}

static void stat_is_read(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-5.4/stat");
        CpuTimes times;

        assert_int_equal(host_parse_stat(text.data, text.length, &times), 0);
        assert_int_equal(times.busy, 4705 + 150 + 1120 + 0 + 30);
        assert_int_equal(times.idle, 16250043 + 520);
        assert_int_equal(times.steal, 12);
        text_done(&text);

        text = fixture_text("proc/linux-6.18/stat");
        assert_int_equal(host_parse_stat(text.data, text.length, &times), 0);
        assert_true(times.busy > 0 && times.idle > times.busy);
        text_done(&text);
}

static void odd_stats_are_refused(void **state) {
        (void) state;
        CpuTimes times = { .busy = 77 };

        assert_int_equal(stat_of("", &times), -EINVAL);
        assert_int_equal(stat_of("cpu 1 2 3 4 5 6 7", &times), -EINVAL);
        assert_int_equal(stat_of("cpu 1 2 3 4 5 6 7 8", &times),
                         -EINVAL); /* may be the head of 80 */
        assert_int_equal(stat_of("cpu0 1 2 3 4 5 6 7 8\n", &times), -EINVAL);
        assert_int_equal(stat_of("cpu 1 2 3 4 5 6 7 x\n", &times), -EINVAL);
        assert_int_equal(stat_of("cpu 1 2 3 -4 5 6 7 8\n", &times), -EINVAL);
        assert_int_equal(stat_of("cpu 18446744073709551615 2 3 4 5 6 7 8\n", &times), -EINVAL);
        assert_int_equal(stat_of("cpu 99999999999999999999 2 3 4 5 6 7 8\n", &times), -EINVAL);
        assert_int_equal(times.busy, 77); /* untouched */
        assert_int_equal(stat_of("cpu 1 2 3 4 5 6 7 8\n", &times), 0);
}

static void meminfo_is_read(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-5.4/meminfo");
        MemoryInfo info;

        assert_int_equal(host_parse_meminfo(text.data, text.length, &info), 0);
        assert_int_equal(info.total_bytes, 2035496ULL * 1024);
        assert_int_equal(info.available_bytes, 1017748ULL * 1024);
        assert_int_equal(info.swap_total_bytes, 1048572ULL * 1024);
        assert_int_equal(info.swap_free_bytes, 786429ULL * 1024);
        assert_false(info.is_estimated);
        text_done(&text);
}

static void old_meminfo_is_estimated(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-3.10/meminfo");
        MemoryInfo info;

        assert_int_equal(host_parse_meminfo(text.data, text.length, &info), 0);
        assert_true(info.is_estimated);
        assert_int_equal(info.available_bytes, (100000ULL + 50000 + 300000 - 40000) * 1024);
        text_done(&text);
}

/* A cut must never turn one number into a smaller one. */
static void cut_meminfo_is_whole_or_refused(void **state) {
        (void) state;
        Text text = fixture_text("proc/linux-6.18/meminfo");
        MemoryInfo whole;

        assert_int_equal(host_parse_meminfo(text.data, text.length, &whole), 0);

        for (size_t length = 0; length < text.length; length++) {
                Text head = text_head(text, length);
                MemoryInfo info;

                if (host_parse_meminfo(head.data, head.length, &info) == 0) {
                        assert_int_equal(info.total_bytes, whole.total_bytes);
                        assert_int_equal(info.available_bytes, whole.available_bytes);
                }
                text_done(&head);
        }
        text_done(&text);
}

static void odd_meminfo_is_refused(void **state) {
        (void) state;
        MemoryInfo info;

        assert_int_equal(meminfo_of("", &info), -EINVAL);
        assert_int_equal(meminfo_of("MemTotal: 0 kB\nMemAvailable: 1 kB\n", &info), -EINVAL);
        assert_int_equal(meminfo_of("MemTotal: 10 kB\nMemFree: 1 kB\n", &info), -EINVAL);
        assert_int_equal(meminfo_of("MemTotal: 10\nMemAvailable: 1 kB\n", &info), -EINVAL);
        assert_int_equal(meminfo_of("MemTotal: 18014398509481983 kB\nMemAvailable: 1 kB\n", &info),
                         -EINVAL);

        /* More available than there is, as some containers say, is all of it; the first of two
         * holds. */
        assert_int_equal(
                meminfo_of("MemTotal: 10 kB\nMemAvailable: 20 kB\nMemTotal: 1 kB\n", &info), 0);
        assert_int_equal(info.total_bytes, 10240);
        assert_int_equal(info.available_bytes, 10240);
}

static void write_at(const char *dir, const char *name, const char *text) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(close(fd), 0);
}

static void remove_at(const char *dir, const char *name) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        assert_int_equal(unlink(path), 0);
}

static void host_reads_as_a_story(void **state) {
        (void) state;
        char dir[] = "/tmp/test-sense-XXXXXX";
        Kernel kernel;
        HostSense host;
        HostFacts facts = { 0 };

        assert_non_null(mkdtemp(dir));
        assert_int_equal(kernel_open(dir, &kernel), 0);
        assert_int_equal(kernel.cgroup_fd, -1);
        host_open(&host);

        /* Nothing there: nothing valid, and no harm. */
        host_read(&host, &kernel, 1, &facts);
        assert_false(facts.cpu_permille.is_valid);
        assert_false(facts.memory_permille.is_valid);

        /* The first reading has no interval. */
        write_at(dir, "stat", "cpu 100 0 0 900 0 0 0 0 0 0\n");
        write_at(dir, "meminfo",
                 "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 100 kB\nSwapFree: 90 kB\n");
        host_read(&host, &kernel, 2, &facts);
        assert_false(facts.cpu_permille.is_valid);
        assert_true(facts.memory_permille.is_valid);
        assert_int_equal(facts.memory_permille.value, 750);
        assert_int_equal(facts.memory_permille.at_usec, 2);
        assert_int_equal(facts.memory_total_bytes.value, 1000 * 1024);
        assert_int_equal(facts.swap_permille.value, 100);

        /* 30 of 100 ticks busy, 20 stolen, 50 idle. */
        write_at(dir, "stat", "cpu 110 10 10 940 10 0 0 20 50 50\n");
        host_read(&host, &kernel, 3, &facts);
        assert_true(facts.cpu_permille.is_valid);
        assert_int_equal(facts.cpu_permille.value, 300);
        assert_int_equal(facts.steal_permille.value, 200);

        /* Again within the same tick: the answer and its age stand. */
        host_read(&host, &kernel, 4, &facts);
        assert_true(facts.cpu_permille.is_valid);
        assert_int_equal(facts.cpu_permille.value, 300);
        assert_int_equal(facts.cpu_permille.at_usec, 3);

        /* Counters that step back count as nothing. */
        write_at(dir, "stat", "cpu 160 10 10 900 0 0 0 10 50 50\n");
        host_read(&host, &kernel, 5, &facts);
        assert_int_equal(facts.cpu_permille.value, 1000);
        assert_int_equal(facts.steal_permille.value, 0);

        /* Nonsense is not valid, and the interval begins anew. */
        write_at(dir, "stat", "cpu nonsense\n");
        write_at(dir, "meminfo", "MemTotal: many\n");
        host_read(&host, &kernel, 6, &facts);
        assert_false(facts.cpu_permille.is_valid);
        assert_false(facts.steal_permille.is_valid);
        assert_false(facts.memory_permille.is_valid);
        assert_false(facts.memory_total_bytes.is_valid);
        write_at(dir, "stat", "cpu 200 10 10 900 0 0 0 10 50 50\n");
        host_read(&host, &kernel, 7, &facts);
        assert_false(facts.cpu_permille.is_valid);

        /* No swap: none of it is used. */
        write_at(dir, "meminfo", "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 0 kB\n");
        host_read(&host, &kernel, 8, &facts);
        assert_true(facts.swap_permille.is_valid);
        assert_int_equal(facts.swap_permille.value, 0);

        host_close(&host);
        kernel_close(&kernel);
        remove_at(dir, "stat");
        remove_at(dir, "meminfo");
        assert_int_equal(rmdir(dir), 0);
}

static int pressure_of(const char *literal, int64_t *ret) {
        Text text = text_of(literal);
        int r = pressure_parse(text.data, text.length, ret);

        text_done(&text);
        return r;
}

static void pressure_is_read(void **state) {
        (void) state;
        Kernel kernel = fixture_kernel("linux-5.4");
        PressureSense pressure;
        HostFacts facts = { 0 };

        pressure_open(&kernel, &pressure);
        pressure_read(&pressure, 9, &facts);
        assert_true(facts.psi_cpu_permille.is_valid);
        assert_int_equal(facts.psi_cpu_permille.value, 123);
        assert_int_equal(facts.psi_cpu_permille.at_usec, 9);
        assert_int_equal(facts.psi_memory_permille.value, 1); /* 0.05 % rounds up */
        assert_int_equal(facts.psi_io_permille.value, 1000);
        pressure_close(&pressure);
        kernel_close(&kernel);

        /* A kernel that keeps no account. */
        kernel = fixture_kernel("linux-3.10");
        pressure_open(&kernel, &pressure);
        pressure_read(&pressure, 10, &facts);
        assert_false(facts.psi_cpu_permille.is_valid);
        assert_false(facts.psi_io_permille.is_valid);
        pressure_close(&pressure);
        kernel_close(&kernel);
}

static void odd_pressure_is_refused(void **state) {
        (void) state;
        int64_t permille;

        assert_int_equal(pressure_of("", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=1.00 avg60=0.00", &permille), -EINVAL);
        assert_int_equal(pressure_of("full avg10=1.00 avg60=0.00\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=1\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=1.0\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=1.0x\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=-1.00\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=101.00\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg60=1.00 avg10=1.00\n", &permille), -EINVAL);
        assert_int_equal(pressure_of("some avg10=99.96\n", &permille), 0);
        assert_int_equal(permille, 1000);
}

static void clock_is_judged(void **state) {
        (void) state;
        struct timex timex = { .status = 0 };

        assert_true(clocksync_judge(TIME_OK, &timex));
        assert_true(clocksync_judge(TIME_INS, &timex));
        timex.status = STA_UNSYNC;
        assert_false(clocksync_judge(TIME_ERROR, &timex));
        timex.status = STA_PPSERROR;
        assert_true(clocksync_judge(TIME_ERROR, &timex));
        assert_false(clocksync_judge(-1, &timex));

        HostFacts facts = { 0 };
        clocksync_read(11, &facts);
        assert_int_equal(facts.is_clock_synchronised.at_usec, 11);
        assert_in_range(facts.is_clock_synchronised.value, 0, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(stat_is_read),
                cmocka_unit_test(odd_stats_are_refused),
                cmocka_unit_test(meminfo_is_read),
                cmocka_unit_test(old_meminfo_is_estimated),
                cmocka_unit_test(cut_meminfo_is_whole_or_refused),
                cmocka_unit_test(odd_meminfo_is_refused),
                cmocka_unit_test(host_reads_as_a_story),
                cmocka_unit_test(pressure_is_read),
                cmocka_unit_test(odd_pressure_is_refused),
                cmocka_unit_test(clock_is_judged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
