/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Disks: counted as df(1) counts, and never touched where a dead server could hold us.
 *
 * The table of mounts is a captured one with network file systems in it; that a path on them is
 * left alone shows in that nothing is known of it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/disk.h"
#include "sense/mounts.h"
#include "support.h"

static bool parse(const char *literal, Mount *ret) {
        Text text = text_of(literal);
        bool is_read = mounts_parse_line((Span){ text.data, text.data + text.length }, ret);

        text_done(&text);
        return is_read;
}

static void mount_lines_are_read(void **state) {
        (void) state;
        Mount mount;

        assert_true(
                parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", &mount));
        assert_string_equal(mount.path, "/mnt2");
        assert_string_equal(mount.type, "ext3");

        /* None and many of the optional fields. */
        assert_true(parse("1 1 0:1 / / rw - tmpfs none rw", &mount));
        assert_string_equal(mount.path, "/");
        assert_true(parse("1 1 0:1 / /a\\040b\\011c\\134d\\x rw a:1 b:2 c - fuse.x y rw", &mount));
        assert_string_equal(mount.path, "/a b\tc\\d\\x");
        assert_string_equal(mount.type, "fuse.x");

        assert_false(parse("", &mount));
        assert_false(parse("1 1 0:1 / relative rw - tmpfs none rw", &mount));
        assert_false(parse("1 1 0:1 / / rw shared:1", &mount));
        assert_false(parse("1 1 0:1 / / rw -", &mount));
        assert_false(parse("1 1 0:1 / / rw - a_type_of_a_name_as_long_as_no_type_is x rw", &mount));
}

static void type_of(const Kernel *kernel, const char *path, const char *expected) {
        char type[32];

        assert_int_equal(mounts_find_path(kernel->proc_fd, path, type, sizeof(type)), 0);
        assert_string_equal(type, expected);
}

static void paths_lie_where_the_table_says(void **state) {
        (void) state;
        Kernel kernel = fixture_kernel("linux-5.4");
        char path[64];

        type_of(&kernel, "/", "ext4");
        type_of(&kernel, "/home/bot", "ext4");
        type_of(&kernel, "/srv/share", "nfs4");
        type_of(&kernel, "/srv/share/deep/er", "nfs4");
        type_of(&kernel, "/srv/shared", "ext4"); /* a longer name, not a folder below */
        type_of(&kernel, "/srv/share/local/x", "xfs");
        type_of(&kernel, "/mnt/two words/x", "fuse.sshfs");
        type_of(&kernel, "/mnt/tab\tand\\slash", "btrfs");
        type_of(&kernel, "/data/x", "cifs"); /* mounted over the first */
        type_of(&kernel, "/database", "ext4");

        assert_int_equal(mounts_find_type(kernel.proc_fd, "cgroup2", path, sizeof(path)), 0);
        assert_string_equal(path, "/sys/fs/cgroup/unified");
        assert_int_equal(mounts_find_type(kernel.proc_fd, "zfs", path, sizeof(path)), -ENOENT);
        kernel_close(&kernel);
}

static void remote_types_are_known(void **state) {
        (void) state;

        assert_true(mounts_is_remote("nfs"));
        assert_true(mounts_is_remote("nfs4"));
        assert_true(mounts_is_remote("cifs"));
        assert_true(mounts_is_remote("fuse.sshfs"));
        assert_true(mounts_is_remote("autofs"));
        assert_false(mounts_is_remote("ext4"));
        assert_false(mounts_is_remote("nfsd"));
        assert_false(mounts_is_remote("fuse.fuse-overlayfs"));
        assert_false(mounts_is_remote(""));
}

static void counts_are_those_of_df(void **state) {
        (void) state;
        struct statvfs vfs = {
                .f_frsize = 4096,
                .f_blocks = 1000,
                .f_bfree = 300,
                .f_bavail = 250, /* 50 are kept for root */
                .f_files = 100,
                .f_ffree = 99,
                .f_favail = 99,
        };
        DiskFacts facts;

        disk_count(&vfs, 5, &facts);
        assert_true(facts.used_permille.is_valid);
        assert_int_equal(facts.used_permille.value, 737); /* 700 / 950 = 0.7368, rounded up */
        assert_int_equal(facts.used_permille.at_usec, 5);
        assert_int_equal(facts.inodes_permille.value, 10);
        assert_int_equal(facts.free_bytes.value, 250 * 4096);

        /* Full for ordinary users. */
        vfs.f_bavail = 0;
        disk_count(&vfs, 5, &facts);
        assert_int_equal(facts.used_permille.value, 1000);
        assert_true(facts.free_bytes.is_valid);
        assert_int_equal(facts.free_bytes.value, 0);

        /* btrfs has no inodes to count, and proc has no blocks. */
        vfs.f_files = 0;
        disk_count(&vfs, 5, &facts);
        assert_false(facts.inodes_permille.is_valid);
        vfs.f_blocks = 0;
        disk_count(&vfs, 5, &facts);
        assert_false(facts.used_permille.is_valid);
        assert_false(facts.free_bytes.is_valid);

        /* Nonsense does not wrap. */
        vfs = (struct statvfs){ .f_frsize = UINT64_MAX,
                                .f_blocks = UINT64_MAX,
                                .f_bfree = 1,
                                .f_bavail = UINT64_MAX,
                                .f_files = 1,
                                .f_ffree = 2,
                                .f_favail = UINT64_MAX };
        disk_count(&vfs, 5, &facts);
        assert_int_equal(facts.free_bytes.value, INT64_MAX);
        assert_in_range(facts.used_permille.value, 499, 501);
        assert_int_equal(facts.inodes_permille.value, 0);
}

static void network_disks_are_not_touched(void **state) {
        (void) state;
        static const char *const paths[] = { "/", "/srv/share", "/missing/path" };
        Kernel kernel = fixture_kernel("linux-5.4");
        DiskSense disk;
        HostFacts facts = { 0 };

        disk_open(&kernel, paths, 3, "/tmp", &disk);
        assert_null(disk_refused_type(&disk, 0));
        assert_non_null(disk_refused_type(&disk, 1));
        assert_string_equal(disk_refused_type(&disk, 1), "nfs4");

        disk_read(&disk, &kernel, 6, &facts);
        assert_true(facts.disks[0].used_permille.is_valid);
        assert_in_range(facts.disks[0].used_permille.value, 1, 1000);
        assert_false(facts.disks[1].used_permille.is_valid);
        assert_false(facts.disks[2].used_permille.is_valid);
        assert_true(facts.root_free_bytes.is_valid);

        disk_close(&disk);
        kernel_close(&kernel);
}

/* A folder that is there, and a table that says it is far away: it is the table that is
 * believed. */
static void the_table_is_believed(void **state) {
        (void) state;
        static const char table[] = "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
                                    "2 1 0:9 / /tmp rw - fuse.sshfs far:/ rw\n";
        static const char *const paths[] = { "/tmp" };
        char dir[] = "/tmp/test-sense-XXXXXX";
        char path[64];
        Kernel kernel;
        DiskSense disk;
        HostFacts facts = { 0 };

        assert_non_null(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/self", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        (void) snprintf(path, sizeof(path), "%s/self/mountinfo", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, table, strlen(table)), strlen(table));
        assert_int_equal(close(fd), 0);

        assert_int_equal(kernel_open(dir, &kernel), 0);
        disk_open(&kernel, paths, 1, "/tmp", &disk);
        disk_read(&disk, &kernel, 7, &facts);
        assert_false(facts.disks[0].used_permille.is_valid);
        assert_false(facts.root_free_bytes.is_valid);
        assert_string_equal(disk_refused_type(&disk, 0), "fuse.sshfs");
        disk_close(&disk);
        kernel_close(&kernel);

        assert_int_equal(unlink(path), 0);
        (void) snprintf(path, sizeof(path), "%s/self", dir);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(rmdir(dir), 0);
}

/* Lines longer than what is read at once, as overlay makes them, neither hide others nor are
 * lost. */
static void long_lines_are_read_by_their_heads(void **state) {
        (void) state;
        char dir[] = "/tmp/test-sense-XXXXXX";
        char path[64];
        Kernel kernel;

        assert_non_null(mkdtemp(dir));
        (void) snprintf(path, sizeof(path), "%s/self", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        (void) snprintf(path, sizeof(path), "%s/self/mountinfo", dir);
        FILE *table = fopen(path, "we");
        assert_non_null(table);
        (void) fprintf(table,
                       "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /long rw - overlay x rw");
        for (unsigned i = 0; i < 3000; i++)
                (void) fprintf(table, ",lowerdir=/a/b/c%u - fake", i);
        (void) fprintf(table, "\n3 1 0:9 / /after rw - xfs x rw\n");
        assert_int_equal(fclose(table), 0);

        assert_int_equal(kernel_open(dir, &kernel), 0);
        type_of(&kernel, "/long/x", "overlay");
        type_of(&kernel, "/after", "xfs");
        type_of(&kernel, "/other", "ext4");
        kernel_close(&kernel);

        assert_int_equal(unlink(path), 0);
        (void) snprintf(path, sizeof(path), "%s/self", dir);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(rmdir(dir), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mount_lines_are_read),
                cmocka_unit_test(paths_lie_where_the_table_says),
                cmocka_unit_test(remote_types_are_known),
                cmocka_unit_test(counts_are_those_of_df),
                cmocka_unit_test(network_disks_are_not_touched),
                cmocka_unit_test(the_table_is_believed),
                cmocka_unit_test(long_lines_are_read_by_their_heads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
