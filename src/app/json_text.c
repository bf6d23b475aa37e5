/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON text: json_dumps(3), but never with a hole in it.
 *
 * When json_dumps() finds no memory to grow its text for the name of a member, it goes on without the
 * name. A buffer that is known to be large enough does not grow, so the text is measured first.
 */

#include "app/json_text.h"

#include <stdlib.h>

char *json_text(const json_t *json, size_t flags) {
        size_t size = json_dumpb(json, NULL, 0, flags);
        char *text = size > 0 ? malloc(size + 1) : NULL;

        if (!text)
                return NULL;

        if (json_dumpb(json, text, size, flags) != size) {
                free(text);
                return NULL;
        }

        text[size] = '\0';
        return text;
}
