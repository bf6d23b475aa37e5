/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pid file: what a watchdog leaves for the next one, so that it knows its service again.
 *
 *         albraguard-pid 1
 *         pid 1234
 *         ticks 567890
 *         boot 01234567-89ab-cdef-0123-456789abcdef
 *         incarnation 3
 *         fence /system.slice/albraguard.service/albraguard-bot-1a2b3c4d
 *
 * Somebody is going to be signalled because of this text, so it is read without any tolerance: one
 * form, one order, no leading zeros, no line more. Whatever is accepted renders to the same bytes.
 * A file that is not understood counts as no file: the lock that the service holds still keeps a
 * second copy from starting.
 */

#include "service/pidfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/text.h"

/* PID_MAX_LIMIT of the kernel on 64 bits, proc(5); 1 is never a service. */
#define PID_LIMIT 4194304

static bool take(const char **cursor, const char *end, const char *literal) {
        size_t length = strlen(literal);

        if ((size_t) (end - *cursor) < length || memcmp(*cursor, literal, length) != 0)
                return false;

        *cursor += length;
        return true;
}

static bool take_number(const char **cursor, const char *end, uint64_t *ret) {
        const char *begin = *cursor;

        return text_scan_u64(cursor, end, ret) && (*begin != '0' || *cursor - begin == 1);
}

static bool take_boot_id(const char **cursor, const char *end, char ret_id[static BOOT_ID_SIZE]) {
        const char *text = *cursor;

        if (end - text < BOOT_ID_SIZE - 1)
                return false;

        for (int i = 0; i < BOOT_ID_SIZE - 1; i++) {
                bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
                bool is_hex =
                        (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

                if (is_dash ? text[i] != '-' : !is_hex)
                        return false;
        }

        memcpy(ret_id, text, BOOT_ID_SIZE - 1);
        ret_id[BOOT_ID_SIZE - 1] = '\0';
        *cursor += BOOT_ID_SIZE - 1;
        return true;
}

/* "-", or a path that stays below where it is put. */
static bool take_fence(const char **cursor, const char *end, char ret_fence[static PATH_SIZE]) {
        const char *text = *cursor;
        const char *line_end = memchr(text, '\n', (size_t) (end - text));
        size_t length = line_end ? (size_t) (line_end - text) : 0;

        if (length == 0 || length >= PATH_SIZE)
                return false;

        *cursor = line_end;

        if (length == 1 && text[0] == '-') {
                ret_fence[0] = '\0';
                return true;
        }

        for (size_t i = 0; i < length; i++)
                if ((unsigned char) text[i] < ' ')
                        return false;

        memcpy(ret_fence, text, length);
        ret_fence[length] = '\0';
        return text[0] == '/' && length > 1 && !strstr(ret_fence, "/..");
}

int pidfile_parse(const char *text, size_t length, PidFile *ret_pidfile) {
        assert(text);
        assert(ret_pidfile);

        const char *cursor = text;
        const char *end = text + length;
        PidFile pidfile = { 0 };
        uint64_t pid;

        bool is_good =
                take(&cursor, end, "albraguard-pid 1\npid ") && take_number(&cursor, end, &pid) &&
                pid > 1 && pid <= PID_LIMIT && take(&cursor, end, "\nticks ") &&
                take_number(&cursor, end, &pidfile.start_ticks) && take(&cursor, end, "\nboot ") &&
                take_boot_id(&cursor, end, pidfile.boot_id) &&
                take(&cursor, end, "\nincarnation ") &&
                take_number(&cursor, end, &pidfile.incarnation) && take(&cursor, end, "\nfence ") &&
                take_fence(&cursor, end, pidfile.fence) && take(&cursor, end, "\n") &&
                cursor == end;
        if (!is_good)
                return -EINVAL;

        pidfile.pid = (pid_t) pid;
        *ret_pidfile = pidfile;
        return 0;
}

size_t pidfile_render(const PidFile *pidfile, char ret_text[static PIDFILE_SIZE]) {
        assert(pidfile);

        Buf buf;
        buf_init(&buf, ret_text, PIDFILE_SIZE);
        buf_printf(&buf,
                   "albraguard-pid 1\npid %d\nticks %" PRIu64 "\nboot %s\nincarnation %" PRIu64
                   "\nfence %s\n",
                   (int) pidfile->pid, pidfile->start_ticks, pidfile->boot_id, pidfile->incarnation,
                   pidfile->fence[0] ? pidfile->fence : "-");

        assert(!buf.is_truncated);
        return buf.length;
}

int pidfile_read(const char *path, PidFile *ret_pidfile) {
        assert(path);

        char text[PIDFILE_SIZE];
        size_t length;

        int r = file_read(path, text, sizeof(text), &length);
        if (r == -EFBIG)
                return -EINVAL;
        if (r < 0)
                return r;

        return pidfile_parse(text, length, ret_pidfile);
}

int pidfile_write(const char *path, const PidFile *pidfile) {
        assert(path);

        char temporary[PATH_SIZE + 8];
        char text[PIDFILE_SIZE];

        int n = snprintf(temporary, sizeof(temporary), "%s.new", path);
        if (n < 0 || (size_t) n >= sizeof(temporary))
                return -ENAMETOOLONG;

        CLEANUP_FD int fd =
                open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;

        int r = file_write_all(fd, text, pidfile_render(pidfile, text));
        if (r < 0)
                return r;

        return rename(temporary, path) < 0 ? -errno : 0;
}
