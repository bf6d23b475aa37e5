/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a pid file: what is accepted renders to the very same bytes, so there is one text for
 * one process, and it names a process that may be signalled and a control group below the mount
 * point. What is refused leaves the result alone.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "service/pidfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        PidFile pidfile = { .pid = -7 };
        char back[PIDFILE_SIZE];
        char *text = malloc(size > 0 ? size : 1);

        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);

        /* Exactly so long: what lies behind is not looked at. */
        int r = pidfile_parse(text, size, &pidfile);

        if (r < 0)
                assert(r == -EINVAL && pidfile.pid == -7);
        else {
                assert(pidfile.pid > 1);
                assert(strlen(pidfile.boot_id) == BOOT_ID_SIZE - 1);
                assert(pidfile.fence[0] == '\0' || pidfile.fence[0] == '/');
                assert(!strstr(pidfile.fence, "/.."));
                assert(pidfile_render(&pidfile, back) == size);
                assert(memcmp(back, text, size) == 0);
        }

        free(text);
        return 0;
}
