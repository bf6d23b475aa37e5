/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a status document, and shown.
 *
 * Whatever a daemon of another version, or something else at the socket, may answer: the tool neither
 * falls nor lets anything through to the terminal that steers it.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "cli/field.h"
#include "cli/status_screen.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        (void) argc;
        (void) argv;
        i18n_open("en");
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        json_t *status = field_parse_object((const char *) data, size);
        char *seen = NULL;
        size_t length = 0;

        if (!status)
                return 0;

        FILE *file = open_memstream(&seen, &length);
        if (!file)
                abort();

        Screen screen = { .file = file, .width = 40 + (unsigned) (size % 160) };

        status_render(&screen, &(StatusLook){ .status = status, .service = "", .hint = "" });
        status_render_absent(&screen, status, size);
        (void) status_judge(status, ""); /* only that it ends */
        (void) fclose(file);             /* memory takes everything */

        for (size_t i = 0; i < length; i++)
                if (seen[i] != '\n' && ((unsigned char) seen[i] < 0x20 || seen[i] == 0x7f))
                        abort();

        free(seen);
        json_decref(status);
        return 0;
}
