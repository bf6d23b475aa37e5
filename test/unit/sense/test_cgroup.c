/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Control groups: a captured one, odd texts, and a real one made for the moment.
 *
 * The real one needs the v2 hierarchy and the right to make a group; where that is lacking, the
 * test says that it was passed over.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/cgroup.h"
#include "support.h"

static int path_of(const char *literal, char *ret, size_t size) {
        Text text = text_of(literal);
        int r = cgroup_parse_path(text.data, text.length, ret, size);

        text_done(&text);
        return r;
}

static void paths_are_read(void **state) {
        (void) state;
        char path[64];

        assert_int_equal(path_of("0::/a/b.service\n", path, sizeof(path)), 0);
        assert_string_equal(path, "/a/b.service");
        assert_int_equal(path_of("12:memory:/x\n1:name=systemd:/y\n0::/z z\n", path, sizeof(path)),
                         0);
        assert_string_equal(path, "/z z");
        assert_int_equal(path_of("0::/\n", path, sizeof(path)), 0);
        assert_string_equal(path, "/");

        assert_int_equal(path_of("0::/a (deleted)\n", path, sizeof(path)), -ENOENT);
        assert_int_equal(path_of("12:memory:/x\n", path, sizeof(path)), -EINVAL);
        assert_int_equal(path_of("0::/a", path, sizeof(path)), -EINVAL);
        assert_int_equal(path_of("0::\n", path, sizeof(path)), -EINVAL);
        assert_int_equal(path_of("0::relative\n", path, sizeof(path)), -EINVAL);
        assert_int_equal(path_of("10::/x\n", path, sizeof(path)), -EINVAL);
        assert_int_equal(path_of("", path, sizeof(path)), -EINVAL);
        assert_int_equal(path_of("0::/four\n", path, 5), -ENAMETOOLONG);
        assert_int_equal(path_of("0::/four\n", path, 6), 0);
}

static int value_of(const char *literal, uint64_t *ret) {
        Text text = text_of(literal);
        int r = cgroup_parse_value(text.data, text.length, ret);

        text_done(&text);
        return r;
}

static int keyed_of(const char *literal, const char *key, uint64_t *ret) {
        Text text = text_of(literal);
        int r = cgroup_parse_keyed(text.data, text.length, key, ret);

        text_done(&text);
        return r;
}

static void values_are_read(void **state) {
        (void) state;
        uint64_t value;

        assert_int_equal(value_of("17\n", &value), 0);
        assert_int_equal(value, 17);
        assert_int_equal(value_of("max\n", &value), 0);
        assert_int_equal(value, UINT64_MAX);
        assert_int_equal(value_of("17", &value), -EINVAL);
        assert_int_equal(value_of("17 18\n", &value), -EINVAL);
        assert_int_equal(value_of("maximum\n", &value), -EINVAL);
        assert_int_equal(value_of("18446744073709551616\n", &value), -EINVAL);
        assert_int_equal(value_of("", &value), -EINVAL);

        /* One key may be the head of another. */
        assert_int_equal(keyed_of("oom 3\noom_kill 2\noom_group_kill 1\n", "oom_kill", &value), 0);
        assert_int_equal(value, 2);
        assert_int_equal(keyed_of("oom 3\noom_kill 2\n", "oom", &value), 0);
        assert_int_equal(value, 3);
        assert_int_equal(keyed_of("oom 3\n", "oom_kill", &value), -EINVAL);
        assert_int_equal(keyed_of("oom_kill 2", "oom_kill", &value), -EINVAL);
        assert_int_equal(keyed_of("oom_kill\n", "oom_kill", &value), -EINVAL);
        assert_int_equal(keyed_of("oom_kill many\n", "oom_kill", &value), -EINVAL);
}

static void groups_are_found(void **state) {
        (void) state;
        Kernel kernel = fixture_kernel("linux-5.4");
        char path[64];

        assert_int_equal(cgroup_find(&kernel, 4242, path, sizeof(path)), 0);
        assert_string_equal(path, "/system.slice/bot.service");
        assert_int_equal(cgroup_find_apart(&kernel, 4242, path, sizeof(path)), 0);
        assert_string_equal(path, "/system.slice/bot.service");
        assert_int_equal(cgroup_find(&kernel, 4300, path, sizeof(path)), 0);
        assert_int_equal(cgroup_find_apart(&kernel, 4300, path, sizeof(path)), -ENOENT); /* ours */
        assert_int_equal(cgroup_find(&kernel, 4243, path, sizeof(path)), -ENOENT);
        kernel_close(&kernel);

        /* The live one: everybody is in our own group, or ours is the root: nothing is apart. */
        assert_int_equal(kernel_open("/proc", &kernel), 0);
        assert_int_equal(cgroup_find_apart(&kernel, getpid(), path, sizeof(path)), -ENOENT);
        kernel_close(&kernel);
}

static void a_captured_group_is_read(void **state) {
        (void) state;
        Kernel kernel = fixture_kernel("linux-5.4");
        CgroupSense cgroup;
        CgroupFacts facts;
        unsigned n_before = open_descriptors();

        assert_int_equal(cgroup_open(&kernel, "/system.slice/other.service", &cgroup), -ENOENT);
        assert_int_equal(cgroup.dir_fd, -1);
        assert_int_equal(cgroup_open(&kernel, "/system.slice/bot.service", &cgroup), 0);

        cgroup_read_light(&cgroup, &facts);
        assert_int_equal(facts.cpu_usec, 1234567);
        assert_int_equal(facts.memory_bytes, 104857600);
        assert_int_equal(facts.oom_kills, -1);

        cgroup_read_full(&cgroup, &facts);
        assert_int_equal(facts.memory_bytes, 104857600);
        assert_int_equal(facts.inactive_file_bytes, 20971520);
        assert_int_equal(facts.memory_peak_bytes, 209715200);
        assert_int_equal(facts.memory_max_bytes, INT64_MAX);
        assert_int_equal(facts.oom_kills, 2);
        assert_int_equal(facts.tasks, 17);
        assert_int_equal(facts.is_populated, 1);

        /* Its own two, and three of the groups below; zero is nobody we can see. */
        pid_t pids[8];
        PidList list = { .pids = pids, .max = 8 };
        assert_int_equal(cgroup_list(&cgroup, &list), 0);
        assert_int_equal(list.n, 5);
        assert_int_equal(list.all, 5);
        assert_int_equal(pids[0], 4242);
        assert_int_equal(pids[1], 4243);
        assert_int_equal(pids[2], 5001);
        assert_int_equal(pids[3], 5002);
        assert_int_equal(pids[4], 5003);

        /* No more than there is room for; and it can be listed again. */
        list = (PidList){ .pids = pids, .max = 3 };
        assert_int_equal(cgroup_list(&cgroup, &list), 0);
        assert_int_equal(list.n, 3);
        assert_int_equal(list.all, 5);

        cgroup_close(&cgroup);
        assert_int_equal(open_descriptors(), n_before);
        kernel_close(&kernel);
}

static void a_live_group_is_read(void **state) {
        (void) state;
        Kernel kernel;
        CgroupSense cgroup;
        CgroupFacts facts;
        char name[64];
        char path[80];
        pid_t pids[8];
        PidList list = { .pids = pids, .max = 8 };

        assert_int_equal(kernel_open("/proc", &kernel), 0);
        (void) snprintf(name, sizeof(name), "test-sense-%d", (int) getpid());
        if (kernel.cgroup_fd < 0 || mkdirat(kernel.cgroup_fd, name, 0755) < 0) {
                kernel_close(&kernel);
                skip(); /* none here, or not ours to make */
        }

        (void) snprintf(path, sizeof(path), "/%s", name);
        assert_int_equal(cgroup_open(&kernel, path, &cgroup), 0);
        cgroup_read_full(&cgroup, &facts);
        assert_int_equal(facts.is_populated, 0);
        assert_int_equal(cgroup_list(&cgroup, &list), 0);
        assert_int_equal(list.all, 0);

        /* A child moved into a group below it is one of it. */
        char below[96];
        char number[16];
        (void) snprintf(below, sizeof(below), "%s/below", name);
        assert_int_equal(mkdirat(kernel.cgroup_fd, below, 0755), 0);
        pid_t pid = child_start(/* is_leader= */ true, NULL, NULL);
        (void) snprintf(below, sizeof(below), "%s/below/cgroup.procs", name);
        int fd = openat(kernel.cgroup_fd, below, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        (void) snprintf(number, sizeof(number), "%d", (int) pid);
        assert_int_equal(write(fd, number, strlen(number)), strlen(number));
        assert_int_equal(close(fd), 0);

        assert_int_equal(cgroup_list(&cgroup, &list), 0);
        assert_int_equal(list.n, 1);
        assert_int_equal(pids[0], pid);
        cgroup_read_full(&cgroup, &facts);
        assert_int_equal(facts.is_populated, 1);
        assert_true(facts.cpu_usec >= 0);

        char found[PATH_SIZE];
        assert_int_equal(cgroup_find_apart(&kernel, pid, found, sizeof(found)), 0);
        (void) snprintf(path, sizeof(path), "/%s/below", name);
        assert_non_null(strstr(found, path)); /* a namespace may put something before it */

        child_end(pid);
        (void) snprintf(below, sizeof(below), "%s/below", name);
        assert_int_equal(unlinkat(kernel.cgroup_fd, below, AT_REMOVEDIR), 0);

        /* Held open, yet it may be removed; then nothing is known of it. */
        assert_int_equal(unlinkat(kernel.cgroup_fd, name, AT_REMOVEDIR), 0);
        cgroup_read_full(&cgroup, &facts);
        assert_int_equal(facts.cpu_usec, -1);
        assert_int_equal(facts.is_populated, -1);
        assert_true(cgroup_list(&cgroup, &list) < 0);

        cgroup_close(&cgroup);
        kernel_close(&kernel);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_are_read),       cmocka_unit_test(values_are_read),
                cmocka_unit_test(groups_are_found),     cmocka_unit_test(a_captured_group_is_read),
                cmocka_unit_test(a_live_group_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
